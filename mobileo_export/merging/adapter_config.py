"""``adapter_config.json`` of PEFT: rank and scale of every module, and what cannot be merged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.folder import read_json
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.merging import patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONFIG = "adapter_config.json"
# Fields that, when set, make the merged weight something other than W + scale · B A.
UNSUPPORTED = {
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
    "ensure_weight_tying": "it changes embeddings and head together, by one pair of factors",
    "enable_lora": "its factors are for parts of a joined projection",
}
HONORED = frozenset(
    {
        "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern",
        "init_lora_weights", "target_modules", "base_model_name_or_path",
    }
)  # fmt: skip
# Fields that decide which modules are trained, or how: the factors in the file are the outcome.
IRRELEVANT = {
    "task_type": "says what the model is for",
    "auto_mapping": "says which class the model was",
    "peft_version": "says who wrote the file",
    "revision": "of the base, which the user names",
    "inference_mode": "whether training goes on",
    "exclude_modules": "which modules are trained: those in the file were",
    "layers_to_transform": "likewise",
    "layers_pattern": "likewise",
    "modules_to_save": "the modules are in the file, whole",
    "bias": "trained biases are in the file, whole",
    "lora_dropout": "of training",
    "loftq_config": "of a start that init_lora_weights names",
    "eva_config": "likewise",
    "corda_config": "likewise",
    "lora_ga_config": "likewise",
    "velora_config": "of the backward pass",
    "qalora_group_size": "of use_qalora",
    "megatron_config": "how layers are divided over machines",
    "megatron_core": "likewise",
    "runtime_config": "where factors are kept while they are trained",
    "merge_weights": "of the earliest PEFT: when it merges",
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

    def settle(self, modules: Sequence[str]) -> dict[str, tuple[int, float]]:
        """Rank and scale of each of ``modules``, named as in the trained model.

        The scale is what the product of the factors is multiplied by: α / r, or α / √r (rsLoRA).

        Raises:
            CheckpointError: ``rank_pattern`` or ``alpha_pattern`` holds no pattern.
            UsageError: they take too long to match.
        """
        ranks = patterns.choose(self.path, "rank_pattern", self.ranks, modules)
        alphas = patterns.choose(self.path, "alpha_pattern", self.alphas, modules)
        found = {}
        for module in modules:
            rank, alpha = ranks.get(module, self.r), alphas.get(module, self.alpha)
            found[module] = (
                rank,
                alpha / (math.sqrt(rank) if self.rank_stabilised else rank),
            )
        return found


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


def _refuse(path: Path, content: Mapping[str, Any]) -> None:
    kind = content.get("peft_type")
    if kind != "LORA":
        raise UsageError(f"{path}: peft_type is {kind!r}; only LORA can be merged")
    for field, reason in UNSUPPORTED.items():
        if content.get(field):
            raise UsageError(
                f"{path}: {field} is set: {reason}; merge it with PEFT, or train a plain LoRA"
            )
    known = UNSUPPORTED.keys() | HONORED | IRRELEVANT.keys()
    unknown = sorted(field for field, value in content.items() if value and field not in known)
    if unknown:
        raise UsageError(
            f"{path}: {unknown[0]} is {content[unknown[0]]!r}, a field that this release does not "
            "know and that may change what is merged; merge it with PEFT, or remove the field if "
            "it changes nothing"
        )
    start = content.get("init_lora_weights", True)
    if start not in _PLAIN_STARTS:
        raise UsageError(
            f"{path}: init_lora_weights is {start!r}, which changes the base before training; "
            "convert it to a plain LoRA with PEFT (save_pretrained with "
            "path_initial_model_for_weight_conversion)"
        )


def _patterns(path: Path, content: Mapping[str, Any], field: str) -> dict[str, Any]:
    found = content.get(field) or {}
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: {field} is no object; save the adapter again")
    return found


def _rank(path: Path, field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 20:
        raise CheckpointError(f"{path}: rank {field} is {value!r}, expected a positive integer")
    return value


def _number(path: Path, field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise CheckpointError(f"{path}: alpha {field} is {value!r}, expected a positive number")
    return float(value)
