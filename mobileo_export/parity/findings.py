"""All that is found of a bundle: by component, chained, against its trace, and under damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError
from mobileo_export.parity import compare, mutations
from mobileo_export.parity.chain import compare as chain
from mobileo_export.parity.golden.replay import replay
from mobileo_export.parity.references import References
from mobileo_export.pipelines import schedule
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.chain.results import ChainComparison
    from mobileo_export.parity.golden.replay import Replay
    from mobileo_export.parity.mutations import MutationSuite
    from mobileo_export.parity.results import Comparison


@dataclass(frozen=True)
class Findings:
    """What :func:`find` was asked to find; None for what it was not."""

    comparison: Comparison
    chain: ChainComparison | None = None
    replay: Replay | None = None
    mutations: MutationSuite | None = None

    @property
    def ok(self) -> bool:
        """Every comparison holds, and no mutant slipped; what was skipped does not count."""
        chained = self.chain is None or self.chain.skipped is not None or self.chain.ok
        replayed = self.replay is None or self.replay.ok
        noticed = self.mutations is None or self.mutations.ok
        return self.comparison.ok and chained and replayed and noticed

    def failures(self) -> list[str]:
        """One line a failed check."""
        lines = self.comparison.failures()
        if self.chain is not None:
            lines += self.chain.failures()
        if self.replay is not None:
            lines += [f"golden trace, {line}" for line in self.replay.failures()]
        if self.mutations is not None:
            lines += [f"no gate notices: {mutant}" for mutant in self.mutations.slipped]
        return lines


def check(
    bundle: Path,
    content: dict[str, Any],
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    *,
    steps: int | None = None,
    mutated: bool = False,
) -> dict[str, str]:
    """Everything that can be known before :func:`find` begins; see there for the arguments.

    Returns:
        What executes each component.

    Raises:
        as :func:`find`, the checkpoint apart.
    """
    kinds = compare.runtimes(bundle, content, components, runtime, compute_units)
    if mutated:
        mutations.choose(bundle, content, components)
    if steps is not None:
        schedule.check_steps(steps)
        missing = [name for name in chain.COMPONENTS if name not in content["components"]]
        if missing:
            raise UsageError(f"--steps {steps}: no picture is drawn, {bundle} has no {missing[0]}")
    return kinds


def find(
    bundle: Path,
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    *,
    chained: bool = True,
    steps: int | None = None,
    mutated: bool = False,
    progress: OnProgress = lambda event: None,
) -> Findings:
    """Compare a bundle with its checkpoint in every way that is asked for.

    A golden trace in the bundle is replayed too. Mutants are made of artifacts that hold only.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed.
        checkpoint: what it was made from.
        components: which to compare and to damage; None for all that the bundle holds.
        runtime: see ``compare.compare_bundle``.
        compute_units: of Core ML; None for those that the manifest names.
        chained: also from a prompt to a picture; with all components only.
        steps: of that picture; None for the recipe's.
        mutated: also damage copies of the artifacts, and see that it is noticed.
        progress: called as things are done.

    Raises:
        as ``compare.compare_bundle``, ``chain.compare_chain`` and ``mutations.run`` do.
    """
    from mobileo_export.bundle import manifest

    content = manifest.read(bundle)
    check(bundle, content, components, runtime, compute_units, steps=steps, mutated=mutated)
    weights = compare.check_weights(content, checkpoint)
    references = References(
        checkpoint, weights, lambda name, done, all_: progress(Progress(name, "torch", done, all_))
    )
    comparison = compare.compare_bundle(
        bundle, checkpoint, components, runtime, compute_units, progress, references
    )
    drawn = None
    if chained and components is None:
        drawn = chain.compare_chain(
            bundle,
            checkpoint,
            runtime,
            compute_units,
            steps=steps,
            progress=progress,
            references=references,
        )
    replayed = None
    if components is None and content.get("golden") is not None:
        replayed = replay(bundle, runtime, compute_units, progress=progress)
    suite = None
    if mutated and comparison.ok:
        suite = mutations.run(
            bundle, checkpoint, components, references=references, progress=progress
        )
    return Findings(comparison, drawn, replayed, suite)
