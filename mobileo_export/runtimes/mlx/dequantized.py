"""The ``mlx-dequantized`` runtime: an MLX folder's exact numbers in PyTorch float32, anywhere.

What quantization did to the weights is in them; what float16 activations add is not. On a CPU it is
far faster than MLX itself, at the price of four bytes a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.component_folder import is_component, open_component
from mobileo_export.artifacts.mlx.folder import MLXFolder, open_folder
from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.component_folder import ComponentFolder
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.runtimes.torch_reference import TorchSession


class MLXDequantizedRuntime:
    """Executes the folders of a bundle with the torch references' modules."""

    name = "mlx-dequantized"

    def load(self, path: Path) -> TorchSession:
        """Dequantize the folder ``path`` tensor by tensor into the module.

        Takes four bytes of memory a parameter, plus the largest tensor once more.

        Raises:
            BundleError: the folder is damaged or lies in no bundle.
            RuntimeUnavailableError: torch or transformers is not installed.
        """
        component = open_component(path) if is_component(path) else None
        folder = open_folder(path) if component is None else None
        try:
            from mobileo_export.reference import llm, loading
            from mobileo_export.runtimes.torch_reference import (
                TorchLanguageModelSession,
                TorchSession,
            )
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"mlx-dequantized needs {error.name}: {extras.install(extras.EXPORT)}"
            ) from error
        if component is not None:
            reference = import_module(f"mobileo_export.reference.{component.component}")
            config, values = component.planned.config, _Values(component)
            made = reference.assemble(config, values, "released")
            return TorchSession(made, component.inputs, component.outputs)
        assert folder is not None
        module = loading.load(
            lambda: llm.construct(
                folder.llm, folder.feature_dim, folder.num_layers, lambda: folder.image_token_id
            ),
            llm.state_names(folder.llm),
            _Values(folder),
            "released",
        )
        return TorchLanguageModelSession(module, folder.inputs, folder.outputs)


@dataclass(frozen=True)
class _Values:
    """The folder as :func:`reference.loading.load` reads a checkpoint."""

    folder: MLXFolder | ComponentFolder

    @property
    def path(self) -> Path:
        return self.folder.path

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        return self.folder.read(name)
