"""The ``torch`` runtime: a component's PyTorch float32 reference behind the runtime interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.components import COMPONENTS, TensorSpec
from mobileo_export.errors import BundleError
from mobileo_export.runtimes import signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from mobileo_export.checkpoint import Checkpoint, Weights
    from mobileo_export.runtimes.base import Array


class TorchSession:
    """A reference module that takes and returns named NumPy arrays."""

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._module: torch.nn.Module | None = module

    @property
    def module(self) -> torch.nn.Module:
        """The reference itself; raises ValueError once the session is closed."""
        if self._module is None:
            raise ValueError("the session is closed")
        return self._module

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays, all float32 or int32.

        Raises:
            UsageError: the inputs do not fit the signature.
        """
        import numpy as np
        import torch

        module = self.module
        signature.check_inputs(self.inputs, inputs)
        # An array from a file may be read-only or strided, which torch cannot wrap.
        tensors = [
            torch.from_numpy(np.require(inputs[spec.name], requirements=["C", "W"]))
            if spec.name in inputs
            else None
            for spec in self.inputs
        ]
        with torch.inference_mode():
            returned = module(*tensors)
        values = returned if isinstance(returned, tuple) else (returned,)
        return {
            spec.name: value.contiguous().numpy()
            for spec, value in zip(self.outputs, values, strict=True)
        }

    def close(self) -> None:
        """Drop the module and its weights."""
        self._module = None


class TorchRuntime:
    """Runs components straight from a checkpoint. It executes no converted artifact."""

    name = "torch"

    def load(self, path: Path) -> TorchSession:
        """Always raises BundleError: artifacts are what the reference is compared with."""
        raise BundleError(
            f"{path}: the torch runtime runs the components of a checkpoint, not artifacts; "
            "choose another runtime for a bundle"
        )

    def load_component(
        self, checkpoint: Checkpoint, component: str, weights: Weights
    ) -> TorchSession:
        """The reference of ``component``, a name of ``components.COMPONENTS``.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
            UsageError: ``post-trained`` is asked of a checkpoint without nested copies.
        """
        spec = COMPONENTS[component]
        module = spec.reference(checkpoint, weights)
        model = checkpoint.model
        return TorchSession(module, spec.inputs(model), spec.outputs(model))
