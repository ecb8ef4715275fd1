"""Do two language models say the same? Next-token scores of every position, not of the last only.

The last hidden state has passed the final norm, so that the scores of any position are its product
with the head. Taken in small blocks: all of them at once are gigabytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity import gates, metrics
from mobileo_export.parity.results import Control, OutputResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.parity.gates import Gate
    from mobileo_export.parity.metrics import Metrics

_POSITIONS = 32  # positions at a time


@dataclass(frozen=True)
class Heads:
    """The heads [V, d] of both sides, float32."""

    reference: NDArray[np.float32]
    found: NDArray[np.float32]


def heads(checkpoint: Checkpoint, weights: Weights, folder: MLXFolder) -> Heads:
    """The checkpoint's head and the folder's, which may be their embedding tables."""
    tied = checkpoint.model.llm.tie_word_embeddings
    name = "model.embed_tokens.weight" if tied else "lm_head.weight"
    stored = "model.embed_tokens.weight" if folder.llm.tie_word_embeddings else "lm_head.weight"
    return Heads(checkpoint.read(name, weights), folder.read(stored))


def compare(
    reference: NDArray[Any], found: Sequence[NDArray[Any]], pair: Heads
) -> tuple[Metrics, ...]:
    """Scores of every position of several ``stacked_hidden_states`` [1, K, N, d].

    ``kl`` and ``top1`` are means over all positions, the other figures those of all scores.
    """
    left = reference[0, -1]
    parts: list[list[tuple[Metrics, int, float]]] = [[] for _ in found]
    for start in range(0, len(left), _POSITIONS):
        rows = slice(start, start + _POSITIONS)
        scores = left[rows] @ pair.reference.T
        energy = float((scores.astype(np.float64) ** 2).sum())
        truth = metrics.Truth(scores, "logits")
        for states, measured in zip(found, parts, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):  # of the largest float32
                said = states[0, -1][rows] @ pair.found.T
            measured.append((truth.compare(said), len(scores), energy))
    return tuple(map(_merged, parts))


def judge(gate: Gate, reference: NDArray[Any], found: NDArray[Any], pair: Heads) -> OutputResult:
    """Measure, apply the gate, and see that shifted scores and a NaN would be noticed."""
    if reference.shape != found.shape:
        return OutputResult(
            "logits", problem=f"of shape {list(found.shape)}, expected {list(reference.shape)}"
        )
    broken = found.copy()
    broken[0, -1, -1, 0] = np.nan
    damaged = {"tokens shifted": np.roll(found, 1, 2), "one value NaN": broken}
    measured, *others = compare(reference, (found, *damaged.values()), pair)
    controls = [
        Control(damage, not all(row.holds for row in gates.apply(gate, other)))
        for damage, other in zip(damaged, others, strict=True)
    ]
    return OutputResult("logits", measured, gates.apply(gate, measured), tuple(controls))


def _merged(parts: list[tuple[Metrics, int, float]]) -> Metrics:
    positions = sum(count for _, count, _ in parts)
    energy = sum(part for *_, part in parts)

    def mean(values: list[tuple[float, int]]) -> float:
        return sum(value * count for value, count in values) / positions

    noise = sum(item.relative_l2**2 * part for item, _, part in parts)
    share = noise / energy if energy else (math.inf if noise else 0.0)
    return metrics.Metrics(
        finite_share=mean([(item.finite_share, count) for item, count, _ in parts]),
        max_absolute=max(item.max_absolute for item, *_ in parts),
        mean_absolute=mean([(item.mean_absolute, count) for item, count, _ in parts]),
        relative_l2=math.sqrt(share),
        psnr=min(item.psnr for item, *_ in parts),
        snr=-10 * math.log10(share) if 0 < share < math.inf else (-math.inf if share else math.inf),
        cosine=min(item.cosine for item, *_ in parts),
        worst=(),
        kl=mean([(math.inf if item.kl is None else item.kl, count) for item, count, _ in parts]),
        top1=mean([(item.top1 or 0.0, count) for item, count, _ in parts]),
    )
