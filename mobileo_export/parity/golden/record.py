"""Add a golden trace and parity figures to a bundle: recorded from the reference, sealed again."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bundle import card, manifest, seal
from mobileo_export.bundle.workspace import BUNDLE, workspace
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError, CheckFailedError, UsageError
from mobileo_export.parity import compare, results
from mobileo_export.parity.golden import bounds, index, parts, store
from mobileo_export.parity.golden.runs import Reference, record_runs
from mobileo_export.parity.naming import called
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.progress import OnProgress, Progress, ignore
from mobileo_export.runtimes import tf32

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.results import Comparison

PARITY = "parity.json"
PARITY_FORMAT, PARITY_VERSION = "mobileo-parity-figures", 1
RECORDING = replace(BUNDLE, work="export or recording")
STEPS = 3  # a first step of first order, one of second, the last of first
MAX_STEPS = 50
_TOOLS = ("torch", "transformers", "diffusers", "timm", "numpy", "tokenizers", "pillow")


@dataclass(frozen=True)
class Recorded:
    """What was added to a bundle: ``bytes`` of the trace with its index."""

    bundle: Path
    runs: int
    calls: int
    entries: int
    bytes: int
    comparison: Comparison | None
    seconds: float


def check(bundle: Path, steps: int) -> dict[str, Any]:
    """The manifest of a bundle that can be recorded; its files are not looked at.

    Raises:
        BundleError: it cannot be read, or lacks a component.
        UsageError: too few or too many steps.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"{steps} steps: a trace holds 1 to {MAX_STEPS}")
    content = manifest.read(bundle)
    missing = [name for name in COMPONENTS if name not in content["components"]]
    if missing:
        raise BundleError(
            f"{bundle}: has no {' and no '.join(missing)}, and a trace needs all components; "
            "export it again without --only"
        )
    return content


def record(
    bundle: Path,
    checkpoint: Checkpoint,
    *,
    steps: int = STEPS,
    figures: bool = True,
    progress: OnProgress = ignore,
) -> Recorded:
    """Record ``golden/`` and ``parity.json`` into ``bundle`` and seal it again.

    A new bundle is built beside the old one, from hard links to all that stays the same, and takes
    its place when complete; until then the old one is untouched. An earlier trace is replaced, and
    so are earlier figures.

    Args:
        bundle: what to add to.
        checkpoint: what it was made from.
        steps: of the scheduler, for each of the two pictures.
        figures: compare every component first, as ``verify --checkpoint`` does, and keep what that
            measured. Costs far more time than the trace.
        progress: called as the work goes on.

    Raises:
        BundleError: the bundle cannot be read, or was made from other weights.
        CheckFailedError: its files are not as sealed, or it does not compute what the checkpoint
            computes: what is wrong must not become golden.
        UsageError: the steps are out of range, or something else is writing the bundle.
    """
    started = time.monotonic()
    tf32.off()
    content = check(bundle, steps)
    with workspace(bundle, True, RECORDING) as folder:
        progress(Progress("bundle", "checking the seal", 0, 1))
        _check_seal(bundle, content)
        comparison = _compare(bundle, content, checkpoint, figures, progress)
        progress(Progress("bundle", "recording", 0, 1))
        carded = any(file["path"] == card.CARD for file in content["files"])
        kept = [file for file in content["files"] if not _replaced(file["path"])]
        for file in kept:
            _link(bundle / file["path"], folder / file["path"])
        _carry_over(bundle, folder, seal.strays(bundle, content))
        counted = _record(bundle, content, checkpoint, folder / index.FOLDER, steps, progress)
        measured = None if comparison is None else _figures(comparison)
        if measured is not None:
            text = json.dumps(measured, indent=2, sort_keys=True, allow_nan=False)
            (folder / PARITY).write_text(text + "\n", encoding="utf-8")
        if carded:  # one that is no part of the bundle is its owner's, and was carried over
            shown = card.text({**content, "files": kept}, NEEDS, measured)
            (folder / card.CARD).write_text(shown, encoding="utf-8")
        progress(Progress("bundle", "sealing", 0, 1))
        others = [card.CARD] * carded + [PARITY] * (comparison is not None)
        size = _seal(folder, content, kept, others)
        progress(Progress("bundle", "sealed", 1, 1))
    return Recorded(bundle, *counted, size, comparison, time.monotonic() - started)


