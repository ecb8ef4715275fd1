"""``adapter_config.json`` of PEFT: rank and scale of every module, and what cannot be merged."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mobileo_export.checkpoint import read_json
from mobileo_export.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Value = TypeVar("_Value", int, float)
CONFIG = "adapter_config.json"
# Fields that, when set, make the merged weight something other than W + scale · B A.
_UNSUPPORTED = {
    "use_dora": "DoRA rescales the merged weight by trained magnitudes",
    "use_qalora": "QA-LoRA pools the inputs in groups",
    "use_bdlora": "BD-LoRA's factors are block-diagonal",
    "lora_bias": "its factors have biases of their own",
    "alora_invocation_tokens": "an activated LoRA applies to some tokens only",
    "trainable_token_indices": "its token embeddings are stored in another way",
    "target_parameters": "it targets parameters instead of modules",
    "layer_replication": "it repeats layers of the base",
    "fan_in_fan_out": "it was made for transposed layers, and Mobile-O has none",
    "arrow_config": "it routes between several adapters",
    "kasa_config": "KaSA changes the base at the start of training",
    "monteclora_config": "it samples its factors",
}
# Starting points that leave the base as it was; the others (PiSSA, OLoRA, ...) train against a
# changed base, which the adapter does not say how to rebuild.
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal", "true", "false")


@dataclass(frozen=True)
class AdapterConfig:
    """What decides the scale of an adapter's modules."""

    r: int
    alpha: float
    rank_stabilised: bool
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    targets: tuple[str, ...]  # empty when they are given by a pattern
    base: str | None
    path: Path

    def rank(self, module: str) -> int:
        """The rank of a module, named as in the trained model."""
        return _choose(self.ranks, module, self.r)

    def scale(self, module: str) -> float:
        """What the product of the factors is multiplied by: α / r, or α / √r (rsLoRA)."""
        rank, alpha = self.rank(module), _choose(self.alphas, module, self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def read(folder: Path) -> AdapterConfig:
    """Read and judge the configuration of the adapter in ``folder``.

    Raises:
        UsageError: there is no adapter, or it is of a kind that cannot be merged.
        CheckpointError: the file is damaged.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(f"{folder}: no {CONFIG}; name the folder that PEFT saved the adapter in")
    content = read_json(path)
    _refuse(path, content)
    targets = content.get("target_modules")
    base = content.get("base_model_name_or_path")
    return AdapterConfig(
        r=_rank(path, "r", content.get("r")),
        alpha=_number(path, "lora_alpha", content.get("lora_alpha")),
        rank_stabilised=bool(content.get("use_rslora", False)),
        ranks={k: _rank(path, k, v) for k, v in _patterns(path, content, "rank_pattern").items()},
        alphas={
            k: _number(path, k, v) for k, v in _patterns(path, content, "alpha_pattern").items()
        },
        targets=tuple(map(str, targets)) if isinstance(targets, list) else (),
        base=base if isinstance(base, str) and base else None,
        path=path,
    )


def _choose(patterns: Mapping[str, _Value], module: str, default: _Value) -> _Value:
    """The value of the first pattern that matches the end of the name, as PEFT decides."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _refuse(path: Path, content: Mapping[str, Any]) -> None:
    kind = content.get("peft_type")
    if kind != "LORA":
        raise UsageError(f"{path}: peft_type is {kind!r}; only LORA can be merged")
    for field, reason in _UNSUPPORTED.items():
        if content.get(field):
            raise UsageError(
                f"{path}: {field} is set: {reason}; merge it with PEFT, or train a plain LoRA"
            )
    start = content.get("init_lora_weights", True)
    if start not in _PLAIN_STARTS:
        raise UsageError(
            f"{path}: init_lora_weights is {start!r}, which changes the base before training; "
            "convert it to a plain LoRA with PEFT (save_pretrained with "
            "path_initial_model_for_weight_conversion)"
        )


def _patterns(path: Path, content: Mapping[str, Any], field: str) -> dict[str, Any]:
    patterns = content.get(field) or {}
    if not isinstance(patterns, dict):
        raise CheckpointError(f"{path}: {field} is no object; save the adapter again")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise CheckpointError(f"{path}: {field} holds {pattern!r}, no pattern: {error}") from (
                error
            )
    return patterns


def _rank(path: Path, field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 20:
        raise CheckpointError(f"{path}: rank {field} is {value!r}, expected a positive integer")
    return value


def _number(path: Path, field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise CheckpointError(f"{path}: alpha {field} is {value!r}, expected a positive number")
    return float(value)
