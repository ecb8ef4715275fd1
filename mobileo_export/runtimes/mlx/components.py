"""Sessions of the components on MLX: the signature's arrays in, the signature's arrays out.

Arrays come and go as everywhere else, channels first and float32; inside, MLX's layout rules.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, RuntimeUnavailableError
from mobileo_export.processes import extras
from mobileo_export.runtimes import signature
from mobileo_export.runtimes.base import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mobileo_export.artifacts.mlx.component_folder import ComponentFolder
    from mobileo_export.runtimes.base import Array

# By component, the class in the module of its name here; built of (config, tensors).
MODELS = {
    "vision_encoder": "VisionEncoderModel",
    "mcp": "MCPModel",
    "dit": "DiTModel",
    "vae_decoder": "VAEDecoderModel",
}
# Called again and again with the same shapes, and evaluating nothing on the way.
_COMPILED = frozenset({"dit"})
_PICTURES = 4  # axes of what has channels: [1, C, H, W] outside, [1, H, W, C] inside
# Of these the second axis is no channel.
_SEQUENCES = frozenset({"stacked_hidden_states"})


class MLXComponentSession:
    """A loaded folder that maps named arrays to named arrays."""

    def __init__(self, folder: ComponentFolder, model: Callable[..., Any]) -> None:
        self.inputs = folder.inputs
        self.outputs = folder.outputs
        self._folder = folder
        self._model: Callable[..., Any] | None = model

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays, all float32.

        Raises:
            UsageError: the inputs do not fit the signature.
            BundleError: they fit the signature, which does not fit the model, or lead beyond the
                range of its precision.
        """
        import mlx.core as mx

        model = opened(self._model)
        signature.check_inputs(self.inputs, inputs)
        arrays = [_inside(spec.name, inputs[spec.name]) for spec in self.inputs]
        try:
            result = model(*arrays)
            mx.eval(result)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise BundleError(f"{self._folder.path}: cannot compute this call: {reason}") from error
        (output,) = self.outputs
        values = _outside(output.name, result)
        if not np.isfinite(values).all():  # what left the range anywhere has spread to the end
            raise BundleError(
                f"{self._folder.path}: {output.name} is not finite: values left the range of "
                f"{self._folder.planned.precision}; export with --precision float32"
            )
        return {output.name: values}

    def close(self) -> None:
        """Release the weights."""
        from mobileo_export.runtimes.mlx import memory

        self._model = None
        memory.give_back()


@contextmanager
def mlx_needed() -> Iterator[None]:
    """A block that imports MLX; raises RuntimeUnavailableError where that cannot be done."""
    try:
        yield
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"the mlx runtime cannot import MLX ({error}): {extras.install(extras.MLX)}, or "
            "choose --runtime mlx-dequantized"
        ) from error


def open_session(folder: ComponentFolder, precision: str) -> MLXComponentSession:
    """Load a folder with activations as it states them, or for ``float32`` in that.

    Raises:
        BundleError: the folder is damaged.
        RuntimeUnavailableError: MLX is not installed or does not run on this machine.
    """
    with mlx_needed():
        import mlx.core as mx

        from mobileo_export.runtimes.mlx import compiled, memory
        from mobileo_export.runtimes.mlx.layers import Tensors
    folder.check_values()
    memory.limit()
    wide = "float32" in (precision, folder.planned.precision)
    tensors = Tensors(folder, mx.float32 if wide else mx.float16)
    module = import_module(f"mobileo_export.runtimes.mlx.{folder.component}")
    model = getattr(module, MODELS[folder.component])(folder.planned.config, tensors)
    assert not tensors.left, tensors.left  # open_component has listed them
    mx.eval(tensors.taken)
    if folder.component in _COMPILED and compiled.pays():
        model = compiled.CompiledModel(model)
    return MLXComponentSession(folder, model)


def _inside(name: str, values: Array) -> Any:
    import mlx.core as mx

    array = mx.array(np.ascontiguousarray(values))
    channels = array.ndim == _PICTURES and name not in _SEQUENCES
    return array.transpose(0, 2, 3, 1) if channels else array


def _outside(name: str, result: Any) -> Array:
    import mlx.core as mx

    if result.ndim == _PICTURES and name not in _SEQUENCES:
        result = result.transpose(0, 3, 1, 2)
    return np.array(result.astype(mx.float32))
