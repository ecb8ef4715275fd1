"""Lower TorchScript to a Core ML ML Program with coremltools' passes, at the cost of the passes.

``coremltools.convert`` re-validates the whole graph after each of its hundred passes (a third of a
full-size DiT conversion), writes the weights to a temporary folder and copies them into the
package. The same passes, less an inexact one, run here in that order; the graph is validated once,
and the weights are written where they stay. Uses coremltools 9 internals, hence the pinned version.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import ComponentSpec, Dim, Precision, TensorSpec
from mobileo_export.converters.coreml import torch_ops
from mobileo_export.converters.coreml.origins import Origins
from mobileo_export.converters.coreml.precision import computes_in_half
from mobileo_export.errors import ConversionError, first_line

if TYPE_CHECKING:
    import torch

    from mobileo_export.progress import OnCount

_FP16_PASSES = {"common::add_fp16_cast", "common::add_int16_cast"}
# It turns x·w + b into a batch norm of variance 1 with the default epsilon of 1e-5, which scales
# by 1/sqrt(1 + 1e-5): an error of 5e-6 in every RMS norm of the decoder, ten times rounding.
_INEXACT_PASSES = {"common::fuse_elementwise_to_batchnorm"}


def lower(
    traced: torch.jit.ScriptModule,
    origins: Origins,
    spec: ComponentSpec,
    model: ModelConfig,
    precision: Precision,
    weights_dir: Path,
    progress: OnCount | None = None,
    store: Callable[[Any], None] = lambda program: None,
) -> tuple[Any, Any]:
    """Lower ``traced`` to ``(Model protobuf, MIL program)``; writes ``weights_dir/weight.bin``.

    ``store`` may replace constants of the finished program before it is written.

    Raises:
        ConversionError: coremltools cannot lower an operation of the module.
    """
    import coremltools as ct
    from coremltools.converters.mil.converter import ConverterRegistry, _reset_conversion_state
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_pipeline import PASS_REGISTRY, PassPipeline

    torch_ops.register()
    # Names are numbered, and whatever else this process built with coremltools has counted.
    _reset_conversion_state()
    # One RangeDim object a dimension: the lengths of two inputs are then known to be equal.
    ranges: dict[Dim, Any] = {}
    inputs = [_tensor_type(tensor, ranges) for tensor in spec.inputs(model)]
    outputs = [_output_type(tensor) for tensor in spec.outputs(model)]
    version = ct.target.iOS18.value
    main = PassPipeline()
    main.remove_passes(_INEXACT_PASSES)
    if precision == "float32":
        main.remove_passes(_FP16_PASSES)

    def selector(operation: Any) -> bool:
        return computes_in_half(operation.op_type, origins.of(operation))

    stages = [
        *PassPipeline.get_pipeline("frontend_pytorch").passes,
        *main.passes,
        *PassPipeline.get_pipeline("backend_mlprogram").passes,
    ]
    try:
        program = ConverterRegistry.frontends["pytorch"]()(
            traced,
            inputs=inputs,
            outputs=outputs,
            specification_version=version,
            use_default_fp16_io=False,
            states=[],
        )
        for index, name in enumerate(stages):
            graph_pass = PASS_REGISTRY[name]
            if name == "common::add_fp16_cast":
                graph_pass.set_options([PassOption("op_selector", selector)])
            graph_pass(program)
            if progress is not None:
                progress(index + 1, len(stages))
        store(program)
        program.validate(check_essential_scope=True)
        protobuf = ConverterRegistry.backends["mlprogram"]()(
            program,
            convert_from="pytorch",
            convert_to="mlprogram",
            weights_dir=str(weights_dir),
            specification_version=version,
            inputs=inputs,
            outputs=outputs,
            main_pipeline=main,
        )
    except (NotImplementedError, ValueError, RuntimeError, AssertionError) as error:
        raise ConversionError(
            f"{spec.name}: coremltools {ct.__version__} could not lower it ({first_line(error)}); "
            "install the tested versions (mobileo-export doctor names them) and try again"
        ) from error
    finally:
        _reset_conversion_state()
    return protobuf, program


def _tensor_type(tensor: TensorSpec, ranges: dict[Dim, Any]) -> Any:
    import coremltools as ct
    import numpy as np

    shape: list[Any] = []
    for dim in tensor.shape:
        if isinstance(dim, Dim) and dim not in ranges:
            ranges[dim] = ct.RangeDim(dim.low, dim.high, dim.default, symbol=dim.name)
        shape.append(ranges[dim] if isinstance(dim, Dim) else dim)
    return ct.TensorType(tensor.name, shape, dtype=np.dtype(tensor.dtype).type)


def _output_type(tensor: TensorSpec) -> Any:
    import coremltools as ct
    import numpy as np

    return ct.TensorType(tensor.name, dtype=np.dtype(tensor.dtype).type)
