"""What was measured so far, in a folder beside the plan: an interrupted plan goes on from there.

It stays when the plan is written: another size of the same checkpoint takes seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from mobileo_export import __version__, json_file, whole_file
from mobileo_export.bundle import durable
from mobileo_export.compression.schemes import Scheme, Stored
from mobileo_export.errors import UsageError
from mobileo_export.sensitivity.sample import PICTURE, Call, SampledCalls

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec

_SAMPLE = "sample"
_MARKER, _KEY = ".measuring-a-plan", "key"
_PACKAGE = Path(__file__).resolve().parents[1]
_CODE = ("sensitivity", "compression", "reference", "pipelines", "artifacts/mlx")


@dataclass(frozen=True)
class Work:
    """A folder that is ours alone until its block ends."""

    folder: Path

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The document ``name``; made and kept if it is not there."""
        found = self.load(name)
        if found is None:
            found = make()
            self.save(name, found)
        return found

    def load(self, name: str) -> Any:
        """The document ``name``; None if it is not there, or damaged."""
        try:
            return json_file.load(self._path(name))
        except (OSError, ValueError):
            return None

    def save(self, name: str, content: Any) -> None:
        """Keep it."""
        durable.write_text(self._path(name), json.dumps(content))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def load_stored(self, name: str, key: str, scheme: Scheme) -> Stored | None:
        """The matrix ``name`` as it was rounded for ``key``; None if it was for another."""
        try:
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as kept:
                if str(kept["key"]) != key:
                    return None
                parts = {part: kept[part] for part in ("data", "scale", "table") if part in kept}
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        return Stored(scheme, **parts)

    def save_stored(self, name: str, key: str, stored: Stored) -> None:
        """Keep it."""
        parts = {"data": stored.data, "scale": stored.scale, "table": stored.table}
        kept = {part: array for part, array in parts.items() if array is not None}
        with whole_file.writing(self.folder / f"{name}.npz") as file:
            np.savez(file, **{"key": np.str_(key), **kept})  # type: ignore[arg-type]

    def sample(self, make: Callable[[], SampledCalls]) -> SampledCalls:
        """The sample; recorded and kept if it is not there, whatever was kept on the way."""
        found = self.calls(_SAMPLE, make)
        for part in self.folder.glob(f"{PICTURE}*"):
            part.unlink()
        return found

    def calls(self, name: str, make: Callable[[], SampledCalls]) -> SampledCalls:
        """The calls called ``name``; made and kept if they are not there, or damaged."""
        path = self.folder / f"{name}.npz"
        try:
            return _unpacked(path)
        except (OSError, ValueError, KeyError, BadZipFile):
            made = make()
            with whole_file.writing(path) as file:
                np.savez(file, **_packed(made))
            return made

    def recorded(self) -> SampledCalls:
        """The sample that is there.

        Raises:
            OSError, ValueError, KeyError, BadZipFile: there is none, or it is damaged.
        """
        return _unpacked(self.folder / f"{_SAMPLE}.npz")


def beside(output: Path) -> Path:
    """Where the plan ``output`` is worked on."""
    return output.with_name(output.name + ".work")


@contextmanager
def claim(folder: Path, key: str) -> Iterator[Work]:
    """Yield ``folder`` as it was left by work of the same ``key``, else an empty one.

    Raises:
        UsageError: somebody else works there, or it is not ours.
    """
    marker = folder / _MARKER
    if folder.is_symlink() or (
        folder.exists()
        and not (folder.is_dir() and (marker.is_file() or not any(folder.iterdir())))
    ):
        raise UsageError(f"{folder}: exists and is not ours; move it away or rename the plan")
    folder.mkdir(exist_ok=True)
    with marker.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{folder}: another compress-plan works there; wait for it or rename the plan"
            ) from None
        kept = folder / _KEY
        if not kept.is_file() or kept.read_text(encoding="utf-8") != key:
            for path in folder.iterdir():
                if path.name != _MARKER and path.is_file():
                    path.unlink()
            durable.write_text(kept, key)
        yield Work(folder)


def key(
    checkpoint: Checkpoint,
    weights: Weights,
    specs: Iterable[ComponentSpec],
    stated: Mapping[str, Any],
) -> str:
    """sha256 over all that decides what is measured: tensors, code, and what is ``stated``."""
    state = hashlib.sha256(f"{__version__} {json.dumps(stated, sort_keys=True)}".encode())
    for name in _CODE:
        for path in sorted((_PACKAGE / name).rglob("*.py")):
            state.update(path.read_bytes())
    for spec in specs:
        state.update(checkpoint.digest(spec.tensors(checkpoint.model), weights).encode())
    return state.hexdigest()


def _packed(sample: SampledCalls) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for component, calls in sample.calls.items():
        for index, call in enumerate(calls):
            where = f"{component}/{index}"
            arrays[f"{where}/weight"] = np.float64(call.weight)
            arrays |= {f"{where}/inputs/{name}": a for name, a in call.inputs.items()}
            arrays |= {f"{where}/outputs/{name}": a for name, a in call.outputs.items()}
    return arrays


def _unpacked(path: Path) -> SampledCalls:
    found: dict[str, dict[int, dict[str, Any]]] = {}
    with np.load(path, allow_pickle=False) as stored:
        for name in stored.files:
            component, index, *rest = name.split("/")
            call = found.setdefault(component, {}).setdefault(int(index), {})
            call["/".join(rest)] = stored[name]
    sample = SampledCalls()
    for component, calls in found.items():
        for index in sorted(calls):
            call = calls[index]
            inputs, outputs = (
                {n.removeprefix(side): a for n, a in call.items() if n.startswith(side)}
                for side in ("inputs/", "outputs/")
            )
            sample.add(component, Call(inputs, outputs, float(call["weight"])))
    return sample
