"""Convert the language model and its image projector into a folder that MLX loads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.plan import NO_EXCEPTIONS, plan
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.files import INDEX, SINGLE
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.mlx import config, structure
from mobileo_export.converters.mlx import weights as weights_file
from mobileo_export.errors import UsageError
from mobileo_export.processes import debug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.artifacts.mlx.plan import MLXPlan
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.progress import OnCount


@dataclass(frozen=True)
class MLXResult:
    """What was written: the folder, the names of its files, and what its tensors add up to."""

    folder: Path
    files: tuple[str, ...]
    parameters: int
    nbytes: int  # of all tensors
    bits_per_weight: float
    unquantized: tuple[str, ...]  # modules left float16: input not a multiple of the group size


def convert(
    checkpoint: Checkpoint,
    output: Path,
    *,
    weights: Weights = "released",
    bits: int = 8,
    group_size: int = 64,
    exceptions: Mapping[str, int] = NO_EXCEPTIONS,
    progress: OnCount | None = None,
) -> MLXResult:
    """Write the new folder ``output``; it appears whole or not at all, and always the same.

    Args:
        checkpoint: an open Mobile-O checkpoint with its tokenizer.
        output: a folder that does not exist yet, in one that does.
        weights: which copy of the image projector to take where a nested one exists.
        bits: 4 or 8 for affine quantization, 16 for plain float16.
        group_size: neighbours of a row that share a scale: 32, 64 or 128.
        exceptions: bits of single modules, see :func:`planning.plan`.
        progress: called with (parameters done, parameters in all).

    Raises:
        UsageError: an option or the output folder cannot be used.
        CheckpointError: a tensor or a tokenizer file is missing or damaged.
        ConversionError: float16 cannot hold the weights, or the result fails its checks.
    """
    checkpoint.require_weights(weights)
    COMPONENTS["llm"].check(checkpoint)
    planned = plan(checkpoint.model, bits, group_size, exceptions)
    found = weights_file.sources(checkpoint, planned, weights)
    texts = {
        config.CONFIG: config.model_config(
            checkpoint, planned, tokenizer_files.special_ids(checkpoint.path)
        ),
        config.PREPROCESSOR: config.preprocessor_config(checkpoint.model),
        INDEX: _index(planned),
    }
    check_output(output)
    with debug.scratch(f".{output.name}-", output.parent) as scratch:
        folder = scratch / output.name
        folder.mkdir()
        for name, content in texts.items():
            text = json.dumps(content, indent=2, sort_keys=True) + "\n"
            (folder / name).write_text(text, encoding="utf-8")
        tokenizer_files.copy(checkpoint.path, folder)
        weights_file.write(folder / SINGLE, planned, found, progress)
        structure.check(folder / SINGLE, planned)
        files = tuple(sorted(path.name for path in folder.iterdir()))
        folder.rename(output)
    return MLXResult(
        output,
        files,
        planned.parameters,
        planned.nbytes,
        planned.bits_per_weight,
        planned.unquantized,
    )


def _index(planned: MLXPlan) -> dict[str, Any]:
    return {
        "metadata": {"total_parameters": planned.parameters, "total_size": planned.nbytes},
        "weight_map": dict.fromkeys(planned.layout, SINGLE),
    }


def check_output(output: Path) -> None:
    """Raise UsageError unless ``output`` is a new name in a folder that exists."""
    if output.exists() or output.is_symlink():
        raise UsageError(f"{output}: already exists; delete it or choose another output")
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder; create it or choose another output")
