"""The export that everyone writes first: one process, the whole model, coremltools' defaults.

The yardstick for ``export_cost``, kept as simple as the authors' exporter: load everything in half
precision, widen each component in place, trace it at full size, convert, save; quantize with MLX.
Run as ``python -m benchmarks.whole_model CHECKPOINT OUTPUT``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.checkpoint.folder import Checkpoint, Weights
from mobileo_export.components import COMPONENTS, ComponentSpec, Dim
from mobileo_export.converters.coreml import torch_ops

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Loaded(Checkpoint):
    """A checkpoint whose tensors are all in memory; a tensor that is used is widened for good."""

    def load(self) -> None:
        import torch

        self._half: dict[str, Any] = {}
        for name in self.top_level:
            array = super().read(name, "released")
            self._half[name] = torch.from_numpy(array).half()

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        widened: NDArray[Any] = self._half.pop(name).float().numpy()
        return widened


def main() -> None:
    """Export all five components of ``CHECKPOINT`` into ``OUTPUT``."""
    checkpoint = _Loaded.open(Path(sys.argv[1]))
    output = Path(sys.argv[2])
    output.mkdir(parents=True)
    checkpoint.load()
    torch_ops.register()
    modules = []
    for spec in COMPONENTS.values():
        if targets.form(spec, "ios").kind == "mlpackage":
            modules.append(spec.reference(checkpoint, "released"))
            _convert(modules[-1], spec, checkpoint, output / targets.form(spec, "ios").path)
    _quantize(checkpoint, output / "llm.safetensors")


def _convert(module: Any, spec: ComponentSpec, checkpoint: Checkpoint, path: Path) -> None:
    import coremltools as ct
    import numpy as np
    import torch

    arrays = spec.example_inputs(checkpoint.model)
    jit: Any = torch.jit  # untyped
    traced = jit.trace(module, tuple(torch.from_numpy(array) for array in arrays.values()))
    ranges: dict[Dim, Any] = {}
    inputs = []
    for tensor in spec.inputs(checkpoint.model):
        shape: list[Any] = []
        for dim in tensor.shape:
            if isinstance(dim, Dim):
                ranges.setdefault(dim, ct.RangeDim(dim.low, dim.high, dim.default))
            shape.append(ranges[dim] if isinstance(dim, Dim) else dim)
        inputs.append(ct.TensorType(tensor.name, shape, dtype=np.float32))
    model = ct.convert(
        traced,
        inputs=inputs,
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT32,
    )
    model.save(str(path))


def _quantize(checkpoint: _Loaded, path: Path) -> None:
    import mlx.core as mx

    tensors = {}
    for name in COMPONENTS["llm"].tensors(checkpoint.model):
        array = mx.array(checkpoint.read(name, "released")).astype(mx.float16)
        if array.ndim != 2:
            tensors[name] = array
            continue
        weight, scales, biases = mx.quantize(array, group_size=64, bits=8)
        stem = name.removesuffix(".weight")
        tensors |= {name: weight, f"{stem}.scales": scales, f"{stem}.biases": biases}
    mx.save_safetensors(str(path), tensors)


if __name__ == "__main__":
    main()
