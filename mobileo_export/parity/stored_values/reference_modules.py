"""A component's reference as its modules alone: attributes and shapes, tensors read when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import NESTED, Checkpoint
from mobileo_export.checkpoint.safetensors_file import FLOAT_DTYPES
from mobileo_export.reference.names import checkpoint_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.components import ComponentSpec


class ReferenceModules:
    """The modules of a component's reference, without its weights.

    Attributes:
        root: the reference; its parameters have shapes, and zeros that take no memory.
        names: name in its state → name in the checkpoint, for every tensor it is made of.
        spec: the component.
        model: the dimensions of the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint, spec: ComponentSpec, weights: Weights) -> None:
        """Build the modules of ``spec``.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
        """
        nested = {NESTED + name: info for name, info in checkpoint.nested.items()}
        hollow = _Hollow(checkpoint.path, checkpoint.config, {**checkpoint.top_level, **nested})
        self.root = spec.reference(hollow, weights)
        held = self.root.state_dict()
        known = checkpoint_names(spec.name, checkpoint)
        self.names = {name: source for name, source in known.items() if name in held}
        self.spec = spec
        self.model = checkpoint.model
        self._checkpoint = checkpoint
        self._weights: Weights = weights

    def read(self, name: str) -> NDArray[Any]:
        """The checkpoint's values of the tensor that the reference's state calls ``name``.

        Raises:
            CheckpointError: they cannot be read.
        """
        return self._checkpoint.read(self.names[name], self._weights)


class _Hollow(Checkpoint):
    """A checkpoint whose tensors are all zero and share one value's memory."""

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        info = self.info(name, weights)
        dtype = np.float32 if info.dtype in FLOAT_DTYPES else np.int64
        return np.lib.stride_tricks.as_strided(
            np.zeros(1, dtype), info.shape, (0,) * len(info.shape)
        )
