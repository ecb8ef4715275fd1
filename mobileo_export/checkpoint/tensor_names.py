"""Names of stored tensors without what wrapped the model while it was trained or compiled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mobileo_export.checkpoint.model_config import LanguageModelConfig
    from mobileo_export.checkpoint.safetensors_file import TensorInfo

# torch.compile, FSDP and activation checkpointing wrap any module, DataParallel the whole model.
_INSIDE = re.compile(
    r"(?:(?<=\.)|^)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
_WHOLE = "module."
# They follow from rope_theta. Early releases of transformers stored them; none reads them.
_FREQUENCIES = ".rotary_emb.inv_freq"


def plain(name: str) -> str:
    """``name`` as the model itself calls the tensor."""
    name = _INSIDE.sub("", name)
    while name.startswith(_WHOLE):
        name = name.removeprefix(_WHOLE)
    return name


def sorted_out(
    tensors: Mapping[str, TensorInfo],
) -> tuple[dict[str, TensorInfo], tuple[TensorInfo, ...]]:
    """The model's tensors by their plain names, and the rotary frequencies, which are none.

    Each tensor still says what it is called in its file.

    Raises:
        CheckpointError: two tensors have one plain name.
    """
    found: dict[str, TensorInfo] = {}
    for name, info in tensors.items():
        key = plain(name)
        if key in found:
            raise CheckpointError(
                f"{info.file}: tensors {found[key].name} and {name} are the same one in different "
                "wrappings; save the checkpoint again from the model itself"
            )
        found[key] = info
    computed = tuple(info for key, info in found.items() if key.endswith(_FREQUENCIES))
    return {n: t for n, t in found.items() if not n.endswith(_FREQUENCIES)}, computed


def notes(tensors: Iterable[str]) -> tuple[str, ...]:
    """What a user should know of the names in a checkpoint."""
    found = []
    wrapped = [name for name in tensors if plain(name) != name]
    if wrapped:
        found.append(
            f"{len(wrapped)} tensors are read without what torch.compile, FSDP or DataParallel put "
            f"into their names ({wrapped[0]} is {plain(wrapped[0])})"
        )
    computed = sum(name.endswith(_FREQUENCIES) for name in tensors)
    if computed:
        found.append(
            f"{computed} stored buffers rotary_emb.inv_freq are left out: they follow from "
            "rope_theta, as config.json has it"
        )
    return tuple(found)


def check_frequencies(stored: Iterable[TensorInfo], llm: LanguageModelConfig) -> None:
    """Raise CheckpointError if stored frequencies are others than the configuration gives."""
    exponents = np.arange(0, llm.head_dim, 2) / llm.head_dim
    expected = llm.rope_theta**-exponents
    for info in stored:
        values = safetensors_file.read(info)
        # As bfloat16 and float16 hold them; another theta is further off.
        if values.shape != expected.shape or not np.allclose(values, expected, 8e-3, 1e-7):
            raise CheckpointError(
                f"{info.file}: {info.name} holds other frequencies than rope_theta "
                f"{llm.rope_theta:g} of config.json gives; they come from different models"
            )
