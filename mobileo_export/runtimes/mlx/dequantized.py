"""The ``mlx-dequantized`` runtime: an MLX folder's exact numbers in PyTorch float32, anywhere.

What quantization did to the weights is in them; what float16 activations add is not. On a CPU it is
far faster than MLX itself, at the price of four bytes a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.mlx.folder import MLXFolder, open_folder
from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.runtimes.torch_reference import TorchLanguageModelSession


class MLXDequantizedRuntime:
    """Executes the folder ``llm`` of a bundle with the torch reference's module."""

    name = "mlx-dequantized"

    def load(self, path: Path) -> TorchLanguageModelSession:
        """Dequantize the folder ``path`` tensor by tensor into the module.

        Takes four bytes of memory a parameter, plus the largest tensor once more.

        Raises:
            BundleError: the folder is damaged or lies in no bundle.
            RuntimeUnavailableError: torch or transformers is not installed.
        """
        folder = open_folder(path)
        try:
            from mobileo_export.reference import llm, loading
            from mobileo_export.runtimes.torch_reference import TorchLanguageModelSession
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"mlx-dequantized needs {error.name}: {extras.install(extras.EXPORT)}"
            ) from error
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

    folder: MLXFolder

    @property
    def path(self) -> Path:
        return self.folder.path

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        return self.folder.read(name)
