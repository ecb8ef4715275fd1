"""The ``torch`` runtime: a component's PyTorch float32 reference behind the runtime interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.components import COMPONENTS, TensorSpec
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.runtimes import language_model, signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from transformers import Cache

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
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
        import torch

        module = self.module
        signature.check_inputs(self.inputs, inputs)
        tensors = [
            _tensor(inputs[spec.name]) if spec.name in inputs else None for spec in self.inputs
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


class TorchLanguageModelSession(TorchSession):
    """A language model's module, which also generates; see :class:`base.LanguageModelSession`."""

    _past: Cache | None = None

    def prefill(self, input_ids: Array, image_features: Array | None = None) -> tuple[Array, Array]:
        """Forget everything, read a prompt, keep its keys and values.

        Raises:
            UsageError: the inputs do not fit the signature, or the image tokens the features.
        """
        import torch

        module: Any = self.module
        self._past = None
        inputs = {"input_ids": input_ids}
        if image_features is not None:
            inputs["image_features"] = image_features
        signature.check_inputs(self.inputs, inputs)
        with torch.inference_mode():
            stacked, logits, self._past = module.prefill(*map(_tensor, inputs.values()))
        return stacked.contiguous().numpy(), logits.contiguous().numpy()

    def step(self, token_id: int) -> Array:
        """Append one token to what was read; the logits [1, V] float32 after it.

        Raises:
            UsageError: nothing was read yet, no position is left, or the id is out of range.
        """
        import torch

        module: Any = self.module
        if self._past is None:
            raise UsageError("step: nothing was read yet; prefill a prompt first")
        language_model.check_room(self.inputs, self._past.get_seq_length())
        ids = language_model.token(token_id)
        with torch.inference_mode():
            logits: torch.Tensor = module.step(_tensor(ids), self._past)
        return logits.contiguous().numpy()

    def beside(self) -> TorchLanguageModelSession:
        """Another session over the same module, which has read nothing."""
        return TorchLanguageModelSession(self.module, self.inputs, self.outputs)

    def close(self) -> None:
        """Drop the module, its weights and what it has read."""
        super().close()
        self._past = None


def _tensor(array: Array) -> torch.Tensor:
    import numpy as np
    import torch

    # An array from a file may be read-only or strided, which torch cannot wrap.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


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

        That of ``llm`` is a :class:`TorchLanguageModelSession`.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
            UsageError: ``post-trained`` is asked of a checkpoint without nested copies.
        """
        spec = COMPONENTS[component]
        module = spec.reference(checkpoint, weights)
        model = checkpoint.model
        kind = TorchLanguageModelSession if component == "llm" else TorchSession
        return kind(module, spec.inputs(model), spec.outputs(model))
