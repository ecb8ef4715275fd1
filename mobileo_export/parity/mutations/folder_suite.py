"""Run the mutations of a component's MLX folder, judged by every gate that ``verify`` has."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.bundle import manifest
from mobileo_export.errors import CheckFailedError
from mobileo_export.parity.cases import SHORT
from mobileo_export.parity.folders import compare_folder
from mobileo_export.parity.language_model.compare import compare_language_model
from mobileo_export.parity.mutations import mutants, package_file
from mobileo_export.parity.mutations.base import FolderMutation, Site, spread
from mobileo_export.parity.mutations.folder import Folder
from mobileo_export.parity.mutations.language_model import FOLDER_MUTATIONS
from mobileo_export.parity.mutations.results import Catch, ComponentSuite, Missed, MutantResult
from mobileo_export.processes import debug
from mobileo_export.progress import OnProgress

if TYPE_CHECKING:
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.references import References
    from mobileo_export.parity.results import ComponentResult

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
    sites: int,
    kinds: Sequence[str] | None,
    progress: OnProgress,
) -> ComponentSuite:
    """Damage the folder of a component in every way, as :func:`suite.run` does packages.

    Raises:
        CheckFailedError: the folder fails its gates undamaged.
        RuntimeUnavailableError: torch or transformers is not installed.
        UsageError: there is no room for the copy, or no gate for such a folder.
    """
    artifact = manifest.read(bundle)["components"][spec.name]["artifacts"][0]
    original = bundle / artifact["path"]
    few = references.only(_CASES.get(spec.name, CASES))
    with debug.scratch("mobileo-mutants-") as scratch:
        shutil.copyfile(bundle / manifest.MANIFEST, scratch / manifest.MANIFEST)
        copied = package_file.copy(original, scratch / artifact["path"])
        sound = _compare(copied, artifact, spec, few)
        if catch(sound) is not None:
            raise CheckFailedError(
                f"{spec.name}: fails its gates undamaged; let verify pass before its gates are "
                "tried"
            )
        folder = Folder(original)
        return mutants.every(
            sound[0].gate,
            [m for m in FOLDER_MUTATIONS if kinds is None or m.kind in kinds],
            lambda mutation: spread(mutation.sites(folder), sites),
            lambda mutation, site: _mutant(mutation, site, original, copied, artifact, spec, few),
            progress,
        )


def _mutant(
    mutation: FolderMutation,
    site: Site,
    original: Path,
    copied: Path,
    artifact: Mapping[str, Any],
    spec: ComponentSpec,
    references: References,
) -> MutantResult:
    folder = Folder(original)
    mutation.edit(folder, site)
    with package_file.patched(copied, folder.patch()):
        results = _compare(copied, artifact, spec, references)
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
    folder: Path, artifact: Mapping[str, Any], spec: ComponentSpec, references: References
) -> tuple[ComponentResult, ...]:
    if spec.name == "llm":
        return compare_language_model(folder, artifact, references, RUNTIME)
    return compare_folder(folder, artifact, spec, references, RUNTIME)


def catch(results: Sequence[ComponentResult]) -> Catch | None:
    """The first thing that a gate rejects: a figure before a stored number that is another."""
    for result in results:
        for case in result.cases:
            for output in case.outputs:
                found = Catch.of(f"{case.name}, against {result.gate.against}", output)
                if found is not None:
                    return found
            if case.problem is not None:
                return Catch(case.name, "", problem=case.problem)
    for result in results:
        if result.problem is not None:
            return Catch("stored weights", "", problem=result.problem)
    return None
