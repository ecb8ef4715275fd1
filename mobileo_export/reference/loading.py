"""Build a module without random weights and without a second copy of the real ones.

The module is made on the meta device, where parameters have a shape and no memory; then every
tensor is read from its place in the checkpoint and becomes the parameter itself.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Weights

Module = TypeVar("Module", bound=torch.nn.Module)


class TensorSource(Protocol):
    """What tensors are read from: a checkpoint, or what gives the values another way."""

    @property
    def path(self) -> Path:
        """Where the tensors lie, for messages."""
        ...

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """The tensor that a checkpoint calls ``name``, floats as float32."""
        ...


def load(
    construct: Callable[[], Module],
    names: Mapping[str, str],
    checkpoint: TensorSource,
    weights: Weights,
) -> Module:
    """The module that ``construct`` makes, holding the checkpoint's values in float32.

    Args:
        construct: makes the module; runs under the meta device. Buffers that are computed, not
            stored, must be made under ``torch.device("cpu")`` there.
        names: name in the module's state -> name in the checkpoint. Two names of the module may
            share one tensor.
        checkpoint: gives the values.
        weights: which of its copies.

    Returns:
        The module in eval mode with gradients off.

    Raises:
        CheckpointError: a tensor cannot be read, or module and tensors do not fit.
    """
    with torch.device("meta"):
        module = construct()
    read = {
        name: torch.from_numpy(checkpoint.read(name, weights))
        for name in dict.fromkeys(names.values())
    }
    state = {key: read[name] for key, name in names.items()}
    try:
        module.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{checkpoint.path}: the tensors do not form the network that config.json describes "
            f"({reason})"
        ) from error
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        if tensor.is_meta:
            raise AssertionError(f"{type(module).__name__}.{name} was never given a value")
    return module.requires_grad_(False).eval()
