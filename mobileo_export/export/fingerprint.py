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

from mobileo_export import __version__, targets
from mobileo_export.bundle import seal
from mobileo_export.checkpoint import license, tokenizer_files
from mobileo_export.converters.coreml.precision import effective
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ArtifactKind, ComponentSpec
    from mobileo_export.converters.coreml.precision import Precision
    from mobileo_export.export.options import Options

_PACKAGE = Path(__file__).parents[1]
# The code that takes part, as files and folders of the package: what reads a checkpoint, and what
# makes each kind of artifact. All else may change without changing an artifact; a test watches that
# a conversion imports nothing that is neither here nor known to be harmless.
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
    "export/worker_process.py",
    "json_file.py",
    "targets.py",
)
_KINDS: dict[ArtifactKind, tuple[str, ...]] = {
    "mlpackage": (
        "checkpoint/license.py",  # the licence that a package states
        "converters/coreml",
        "reference/dit.py",
        "reference/loading.py",
        "reference/mcp.py",
        "reference/vae_decoder.py",
        "reference/vision_encoder.py",
    ),
    "mlx": (
        "artifacts/mlx/packed.py",
        "artifacts/mlx/plan.py",
        "checkpoint/chat_template.py",
        "checkpoint/tokenizer_bpe.py",
        "checkpoint/tokenizer_fields.py",
        "checkpoint/tokenizer_files.py",
        "converters/mlx",
        "recipe.py",
    ),
    "onnx": (
        "artifacts/onnx/folder.py",  # names of the files and tensors that are written
        "checkpoint/chat_template.py",
        "checkpoint/tokenizer_bpe.py",
        "checkpoint/tokenizer_fields.py",
        "checkpoint/tokenizer_files.py",
        "converters/onnx",
        "recipe.py",
        "reference",
    ),
}
# What a float16 graph keeps in float32 is decided by running the reference's own inputs.
_PROBE = (
    "assets/__init__.py",
    "assets/photographs/cat.jpg",
    "assets/photographs/coffee.jpg",
    "parity/cases.py",
    "parity/pictures.py",
    "parity/references.py",
    "parity/value_ranges.py",
    "pipelines/colors.py",
    "pipelines/images.py",
    "pipelines/orientation.py",
    "pipelines/tokens.py",
    "recipe.py",
    "runtimes/base.py",
    "runtimes/language_model.py",
    "runtimes/onnx/graph.py",
    "runtimes/onnx/language_model.py",
    "runtimes/onnx/operators.py",
    "runtimes/signature.py",
    "runtimes/torch_reference.py",
)


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
        concerns["license"] = license.terms(checkpoint, options.source_name).line()
    else:
        concerns["texts"] = {
            path.name: seal.digest(path) for path in tokenizer_files.require(checkpoint.path)
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
        "code": f"{__version__} {code_digest(kind, options.precision)}",
        "tools": {name: tools[name] for name in targets.tools(spec, options.target)},
    }


def key(stated: Mapping[str, Any], tensors_sha256: str) -> str:
    """The key of an artifact made from ``stated`` (see :func:`inputs`) and these tensors."""
    content = {**stated, "tensors_sha256": tensors_sha256}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_digest(kind: ArtifactKind, precision: Precision, package: Path = _PACKAGE) -> str:
    """sha256 over the names and contents of the files that make artifacts of this kind."""
    state = hashlib.sha256()
    for path in sources(kind, precision, package):
        state.update(f"{path.relative_to(package).as_posix()}\n".encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def sources(kind: ArtifactKind, precision: Precision, package: Path = _PACKAGE) -> list[Path]:
    """The files of :func:`code_digest`, in order.

    Raises:
        RuntimeError: one that is named here does not exist, as after a move.
    """
    named = {*_EVERY, *_KINDS[kind]}
    if kind == "onnx" and precision == "float16":
        named |= set(_PROBE)
    found: set[Path] = set()
    for name in named:
        path = package / name
        files = list(path.rglob("*.py")) if path.is_dir() else [path] * path.is_file()
        if not files:
            raise RuntimeError(f"{path}: is not there, though {__name__} names it")
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
