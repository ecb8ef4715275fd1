"""The language model's MLX folder, to search and to edit: its settings and its stored tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlx.packed import Quantized, dequantize, quantize
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import BundleError, CheckpointError
from mobileo_export.parity.mutations.package_file import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Folder:
    """An MLX folder, and the edits that were made to it; nothing is written until :meth:`patch`."""

    def __init__(self, path: Path) -> None:
        """Read the settings and the header of the folder at ``path``.

        Raises:
            BundleError: either is missing or damaged.
        """
        try:
            self.config: dict[str, Any] = json.loads((path / CONFIG).read_text(encoding="utf-8"))
            self._infos = safetensors_file.read_header(path / WEIGHTS)
        except (OSError, ValueError, CheckpointError) as error:
            raise BundleError(f"{path}: is no MLX folder: {error}") from error
        self._settings = json.dumps(self.config, sort_keys=True)
        self._pieces: list[tuple[int, bytes]] = []

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of modules with a weight, in the file's order."""
        infos = sorted(self._infos.values(), key=lambda info: info.offset)
        names = (info.name for info in infos)
        return tuple(n.removesuffix(".weight") for n in names if n.endswith(".weight"))

    def has(self, name: str) -> bool:
        """Whether the file holds a tensor of this name."""
        return name in self._infos

    def shape(self, name: str) -> tuple[int, ...]:
        """The stored shape of a tensor."""
        return self._infos[name].shape

    def values(self, name: str) -> NDArray[Any]:
        """A copy of a tensor as stored: uint32 of packed weights, else float16."""
        return safetensors_file.raw(self._infos[name]).copy()

    def parts(self, module: str) -> tuple[str, ...]:
        """Names of what a module's matrix is stored as: packed weight, scales, biases."""
        names = (f"{module}.{part}" for part in ("weight", "scales", "biases"))
        return tuple(name for name in names if name in self._infos)

    def matrix(self, module: str) -> NDArray[np.float32]:
        """What a module's weight stands for, float32."""
        stored = [self.values(name) for name in self.parts(module)]
        if len(stored) == 1:
            return stored[0].astype(np.float32)
        bits, group = self.quantization(module)
        return dequantize(Quantized(*stored), bits, group)

    def store(self, name: str, values: NDArray[Any]) -> None:
        """Give a tensor other values of the same shape and type."""
        info = self._infos[name]
        old = safetensors_file.raw(info)
        new = np.ascontiguousarray(values, old.dtype).reshape(old.shape)
        self._pieces.append((info.offset, new.tobytes()))

    def store_matrix(self, module: str, values: NDArray[np.float32]) -> None:
        """Give a module's weight other values, quantized as it is."""
        names = self.parts(module)
        if len(names) == 1:
            self.store(names[0], values)
            return
        parts = quantize(values, *self.quantization(module))
        arrays: tuple[NDArray[Any], ...] = (parts.weight, parts.scales, parts.biases)
        for name, part in zip(names, arrays, strict=True):
            self.store(name, part)

    def patch(self) -> Patch:
        """All edits as bytes."""
        contents = {}
        if json.dumps(self.config, sort_keys=True) != self._settings:
            text = json.dumps(self.config, indent=2, sort_keys=True) + "\n"
            contents[CONFIG] = text.encode()
        return Patch(contents, {WEIGHTS: tuple(self._pieces)} if self._pieces else {})

    def quantization(self, module: str) -> tuple[int, int]:
        """Bits of an element of a quantized module, and the columns that share a scale."""
        settings = self.config["quantization"]
        own = settings.get(module) or settings
        return own["bits"], own["group_size"]
