"""Bundles that many tests read: exported once a machine, and again only when something changed.

They lie in ``build/exports``. What is there is never believed: every session exports into it again,
which takes over what was made from the same tensors, options, code and tools, after reading all of
it (``mobileo_export/export/resume.py``), and writes the manifest anew. Tests get a copy.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from unittest.mock import patch

from mobileo_export import components
from mobileo_export.bundle import manifest
from mobileo_export.bundle.workspace import claim, partial_of
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import MobileoError
from mobileo_export.export import resume, worker_process, workers
from mobileo_export.export import run as export
from mobileo_export.export.manifest_entries import tool_versions
from mobileo_export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLACE = Path(__file__).parents[1] / "build" / "exports"


class Exports:
    """The bundles of one session; ``copies`` is where it has its own copies of them."""

    def __init__(self, copies: Path, place: Path = PLACE) -> None:
        self._copies = copies
        self._place = place
        self._given: dict[str, Path] = {}

    def __call__(self, checkpoint: Path, only: str | None = None, **chosen: Any) -> Path:
        """A bundle of ``checkpoint``; ``chosen`` are fields of ``Options``. Shared: do not change.

        The converters run in this process, which spares a worker's imports.
        """
        options = export.Options(components.select(only), **chosen)
        name = _name(checkpoint, options)
        if name not in self._given:
            with locked(self._place / f"{name}.lock"):
                bundle = _exported(checkpoint, self._place / name, options)
                self._given[name] = shutil.copytree(bundle, self._copies / name / "bundle")
        return self._given[name]


def convert_here(
    lanes: Iterable[workers.Lane], log: IO[str] | None, hooks: workers.Hooks, **others: object
) -> workers.Outcome:
    """``workers.run`` without workers; what libraries print goes to the log all the same."""
    outcome, to = workers.Outcome(), log or sys.stderr
    for job in (job for lane in lanes for job in lane.jobs):
        hooks.begin(job["id"])
        with warnings.catch_warnings(), redirect_stdout(to), redirect_stderr(to):
            warnings.simplefilter("ignore")  # as in a worker
            result = worker_process.convert_component(
                json.loads(json.dumps(job)),
                lambda *event, name=job["id"]: hooks.progress(Progress(name, *event)),
            )
        hooks.finish(job["id"], result)
        hooks.progress(Progress(job["id"], "finished", 1, 1))
        outcome.results[job["id"]] = result
    return outcome


def begun(bundle: Path, output: Path) -> None:
    """Leave what an export of ``output`` leaves that was interrupted as it was about to seal."""
    with suppress(KeyboardInterrupt), claim(output, overwrite=False) as claimed:
        shutil.copytree(bundle, claimed.new, dirs_exist_ok=True)
        resume.keep(claimed, resume.of_bundle(manifest.read(bundle)))
        raise KeyboardInterrupt


def _exported(checkpoint: Path, output: Path, options: export.Options) -> Path:
    with patch.object(workers, "run", convert_here):
        try:
            export.export(Checkpoint.open(checkpoint), output, options, overwrite=True)
        except MobileoError:  # what lies there is no bundle, or of another age
            for folder in (output, partial_of(output)):
                shutil.rmtree(folder, ignore_errors=True)
            export.export(Checkpoint.open(checkpoint), output, options)
    return output


def _name(checkpoint: Path, options: export.Options) -> str:
    """One for every checkpoint, choice of options and set of tools."""
    names = [spec.name for spec in options.components]
    plan = {**options.compression.job(), "path": None}  # wherever it lies
    stated = {**vars(options), "components": names, "compression": plan}
    tools = tool_versions(options.components, options.target)
    state = hashlib.sha256(json.dumps([stated, tools], sort_keys=True).encode())
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        state.update(f"{path.relative_to(checkpoint)} {path.stat().st_size}\n".encode())
        state.update(path.read_bytes())
    return f"{options.target}-{state.hexdigest()[:16]}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process of a run is in a block that is locked by ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
