"""Run the mutations of a component's MLX folder, judged by every gate that ``verify`` has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle import manifest
from mobileo_export.errors import CheckFailedError
from mobileo_export.parity.cases import SHORT, Case
from mobileo_export.parity.folders import compare_folder
from mobileo_export.parity.language_model.compare import compare_language_model
from mobileo_export.parity.mutations import package_file
from mobileo_export.parity.mutations.base import FolderMutation, Site, spread
from mobileo_export.parity.mutations.folder import Folder
from mobileo_export.parity.mutations.language_model import FOLDER_MUTATIONS
from mobileo_export.parity.mutations.results import Catch, ComponentSuite, Missed, MutantResult
from mobileo_export.processes import debug
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.gates import Row
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.parity.results import ComponentResult
    from mobileo_export.runtimes.base import Session

RUNTIME = "mlx-dequantized"
# Of the language model a short prompt, and one with a picture, which alone passes through the image
# projector; of the others the cheapest that use every tensor.
CASES = (SHORT, "edit")
_CASES = {
    "vision_encoder": ("drawn",),
    "mcp": (SHORT, "unconditional"),
    "dit": (f"t=1, {SHORT}", "t=499, prompt, masked"),
    "vae_decoder": ("smooth",),
}


def run(
    bundle: Path,
    references: References,
    spec: ComponentSpec,
    *,
    sites: int = 3,
    kinds: Sequence[str] | None = None,
    workspace: Path | None = None,
    progress: OnProgress = lambda event: None,
) -> ComponentSuite:
    """Damage the folder of a component in every way, as :func:`suite.run` does packages.

    Raises:
        CheckFailedError: the folder fails its gates undamaged.
        RuntimeUnavailableError: torch or transformers is not installed.
        UsageError: there is no room for the copy, or no gate for such a folder.
    """
    artifact = manifest.read(bundle)["components"][spec.name]["artifacts"][0]
    original = bundle / artifact["path"]
    few: Any = _Few(
        references, _CASES.get(spec.name, CASES)
    )  # has of References what is asked of them here
    with debug.scratch("mobileo-mutants-", workspace) as scratch:
        shutil.copyfile(bundle / manifest.MANIFEST, scratch / manifest.MANIFEST)
        copied = package_file.copy(original, scratch / artifact["path"])
        sound = _compare(copied, artifact, spec, few)
        if catch(sound) is not None:
            raise CheckFailedError(
                f"{spec.name}: fails its gates undamaged; let verify pass before its gates are "
                "tried"
            )
        folder = Folder(original)
        planned: list[tuple[FolderMutation, Site]] = []
        absent = []
        for mutation in FOLDER_MUTATIONS:
            if kinds is None or mutation.kind in kinds:
                found = spread(mutation.sites(folder), sites)
                planned += [(mutation, site) for site in found]
                if not found:
                    absent.append(mutation.kind)
        mutants = []
        for done, (mutation, site) in enumerate(planned):
            progress(Progress(spec.name, "mutants", done, len(planned)))
            mutants.append(_mutant(mutation, site, original, copied, artifact, spec, few))
        progress(Progress(spec.name, "mutants", len(planned), len(planned)))
    return ComponentSuite(sound[0].gate, tuple(mutants), tuple(absent))


def _mutant(
    mutation: FolderMutation,
    site: Site,
    original: Path,
    copied: Path,
    artifact: Mapping[str, Any],
    spec: ComponentSpec,
    references: Any,
) -> MutantResult:
    folder = Folder(original)
    mutation.edit(folder, site)
    undo = folder.patch().put(copied)
    try:
        results = _compare(copied, artifact, spec, references)
    finally:
        undo.put(copied)
    found = catch(results)
    if found is not None:
        # Where the copy lay is of no interest, and another place every time.
        if found.problem is not None:
            plain = found.problem.replace(f"{copied.parent}/", "")
            found = replace(found, problem=plain)
        return MutantResult(mutation.kind, spec.name, site, found)
    near = [
        (row.value / row.limit if row.limit else 0.0, case.name, output.name, row)
        for result in results
        for case in result.cases
        for output in case.outputs
        for row in output.rows
        if row.metric in {"relative_l2", "worst_slice", "kl"}
    ]
    _, case_name, output_name, row = max(near, key=lambda item: item[0])
    # The gate on stored weights is exact: what it lets pass is within rounding or a gap in it.
    missed = Missed(case_name, output_name, row.metric, row.value, row.limit, float("inf"))
    return MutantResult(mutation.kind, spec.name, site, missed=missed)


def _compare(
    folder: Path, artifact: Mapping[str, Any], spec: ComponentSpec, references: Any
) -> tuple[ComponentResult, ...]:
    if spec.name == "llm":
        return compare_language_model(folder, artifact, references, RUNTIME)
    return compare_folder(folder, artifact, spec, references, RUNTIME)


def catch(results: Sequence[ComponentResult]) -> Catch | None:
    """The first thing that a gate rejects: a figure before a stored number that is another."""
    for result in results:
        for case in result.cases:
            for output in case.outputs:
                broken: tuple[Row, ...] = tuple(row for row in output.rows if not row.holds)
                if broken or output.problem is not None:
                    worst = (
                        output.metrics.worst[0] if output.metrics and output.metrics.worst else None
                    )
                    return Catch(
                        f"{case.name}, against {result.gate.against}",
                        output.name,
                        broken,
                        str(worst) if worst else "",
                        worst.error if worst else float("nan"),
                        output.problem,
                    )
            if case.problem is not None:
                return Catch(case.name, "", problem=case.problem)
    for result in results:
        if result.problem is not None:
            return Catch("stored weights", "", problem=result.problem)
    return None


@dataclass(frozen=True)
class _Few:
    """References that know the cheap cases only."""

    references: References
    names: tuple[str, ...] = CASES

    @property
    def checkpoint(self) -> Checkpoint:
        return self.references.checkpoint

    @property
    def weights(self) -> Weights:
        return self.references.weights

    def open(self, component: str) -> Session:
        return self.references.open(component)

    def cases(self, component: str) -> tuple[Case, ...]:
        return tuple(case for case in self.references.cases(component) if self._cheap(case))

    def runs(self, component: str, names: tuple[str, ...] | None = None) -> list[ReferenceRun]:
        return [run for run in self.references.runs(component, names) if self._cheap(run.case)]

    def runs_of(
        self, component: str, key: str, opened: Callable[[], Session]
    ) -> list[ReferenceRun]:
        runs = self.references.runs_of(component, key, opened)
        return [run for run in runs if self._cheap(run.case)]

    def _cheap(self, case: Case) -> bool:
        return case.name in self.names and case.changes is None
