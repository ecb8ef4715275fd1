"""Constants and variants of a package's operations, held against the reference's own modules.

A wrong epsilon or the other GELU changes outputs by less than half precision's rounding, some by
less than float32's: no bound on outputs can notice. They are read instead, from the graph, and
compared with the attributes of the torch module that the operation came from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint import NESTED, Checkpoint
from mobileo_export.components import ComponentSpec
from mobileo_export.runtimes.mil.decode import decode
from mobileo_export.runtimes.mil.limits import Limits
from mobileo_export.runtimes.mil.package import open_package
from mobileo_export.runtimes.mil.program import Constant, Op
from mobileo_export.safetensors_io import FLOAT_DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint import Weights

_GELU = {"none": "EXACT", "tanh": "TANH_APPROXIMATION"}
_UPSAMPLE = {
    "nearest": "upsample_nearest_neighbor",
    "bilinear": "upsample_bilinear",
}
# Half precision rounds 1e-6 to 1.013e-6.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Found:
    """One constant or variant: what the package has and what the reference has."""

    operation: str
    module: str
    what: str
    package: float | str
    reference: float | str

    @property
    def ok(self) -> bool:
        """Whether they are the same, half precision's rounding aside."""
        if isinstance(self.package, str) or isinstance(self.reference, str):
            return self.package == self.reference
        return math.isclose(self.package, self.reference, rel_tol=_TOLERANCE)

    def __str__(self) -> str:
        return (
            f"{self.module} ({self.operation}): {self.what} is {_text(self.package)}, "
            f"the reference has {_text(self.reference)}"
        )


class ReferenceModules:
    """The modules of a component's reference, without its weights."""

    def __init__(self, checkpoint: Checkpoint, spec: ComponentSpec, weights: Weights) -> None:
        """Build the reference of ``spec`` with zeros that take no memory.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
        """
        nested = {NESTED + name: info for name, info in checkpoint.nested.items()}
        hollow = _Hollow(checkpoint.path, checkpoint.config, {**checkpoint.top_level, **nested})
        self._modules = dict(spec.reference(hollow, weights).named_modules())

    def attribute(self, module: str, name: str) -> Any:
        """An attribute of the module at a dotted path, None when either does not exist."""
        return getattr(self._modules.get(module), name, None)


def check(package: Path, modules: ReferenceModules) -> Iterator[Found]:
    """Every epsilon of a norm, kind of GELU and kind of upsampling in ``package``.

    Operations whose module says nothing of it are left out; ``*.operations.json`` beside the
    package names the modules, and is the exporter's own.

    Raises:
        BundleError: the package is damaged.
    """
    program = decode(open_package(package), Limits())
    block = program.functions[program.default].block
    origins = json.loads(package.with_suffix(".operations.json").read_text("utf-8"))["operations"]
    constants = {op.outputs[0].name: op for op in block.ops if op.kind == "const"}
    reciprocal = {
        name for op in block.ops if op.kind == "rsqrt" for name in op.references()
    }  # of the mean square plus epsilon
    for op in block.ops:
        output = op.outputs[0].name
        module = origins.get(output, {}).get("module", "")
        if op.kind == "layer_norm":
            yield from _pair(op, module, "epsilon", _number(op, "epsilon", constants), modules)
        elif op.kind == "add" and output in reciprocal:
            numbers = [_number(op, name, constants) for name in ("x", "y")]
            for number in numbers:
                yield from _pair(op, module, "epsilon", number, modules)
        elif op.kind == "gelu":
            mode = _constant(op, "mode", constants)
            kind = _GELU["none"] if mode is None else str(mode.item())
            wanted = _GELU.get(modules.attribute(module, "approximate") or "none", "")
            yield Found(output, module, "GELU", kind, wanted)
        elif op.kind in _UPSAMPLE.values():
            wanted = _UPSAMPLE.get(modules.attribute(module, "interpolation_mode") or "", "")
            if wanted:
                yield Found(output, module, "upsampling", op.kind, wanted)


def _pair(
    op: Op, module: str, what: str, number: float | None, modules: ReferenceModules
) -> Iterator[Found]:
    wanted = modules.attribute(module, "eps")
    if number is not None and wanted is not None:
        yield Found(op.outputs[0].name, module, what, number, float(wanted))


def _number(op: Op, parameter: str, constants: dict[str, Op]) -> float | None:
    value = _constant(op, parameter, constants)
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


def _constant(op: Op, parameter: str, constants: dict[str, Op]) -> NDArray[Any] | None:
    for argument in op.inputs.get(parameter, ()):
        producer = constants.get(argument) if isinstance(argument, str) else None
        value = producer.inputs["val"][0] if producer else argument
        if isinstance(value, Constant):
            return value.array()
    return None


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


class _Hollow(Checkpoint):
    """A checkpoint whose tensors are all zero and share one value's memory."""

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        info = self.info(name, weights)
        dtype = np.float32 if info.dtype in FLOAT_DTYPES else np.int64
        return np.lib.stride_tricks.as_strided(
            np.zeros(1, dtype), info.shape, (0,) * len(info.shape)
        )
