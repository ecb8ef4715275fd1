"""What an artifact depends on, as one number: equal keys mean equal bytes.

The checkpoint's tensors by their bytes, its configuration and tokenizer, the options that concern
the component, our code and the versions of the tools. No path and no clock: a bundle carries its
keys, and they are the same wherever it was made.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.checkpoint import license, tokenizer_files
from mobileo_export.converters import registry
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec, Precision
    from mobileo_export.converters.options import Options

_PACKAGE = Path(__file__).parents[1]
# The code that takes part in every conversion, as files and folders of the package; a converter
# names what makes its kind. All else may change without changing an artifact; a test watches that a
# conversion imports nothing that is neither named nor known to be harmless.
_EVERY = (
    "checkpoint/diffusion_config.py",
    "checkpoint/expected_tensors.py",
    "checkpoint/fields",
    "checkpoint/files.py",
    "checkpoint/folder.py",
    "checkpoint/mapped_weights.py",
    "checkpoint/model_config.py",
    "checkpoint/safetensors_file.py",
    "checkpoint/safetensors_writer.py",
    "checkpoint/tensor_names.py",
    "components.py",
    "converters/base.py",
    "converters/options.py",
    "converters/registry.py",
    "export/worker_process.py",
    "json_file.py",
    "targets.py",
)


def inputs(
    checkpoint: Checkpoint, spec: ComponentSpec, options: Options, tools: Mapping[str, str]
) -> dict[str, Any]:
    """All that the artifact of ``spec`` depends on but the tensors themselves, as plain data.

    ``tools`` are the versions of all tools of the export; those of this component are picked.
    """
    converter = registry.of(spec, options.target)
    return {
        "component": spec.name,
        "config": checkpoint.config,
        "model": asdict(checkpoint.model),
        "options": {
            "target": options.target,
            **converter.concerns(checkpoint, spec, options),
        },
        "code": f"{__version__} {code_digest(converter.kind, options.precision)}",
        "tools": {name: tools[name] for name in converter.tools},
    }


def key(stated: Mapping[str, Any], tensors_sha256: str) -> str:
    """The key of an artifact made from ``stated`` (see :func:`inputs`) and these tensors."""
    content = {**stated, "tensors_sha256": tensors_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_digest(kind: str, precision: Precision, package: Path = _PACKAGE) -> str:
    """sha256 over the names and contents of the files that make artifacts of this kind."""
    state = hashlib.sha256()
    for path in sources(kind, precision, package):
        state.update(f"{path.relative_to(package).as_posix()}\n".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def sources(kind: str, precision: Precision, package: Path = _PACKAGE) -> list[Path]:
    """The files of :func:`code_digest`, in order.

    Raises:
        RuntimeError: one that is named here does not exist, as after a move.
    """
    converter = registry.load(kind)
    named = {*_EVERY, *converter.code}
    if precision == "float16":
        named |= set(converter.half_code)
    found: set[Path] = set()
    for name in named:
        path = package / name
        files = list(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file()
        if not files:
            raise RuntimeError(f"{path}: is not there, though the {kind} converter names it")
        found |= set(files)
    return sorted(found)


@dataclass(frozen=True)
class Snapshot:
    """How the files of a checkpoint lay on the disk when an export began."""

    files: tuple[tuple[Path, tuple[int, ...]], ...]

    @classmethod
    def take(cls, checkpoint: Checkpoint) -> Snapshot:
        """Look at every file that an export reads."""
        paths = {*checkpoint.files, *tokenizer_files.require(checkpoint.path)}
        paths |= {*checkpoint.path.glob("*.json"), checkpoint.path / license.CARD}
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
