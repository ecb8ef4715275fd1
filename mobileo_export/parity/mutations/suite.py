"""Run every mutation of a bundle's artifacts and see that the gates reject them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.components import ComponentSpec
from mobileo_export.errors import UsageError
from mobileo_export.parity import compare, gates, means
from mobileo_export.parity import judge as judges
from mobileo_export.parity.mutations import folder_suite, package_file
from mobileo_export.parity.mutations.language_model import FOLDER_MUTATIONS
from mobileo_export.parity.mutations.results import MutationSuite
from mobileo_export.parity.mutations.sessions import SESSION_MUTATIONS
from mobileo_export.parity.mutations.subject import PACKAGE_MUTATIONS, Judge, Subject
from mobileo_export.parity.references import References
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from mobileo_export.processes import debug
from mobileo_export.progress import OnProgress

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


def choose(
    bundle: Path, content: dict[str, Any], components: Sequence[ComponentSpec] | None
) -> list[ComponentSpec]:
    """The components whose artifacts would be damaged.

    Args:
        bundle: for messages.
        content: its manifest.
        components: those asked for; None for all that the bundle holds.

    Raises:
        BundleError: the bundle lacks one of them.
        UsageError: one is of a kind that no mutation is for.
    """
    chosen = compare.choose(bundle, content, components)
    for spec in chosen:
        artifact = content["components"][spec.name]["artifacts"][0]
        if not means.of(artifact["kind"]).open:
            raise UsageError(
                f"{bundle}: mutations change {means.OPEN}; "
                f"verify a {artifact['target']} bundle without them"
            )
    return chosen


def run(
    bundle: Path,
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    *,
    sites: int = 3,
    kinds: Sequence[str] | None = None,
    references: References | None = None,
    judge: Judge = judges.judge,
    inspect: bool = True,
    progress: OnProgress = lambda event: None,
) -> MutationSuite:
    """Damage each artifact in every way that it has a place for, and judge the mutants.

    Each package is copied once (sharing its extents where the file system can) and changed in
    place, one mutant after the other; the bundle itself is only read. A mutant's cases run from
    the cheapest on until one is rejected.

    Args:
        bundle: a sealed bundle, whose gates hold.
        checkpoint: what it was made from.
        components: which to damage; None for all that the bundle holds.
        sites: how many places a mutation is done at, evenly from the first to the last.
        kinds: names of mutations; None for all.
        references: of this checkpoint, kept from comparing the bundle with it.
        judge: what decides, as :func:`judge.judge` does.
        inspect: whether mutants that no output shows are looked for among the stored values, as
            :mod:`stored` does; without it the gates on outputs stand alone.
        progress: called as mutants are done.

    Raises:
        BundleError: the bundle lacks a chosen component or was made from other weights.
        CheckFailedError: an artifact fails its gate undamaged, so that no mutant says anything.
        UsageError: a kind does not exist, an artifact is none that can be damaged, or there is no
            room for the copies.
    """
    from mobileo_export.bundle import manifest

    content = manifest.read(bundle)
    chosen = choose(bundle, content, components)
    held = content["components"]
    _check_kinds(kinds)
    weights = compare.check_weights(content, checkpoint)
    for spec in chosen:
        compare.check_origin(bundle, content, checkpoint, spec)
    references = references or References(checkpoint, weights, progress)
    suites = []
    for spec in chosen:
        artifact = held[spec.name]["artifacts"][0]
        if means.of(artifact["kind"]).quantized:
            suites.append(folder_suite.run(bundle, references, spec, sites, kinds, progress))
            continue
        package = compare.compressed_package(bundle, content, spec, checkpoint)
        against: gates.Against = "checkpoint" if package is None else "stored weights"
        gate = gates.find(spec.name, artifact["compute_precision"], "mil", against)
        every = references.runs(spec.name) if package is None else package.runs(references)
        runs = tuple(run for run in every if run.case.changes is None)
        with debug.scratch("mobileo-mutants-") as scratch:
            original = bundle / artifact["path"]
            copied = package_file.copy(original, scratch / original.name)
            modules = ReferenceModules(checkpoint, spec, weights) if inspect else None
            subject = Subject(
                gate, original, copied, runs, judge, modules, package, sites, kinds, progress
            )
            suites.append(subject.suite())
    return MutationSuite(tuple(suites))


def _check_kinds(kinds: Sequence[str] | None) -> None:
    known = {mutation.kind for mutation in PACKAGE_MUTATIONS}
    known |= {mutation.kind for mutation in SESSION_MUTATIONS}
    known |= {mutation.kind for mutation in FOLDER_MUTATIONS}
    for kind in kinds or ():
        if kind not in known:
            raise UsageError(f"no mutation {kind!r}; choose from {', '.join(sorted(known))}")
