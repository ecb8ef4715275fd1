"""Small real packages for the tests: torch modules converted, and single MIL operations."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mobileo_export.converters.coreml import torch_ops

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logging.getLogger("coremltools").setLevel(logging.ERROR)


def convert(
    module: torch.nn.Module,
    examples: Mapping[str, torch.Tensor],
    path: Path,
    *,
    shapes: Mapping[str, Any] | None = None,
    half: bool = False,
) -> Path:
    """Trace ``module`` on ``examples`` and save it as a package at ``path``."""
    import coremltools as ct

    torch_ops.register()
    module.eval()
    with torch.no_grad():
        traced = torch.jit.trace(module, tuple(examples.values()), check_trace=False)
    model = ct.convert(
        traced,
        inputs=[
            ct.TensorType(
                name=name,
                shape=(shapes or {}).get(name, tuple(example.shape)),
                dtype=example.numpy().dtype,
            )
            for name, example in examples.items()
        ],
        outputs=[ct.TensorType(name="output")],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


def build(
    body: Callable[..., Any], inputs: Mapping[str, np.ndarray], path: Path, *, half: bool = False
) -> Path:
    """Save the program that ``body`` builds from placeholders shaped like ``inputs``."""
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - as everywhere
    from coremltools.converters.mil.mil import types

    kinds = {"f": types.fp16 if half else types.fp32, "i": types.int32}
    specs = [
        mb.TensorSpec(shape=value.shape, dtype=kinds[value.dtype.kind]) for value in inputs.values()
    ]
    program = mb.program(input_specs=specs, opset_version=ct.target.iOS18)(body)
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


def relative_l2(actual: np.ndarray, expected: np.ndarray) -> float:
    """Norm of the difference over the norm of what is expected, in float64."""
    difference = np.linalg.norm(actual.astype(np.float64) - expected.astype(np.float64))
    return float(difference / np.linalg.norm(expected.astype(np.float64)))