def _record(
    bundle: Path,
    content: dict[str, Any],
    checkpoint: Checkpoint,
    folder: Path,
    steps: int,
    progress: OnProgress,
) -> tuple[int, int, int]:
    """Write the trace into ``folder``; the numbers of its runs, calls and entries."""
    folder.mkdir()
    reference = Reference(bundle, content, checkpoint)
    with store.Writer(folder / store.ARRAYS) as writer:
        runs = list(record_runs(reference, writer, steps, progress))
        document = {
            "format": index.FORMAT,
            "format_version": index.FORMAT_VERSION,
            "generator": {"name": "mobileo-export", "version": __version__},
            "tools": {name: metadata.version(name).partition("+")[0] for name in _TOOLS},
            "gates": bounds.table(content["components"]),
            "parts": parts.build(reference.model),
            "runs": runs,
            "entries": writer.entries,
        }
    (folder.parent / index.INDEX).write_text(index.dumps(document) + "\n", encoding="utf-8")
    return len(runs), sum(len(run["calls"]) for run in runs), len(writer.entries)


def _check_seal(bundle: Path, content: dict[str, Any]) -> None:
    problems = seal.verify(bundle, content)
    if problems:
        first = problems[0]
        raise CheckFailedError(
            f"{bundle}: {len(problems)} of its files are not as sealed ({first.kind} "
            f"{first.path}); {seal.advice(problems)} before you record"
        )


def _compare(
    bundle: Path,
    content: dict[str, Any],
    checkpoint: Checkpoint,
    figures: bool,
    progress: OnProgress,
) -> Comparison | None:
    """The figures, or only whether the weights are the same."""
    if not figures:
        compare.check_weights(content, checkpoint)
        for spec in COMPONENTS.values():
            progress(Progress(spec.name, "same weights?", 0, 1))
            compare.check_origin(bundle, content, checkpoint, spec)
        return None
    comparison = compare.compare_bundle(bundle, checkpoint, progress=progress)
    if not comparison.ok:
        failures = comparison.failures()
        first = f" ({len(failures)} checks failed, first {failures[0]})" if failures else ""
        raise CheckFailedError(
            f"{bundle}: does not compute what {called(checkpoint.path)} computes{first}; nothing "
            "was recorded, verify it with --checkpoint to see all of it"
        )
    return comparison


def _seal(
    folder: Path, content: dict[str, Any], kept: list[dict[str, Any]], others: list[str]
) -> int:
    """Write the manifest; hashes only what is new: trace and ``others``. The bytes of the trace."""
    paths = [index.INDEX, f"{index.FOLDER}/{store.ARRAYS}", *others]
    added = [
        manifest.FileEntry(path, (folder / path).stat().st_size, seal.digest(folder / path))
        for path in paths
    ]
    files = sorted([*kept, *map(asdict, added)], key=lambda file: Path(file["path"]).parts)
    golden = {"index": index.INDEX, "format_version": index.FORMAT_VERSION}
    sealed = {**content, "files": files, "golden": golden}
    sealed.pop("parity", None)
    if PARITY in others:
        sealed["parity"] = {"path": PARITY, "format_version": PARITY_VERSION}
    (folder / manifest.MANIFEST).write_text(manifest.dumps(sealed), encoding="utf-8")
    return sum(file.size for file in added if file.path not in others)


def _figures(comparison: Comparison) -> dict[str, Any]:
    """The comparison as its report has it, without times, profiles and the machine's paths."""
    document: dict[str, Any] = _untimed(results.as_json(comparison))
    for component in document["components"]:
        for case in component["cases"]:
            for output in case["outputs"]:
                output["profiles"] = []
    del document["bundle"], document["checkpoint"]
    return document | {"format": PARITY_FORMAT, "schema_version": PARITY_VERSION}


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _untimed(item) for k, item in value.items() if not k.endswith("seconds")}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def _replaced(path: str) -> bool:
    return path in {PARITY, card.CARD} or path.startswith(index.FOLDER + "/")


def _carry_over(bundle: Path, folder: Path, strays: list[str]) -> None:
    """What hubs keep in any folder (``.git``, a model card) is not ours to lose."""
    for top in sorted({path.partition("/")[0] for path in strays}):
        if (folder / top).exists():  # an artifact, with a stray in it
            continue
        if (bundle / top).is_dir():
            shutil.copytree(bundle / top, folder / top, symlinks=True, copy_function=_link)
        else:
            _link(bundle / top, folder / top)


def _link(source: str | Path, target: str | Path) -> None:
    """The same file under another name; a copy where the file system has no hard links."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
