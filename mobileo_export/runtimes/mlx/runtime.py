"""The ``mlx`` runtime: an MLX folder executed by MLX itself, on a Mac's GPU or a Linux CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mobileo_export.artifacts.mlx.component_folder import is_component, open_component
from mobileo_export.artifacts.mlx.folder import MLXFolder, open_folder
from mobileo_export.errors import UsageError
from mobileo_export.runtimes import language_model, signature
from mobileo_export.runtimes.base import opened
from mobileo_export.runtimes.mlx import components

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.mlx.components import MLXComponentSession
    from mobileo_export.runtimes.mlx.model import KeysAndValues, MlxModel

Precision = Literal["stored", "float32"]


class MLXSession:
    """A loaded folder; see :class:`base.LanguageModelSession`. Outputs are float32."""

    def __init__(self, folder: MLXFolder, model: MlxModel) -> None:
        self.inputs = folder.inputs
        self.outputs = folder.outputs
        self._folder = folder
        self._model: MlxModel | None = model
        self._past: KeysAndValues | None = None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays, without a memory of them.

        Raises:
            UsageError: the inputs do not fit the signature, or the image tokens the features.
        """
        stacked, logits, _ = self._read(inputs)
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, (stacked, logits), strict=True))

    def prefill(self, input_ids: Array, image_features: Array | None = None) -> tuple[Array, Array]:
        """Forget everything, read a prompt, keep its keys and values.

        Raises:
            UsageError: the inputs do not fit the signature, or the image tokens the features.
        """
        self._past = None
        inputs = {"input_ids": input_ids}
        if image_features is not None:
            inputs["image_features"] = image_features
        stacked, logits, self._past = self._read(inputs)
        return stacked, logits

    def step(self, token_id: int) -> Array:
        """Append one token to what was read; the logits [1, V] float32 after it.

        Raises:
            UsageError: nothing was read yet, no position is left, or the id is out of range.
        """
        import mlx.core as mx

        model = opened(self._model)
        if self._past is None:
            raise UsageError("step: nothing was read yet; prefill a prompt first")
        language_model.check_room(self.inputs, self._past[0][0].shape[2])
        ids = language_model.token(token_id)
        language_model.check_ids(ids, self._folder.llm.vocab_size)
        _, logits, self._past = model(model.embed(mx.array(ids)), self._past)
        mx.eval(logits, self._past)
        return _numpy(logits)

    def beside(self) -> MLXSession:
        """Another session over the same weights, which has read nothing."""
        return MLXSession(self._folder, opened(self._model))

    def close(self) -> None:
        """Release the weights and what was read."""
        from mobileo_export.runtimes.mlx import memory

        self._model = None
        self._past = None
        memory.give_back()

    def _read(self, inputs: Mapping[str, Array]) -> tuple[Array, Array, KeysAndValues]:
        import mlx.core as mx

        model = opened(self._model)
        signature.check_inputs(self.inputs, inputs)
        ids, features = inputs["input_ids"], inputs.get("image_features")
        language_model.check_ids(ids, self._folder.llm.vocab_size)
        span = language_model.image_span(ids, features, self._folder.image_token_id)
        x = model.embed(
            mx.array(np.ascontiguousarray(ids)),
            None if features is None else mx.array(np.ascontiguousarray(features)),
            span,
        )
        language_model.check_room(self.inputs, 0, x.shape[1])
        stacked, logits, past = model(x)
        mx.eval(stacked, logits, past)
        return _numpy(stacked), _numpy(logits), past


class MLXRuntime:
    """Executes the folders of a bundle with MLX.

    ``precision`` is ``stored`` for float16 activations, as an iPhone computes, or ``float32``, in
    which nothing but the stored numbers differs from the torch reference.
    """

    name = "mlx"

    def __init__(self, precision: Precision = "stored") -> None:
        self._precision = precision

    def load(self, path: Path) -> MLXSession | MLXComponentSession:
        """Load the folder ``path`` of a bundle.

        Raises:
            BundleError: the folder is damaged or lies in no bundle.
            RuntimeUnavailableError: MLX is not installed or does not run on this machine.
        """
        if is_component(path):
            return components.open_session(open_component(path), self._precision)
        folder = open_folder(path)
        with components.mlx_needed():
            from mobileo_export.runtimes.mlx import memory
            from mobileo_export.runtimes.mlx import model as mlx_model
        folder.check_values()
        memory.limit()
        return MLXSession(folder, mlx_model.load(folder, self._precision))


def _numpy(array: Any) -> NDArray[np.float32]:
    import mlx.core as mx

    return np.array(array.astype(mx.float32))
