"""The floor below which no gate can lie: how far float32 itself is from float64.

``python -m benchmarks.parity_floor CHECKPOINT [COMPONENT …]`` runs the same PyTorch module on
the same inputs in both precisions, and prints the figures that docs/gates.md derives gates from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.components import COMPONENTS, LAYOUTS
from mobileo_export.parity.cases import case_names
from mobileo_export.parity.metrics import Metrics, compare
from mobileo_export.parity.references import References

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights


@dataclass(frozen=True)
class Floor:
    """float32 measured against float64, for one output of one case."""

    component: str
    case: str
    output: str
    metrics: Metrics


def measure(
    checkpoint: Checkpoint, component: str, weights: Weights = "released"
) -> Iterator[Floor]:
    """The floor of each case of a component; takes eight bytes of memory a parameter.

    Raises:
        CheckpointError: the checkpoint does not hold the component.
    """
    import torch

    spec = COMPONENTS[component]
    runs = References(checkpoint, weights).runs(component, case_names(component))
    module = spec.reference(checkpoint, weights).double()
    names = [tensor.name for tensor in spec.inputs(checkpoint.model)]
    outputs = [tensor.name for tensor in spec.outputs(checkpoint.model)]
    for run in runs:
        tensors = [_wide(run.case.inputs[name]) for name in names if name in run.case.inputs]
        with torch.inference_mode(), everything_in_float64():
            returned = module(*tensors)
        values = returned if isinstance(returned, tuple) else (returned,)
        for name, value in zip(outputs, values, strict=True):
            if value.dtype != torch.float64:
                raise AssertionError(f"{component}: {name} was not computed in float64")
            metrics = compare(value.numpy(), run.outputs[name].astype("float64"), LAYOUTS[name])
            yield Floor(component, run.case.name, name, metrics)


def _wide(array: Any) -> Any:
    import torch

    tensor = torch.from_numpy(array)
    return tensor.double() if tensor.is_floating_point() else tensor


def everything_in_float64() -> Any:
    """A mode in which code that asks torch for float32 gets float64.

    The libraries ask for it where it matters most (the mean square of an RMS norm, linear
    attention, the timestep's sinusoid), and would round the truth there.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    def widened(value: Any) -> Any:
        return torch.float64 if value is torch.float32 else value

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.Tensor.float:
                func = torch.Tensor.double
            arguments = {key: widened(value) for key, value in (kwargs or {}).items()}
            return func(*map(widened, args), **arguments)

    return Mode()


def main(arguments: list[str]) -> None:
    """Print one line an output and case."""
    from mobileo_export.checkpoint.folder import Checkpoint

    checkpoint = Checkpoint.open(Path(arguments[0]))
    for component in arguments[1:] or COMPONENTS:
        for floor in measure(checkpoint, component):
            worst = ", ".join(f"{item} {item.error:.1e}" for item in floor.metrics.worst)
            print(
                f"{component:<15} {floor.case:<22} relative L2 {floor.metrics.relative_l2:.1e}  "
                f"PSNR {floor.metrics.psnr:.1f} dB  worst {worst}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
