"""A PEFT adapter on disk, with the tensors that were trained beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint import tensor_names
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.merging import adapter_config
from mobileo_export.merging.adapter_config import AdapterConfig
from mobileo_export.merging.tensors import StoredTensor, float64, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

PEFT_PREFIX = "base_model.model."
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_TRAINED = ("non_lora_trainables.safetensors", "non_lora_trainables.bin")
_STATES = "mp_rank_00_model_states.pt"
# `.lora_A.weight` as PEFT saves it, `.lora_A.default.weight` as a training state holds it; the
# factors of an embedding have no `.weight`.
_FACTOR = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.(?!bias$)[^.]+)?(?:\.weight)?")
# A wrapped module's own parameters.
_WRAPPED = re.compile(r"\.(?:base_layer|modules_to_save\.[^.]+)(?=\.)")
# State of the wrapped model that was not trained.
_IGNORED = (".original_module.", ".rotary_emb.inv_freq")


@dataclass(frozen=True)
class LoraPair:
    """W ← W + scale · B A for one module, named as in the adapter."""

    module: str
    a: StoredTensor
    b: StoredTensor
    scale: float
    embedding: bool  # its factors are stored for the transposed table

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the product of the factors has the shape of a weight."""
        if self.embedding:
            return (self.a.shape[1], self.b.shape[0]) == shape
        ones = (1,) * (len(shape) - 2)  # of a convolution's B: a 1×1 kernel
        return self.a.shape[1:] == shape[1:] and self.b.shape == (shape[0], self.b.shape[1], *ones)

    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale · left [rows, r] and right [r, columns], whose product is added to the weight."""
        a, b = float64(self.a), float64(self.b)
        left, right = (a.T, b.T) if self.embedding else (b, a)
        rank = self.rank
        return self.scale * left.reshape(-1, rank), right.reshape(rank, -1)

    @property
    def rank(self) -> int:
        """Inner dimension of the product."""
        return self.a.shape[0]


@dataclass(frozen=True)
class Adapter:
    """The trained tensors of one run. ``replaced`` and ``trained`` are whole new values."""

    config: AdapterConfig
    pairs: tuple[LoraPair, ...]
    replaced: tuple[StoredTensor, ...]  # from the adapter: its modules_to_save and biases
    trained: tuple[StoredTensor, ...]  # from beside it: modules that were trained without LoRA
    files: tuple[Path, ...]


def read(folder: Path, allow_pickle: bool) -> Adapter:
    """Read names and shapes of everything that was trained; values stay in their files.

    Raises:
        UsageError: no adapter is there, it cannot be merged, or it holds a pickle that is not
            allowed.
        CheckpointError: a file is damaged, a factor is missing or has the wrong rank.
    """
    config = adapter_config.read(folder)
    weights = _find_weights(folder)
    beside = _find_trained(folder)
    # Every pickle is refused before the first is opened.
    stored = {path: read_file(path, allow_pickle) for path in (weights, beside) if path}
    stored = {
        path: [replace(t, name=tensor_names.plain(t.name)) for t in tensors]
        for path, tensors in stored.items()
    }
    factors = [tensor for tensor in stored[weights] if "lora_" in tensor.name]
    whole = [tensor for tensor in stored[weights] if "lora_" not in tensor.name]
    # The adapter itself is saved in a training state, too, as it was at that step.
    trained = [t for t in stored[beside] if "lora_" not in t.name] if beside else []
    pairs = _pairs(config, weights, factors)
    return Adapter(config, pairs, _wanted(whole), _wanted(trained), tuple(stored))


def stem(tensor: StoredTensor) -> str:
    """The name of a whole tensor without what PEFT's wrappers added."""
    return _WRAPPED.sub("", tensor.name)


def _wanted(tensors: Iterable[StoredTensor]) -> tuple[StoredTensor, ...]:
    return tuple(t for t in tensors if not any(part in t.name for part in _IGNORED))


def _find_weights(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"{folder}: no {_WEIGHTS[0]}; name the folder that PEFT saved the adapter in")


def _find_trained(folder: Path) -> Path | None:
    """What else was trained: saved by name, or in the newest state of DeepSpeed."""
    for name in _TRAINED:
        if (folder / name).is_file():
            return folder / name
    steps = [*folder.glob("global_step*"), *folder.glob("checkpoint-*/global_step*")]
    newest = max(steps, key=_step, default=None)
    if newest is None:
        return None
    if (newest / _STATES.replace("00", "01")).exists() or not (newest / _STATES).is_file():
        raise UsageError(
            f"{newest}: its trained weights are divided over several files; join them with "
            f"DeepSpeed's zero_to_fp32.py and save them as {folder / _TRAINED[0]}"
        )
    return newest / _STATES


def _step(path: Path) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"(?:checkpoint-|global_step)(\d{1,15})", str(path)))[
        -2:
    ]


def _pairs(
    config: AdapterConfig, path: Path, factors: Iterable[StoredTensor]
) -> tuple[LoraPair, ...]:
    found: dict[tuple[str, bool], dict[str, StoredTensor]] = {}
    for tensor in factors:
        match = _FACTOR.fullmatch(tensor.name)
        if match is None:
            raise UsageError(
                f"{tensor} belongs to a kind of LoRA that cannot be merged here; "
                "merge it with PEFT, or train a plain LoRA"
            )
        module, embedding, part = match[1], bool(match[2]), match[3]
        parts = found.setdefault((module, embedding), {})
        if part in parts:
            raise CheckpointError(
                f"{tensor} and {parts[part].name} are for the same module; keep one adapter in "
                "the file"
            )
        parts[part] = tensor
    if not found:
        raise CheckpointError(f"{path}: holds no LoRA tensor; save the adapter again")
    names = {module: module.removeprefix(PEFT_PREFIX) for module, _ in found}
    settled = config.settle(list(names.values()))
    return tuple(
        _pair(config.path.name, module, embedding, parts, *settled[names[module]])
        for (module, embedding), parts in found.items()
    )


def _pair(
    config: str,
    module: str,
    embedding: bool,
    parts: dict[str, StoredTensor],
    rank: int,
    scale: float,
) -> LoraPair:
    for part, other in ("AB", "BA"):
        if part not in parts:
            raise CheckpointError(
                f"{parts[other]} has no lora_{part} beside it; save the adapter again"
            )
    a, b = parts["A"], parts["B"]
    if len(b.shape) > 2 and 0 < b.shape[1] < rank and rank % b.shape[1] == 0:
        raise grouped(b, rank // b.shape[1])
    for tensor, axis in ((a, 0), (b, 1)):
        shape: Any = tensor.shape
        if len(shape) < 2 or shape[axis] != rank:
            raise CheckpointError(
                f"{tensor} has shape {list(shape)}, but {config} says rank {rank}; "
                "the two files come from different adapters"
            )
    return LoraPair(module, a, b, scale, embedding)


def grouped(tensor: StoredTensor, groups: int) -> UsageError:
    """The error for a convolution in groups, which PEFT does not merge either.

    Its A takes all channels to the rank, so that B A mixes what the base keeps apart.
    """
    return UsageError(
        f"{tensor} is of a convolution in {groups} groups: the adapter mixes channels across them, "
        "which no weight of that convolution can hold; train the adapter without this module"
    )
