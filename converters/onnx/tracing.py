"""From a module to an ONNX graph in memory, without computing anything.

``torch.export`` follows the module on tensors without data, so that full resolution costs no more
than a small one, and the graph refers to the module's own weights.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from mobileo_export.components import Dim
from mobileo_export.errors import ConversionError, first_line

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

    from mobileo_export.converters.onnx.graphs import GraphSpec

OPSET = 18  # TensorRT 10.3 reads up to 20; torch's own lowerings are of 18
IR_VERSION = 10
# Sizes to follow the module on, unlike any fixed one and each other, so that none is taken for
# another. Bounds are the manifest's: torch would fold a size whose range it believes to be one.
_EXAMPLES = {"B": 2, "N": 11, "T": 5, "P": 7}
_UNBOUNDED = 1 << 16


def trace(module: torch.nn.Module, spec: GraphSpec) -> ir.Model:
    """The graph of ``module``, inputs, outputs and dimensions named as ``spec`` says.

    Raises:
        ConversionError: torch cannot export the module.
    """
    import torch

    symbols: dict[str, Any] = {}
    arguments, varying = [], []
    for tensor in spec.inputs:
        dims = dict(enumerate(tensor.shape))
        shape = [_EXAMPLES[dim.name] if isinstance(dim, Dim) else dim for dim in dims.values()]
        # A module computes in float32; a float16 boundary is made of its graph (``half``).
        dtype = torch.int32 if tensor.dtype == "int32" else torch.float32
        arguments.append(torch.zeros(shape, dtype=dtype))
        named = {axis: dim.name for axis, dim in dims.items() if isinstance(dim, Dim)}
        for name in named.values():
            if name not in symbols:
                symbols[name] = torch.export.Dim(name, min=1, max=_UNBOUNDED)
        varying.append({axis: symbols[name] for axis, name in named.items()})

    def agree(_: Any, given: tuple[torch.Tensor, ...]) -> None:
        """State that equal names are equal sizes, before anything is made of them."""
        sizes: dict[str, Any] = {}
        for tensor, value in zip(spec.inputs, given, strict=True):
            for axis, dim in enumerate(tensor.shape):
                if isinstance(dim, Dim):
                    first = sizes.setdefault(dim.name, value.shape[axis])
                    torch._check(value.shape[axis] == first)

    hook = module.register_forward_pre_hook(agree)
    try:
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            program: Any = torch.onnx.export(
                module.eval(),
                tuple(arguments),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                input_names=[tensor.name for tensor in spec.inputs],
                output_names=[tensor.name for tensor in spec.outputs],
                dynamic_shapes=tuple(varying) if symbols else None,
                optimize=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = first_line(error.__cause__ or error)
        raise ConversionError(
            f"{spec.name}: torch {torch.__version__} could not export it to ONNX ({reason}); "
            "install the tested versions (mobileo-export doctor names them) and try again"
        ) from error
    finally:
        hook.remove()
    model: ir.Model = program.model
    _optimize(model)
    model.ir_version = IR_VERSION
    return model


def _optimize(model: ir.Model) -> None:
    """Fold constants and simplify, as ``torch.onnx`` does, but change no number.

    onnxscript drops an addition of less than 1e-8 as one of zero, and with it the epsilon of the
    linear attention: where no query meets a key the board would divide by zero.
    """
    from onnxscript import optimizer, rewriter
    from onnxscript.rewriter.rules.common import _no_op

    rules = rewriter._DEFAULT_REWRITE_RULES
    exact = tuple(rule for rule in rules if not any(rule is other for other in _no_op.rules))
    try:
        rewriter._DEFAULT_REWRITE_RULES = exact
        optimizer.optimize_ir(model)
    finally:
        rewriter._DEFAULT_REWRITE_RULES = rules
