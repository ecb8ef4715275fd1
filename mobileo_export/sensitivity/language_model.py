"""The language model's choices: its bits, and what each does to what it says and hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlx import packed
from mobileo_export.artifacts.mlx.plan import plan
from mobileo_export.parity.language_model.requantized import rounded
from mobileo_export.progress import OnStage, ignore
from mobileo_export.sensitivity.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.sensitivity.judged import JudgedComponent
    from mobileo_export.sensitivity.sample import Call

NAME = "llm"
BITS = tuple(sorted(packed.QUANTIZED_BITS, reverse=True))
GROUP_SIZE = 64


def choices(
    judged: JudgedComponent,
    model: ModelConfig,
    calls: Sequence[Call],
    sizes: Mapping[int, int],
    progress: OnStage = ignore,
) -> list[Choice]:
    """The bits that ``sizes`` has, by the bytes of the whole folder, with measured errors."""
    found = []
    for done, (bits, size) in enumerate(sizes.items()):
        progress("quantizing", done, len(sizes))
        quantize(judged, model, bits)
        found.append(Choice(str(bits), 8 * size, float(f"{judged.error(calls):.6g}")))
    return found


def quantize(judged: JudgedComponent, model: ModelConfig, bits: int) -> None:
    """Let the reference compute with what an MLX folder of so many bits stands for."""
    import torch

    for tensor in plan(model, bits, GROUP_SIZE).tensors:
        values = rounded(judged.tensor(tensor.source), tensor.bits, tensor.group_size)
        with torch.no_grad():
            judged.parameter(tensor.source).copy_(torch.from_numpy(values))
