"""Folders of components of any dimensions, with random values, and what the references make of
the same values.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.component_plan import plan
from mobileo_export.artifacts.mlx.models import MODELS
from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.components import COMPONENTS
from mobileo_export.converters.mlx.components import made
from mobileo_export.random_checkpoint import models, weights
from mobileo_export.runtimes.mlx import components

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Values = dict[str, "NDArray[Any]"]
LAYOUTS: Mapping[str, Callable[[Any], expected_tensors.Layout]] = {
    "vision_encoder": expected_tensors.vision_encoder,
    "vae_decoder": expected_tensors.vae_decoder,
}


class Source:
    """Random values of a component's tensors, as references and folders are made of them."""

    def __init__(self, component: str, config: Any, seed: int = 0) -> None:
        self.component, self.config = component, config
        (self._prefix,) = COMPONENTS[component].prefixes
        self.values: Values = {}
        for name, shape in LAYOUTS[component](config).items():
            whole = self._prefix + name
            init = weights.initialisation(whole, shape, models.model("tiny"))
            parts = [
                weights.values(seed, whole, shape, init, part)
                for part in range(weights.parts(shape))
            ]
            self.values[name] = np.concatenate(parts).reshape(shape)

    @property
    def path(self) -> Path:
        raise AssertionError("nothing was wrong with the values")

    def read(self, name: str, weights: object) -> NDArray[Any]:
        return self.values[name.removeprefix(self._prefix)]

    def reference(self) -> Any:
        """The PyTorch module."""
        module = import_module(f"mobileo_export.reference.{self.component}")
        return module.assemble(self.config, self, "released")

    def folder_values(self) -> Values:
        """What the component's folder holds, in float32."""
        return {
            tensor.target: made(tensor, *(self.values[name] for name in tensor.sources))
            for tensor in MODELS[self.component].tensors(self.config)
        }

    def model(self, folder: Path, precision: str) -> Any:
        """The MLX model of a new ``folder``: tensors and activations in ``precision``."""
        import mlx.core as mx

        from mobileo_export.runtimes.mlx.layers import Tensors

        planned = plan(
            MODELS[self.component],
            self.config,
            "float32" if precision == "float32" else "float16",
            lambda name, shape: None,
        )
        folder.mkdir()
        with SafetensorsWriter(folder / "model.safetensors", planned.layout) as writer:
            for name, values in self.folder_values().items():
                writer.write(name, values.astype(precision))
        opened: Any = SimpleNamespace(path=folder, planned=planned)
        tensors = Tensors(opened, mx.float32 if precision == "float32" else mx.float16)
        module = import_module(f"mobileo_export.runtimes.mlx.{self.component}")
        model = getattr(module, components.MODELS[self.component])(self.config, tensors)
        assert not tensors.left
        return model
