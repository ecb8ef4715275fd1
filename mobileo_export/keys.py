"""What an artifact depends on, as one number: equal keys mean equal bytes.

The checkpoint's tensors by their bytes, its configuration and tokenizer, the options that concern
the component, our code and the versions of the tools. No path and no clock: a bundle carries its
keys, and they are the same wherever it was made.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__, targets, tokenizer_files
from mobileo_export.converters.coreml.precision import effective
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.export import Options

_PACKAGE = Path(__file__).parent
# Rooms that no converter enters: they may change without changing an artifact.
_OTHER_ROOMS = frozenset(
    {
        "assets",
        "bench",
        "cli",
        "doctor",
        "evaluation",
        "jetson",
        "merging",
        "parity_tests",
    }
)
_CHUNK = 1 << 20


def inputs(
    checkpoint: Checkpoint, spec: ComponentSpec, options: Options, tools: Mapping[str, str]
) -> dict[str, Any]:
    """All that the artifact of ``spec`` depends on but the tensors themselves, as plain data.

    ``tools`` are the versions of all tools of the export; those of this component are picked.
    """
    kind = targets.form(spec, options.target).kind
    concerns: dict[str, Any] = {"target": options.target}
    if kind == "mlpackage":
        concerns["precision"] = effective(spec.name, options.precision)
    else:
        concerns["texts"] = {
            path.name: _sha256(path) for path in tokenizer_files.require(checkpoint.path)
        }
    if kind == "onnx":
        concerns["precision"] = options.precision
        concerns["layers_per_engine"] = options.layers_per_engine
        concerns["precision_plan"] = dict(options.precision_plan)
    if kind == "mlx":
        concerns |= {
            "bits": options.llm_bits,
            "group_size": options.llm_group_size,
            "exceptions": dict(options.llm_exceptions),
        }
    return {
        "component": spec.name,
        "config": checkpoint.config,
        "model": asdict(checkpoint.model),
        "options": concerns,
        "code": f"{__version__} {code_digest()}",
        "tools": {name: tools[name] for name in targets.tools(spec, options.target)},
    }


def key(stated: Mapping[str, Any], tensors_sha256: str) -> str:
    """The key of an artifact made from ``stated`` (see :func:`inputs`) and these tensors."""
    content = {**stated, "tensors_sha256": tensors_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_digest() -> str:
    """sha256 over the names and contents of every source file that can take part in an export."""
    state = hashlib.sha256()
    for path in sources():
        state.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def sources() -> list[Path]:
    """The files of :func:`code_digest`, in order."""
    found = []
    for folder, rooms, names in os.walk(_PACKAGE, followlinks=True):
        top = Path(folder) == _PACKAGE
        rooms[:] = sorted(r for r in rooms if not (top and r in _OTHER_ROOMS))
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(found)


@dataclass(frozen=True)
class Snapshot:
    """How the files of a checkpoint lay on the disk when an export began."""

    files: tuple[tuple[Path, tuple[int, ...]], ...]

    @classmethod
    def take(cls, checkpoint: Checkpoint) -> Snapshot:
        """Look at every file that an export reads."""
        paths = {*checkpoint.files, *tokenizer_files.require(checkpoint.path)}
        paths |= set(checkpoint.path.glob("*.json"))
        folder = checkpoint.path / checkpoint.model.diffusion.name
        if folder.is_dir():
            paths |= set(folder.glob("*/*.json"))
        return cls(tuple((path, _state(path)) for path in sorted(paths)))

    def check(self) -> None:
        """Raise CheckpointError if a file is not what it was: something else was then converted."""
        for path, before in self.files:
            if _state(path) != before:
                raise CheckpointError(
                    f"{path}: changed while it was being exported; what was made of it is not "
                    "kept, export again"
                )


def _state(path: Path) -> tuple[int, ...]:
    # The time of the last change of the inode cannot be set, unlike that of the contents.
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _sha256(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            state.update(block)
    return state.hexdigest()
