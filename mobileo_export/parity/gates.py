"""The gates: one table of bounds, derived in docs/gates.md.

A bound is about five times what was measured without a defect, never what makes a run pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError
from mobileo_export.parity.gate import Against, Gate, Precision, Row, Values, apply
from mobileo_export.parity.metrics import SLICE_FLOOR

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a gate is is said in a module of its own; this is its name too.
__all__ = [
    "COREML_UNITS",
    "GATES",
    "Against",
    "Gate",
    "Precision",
    "Row",
    "Values",
    "apply",
    "find",
    "measured",
]
COREML_UNITS = ("cpu_only", "cpu_and_gpu", "cpu_and_ne", "all")
# Float32 graphs on the evaluator, relative L2 and worst slice: about five times the larger of the
# tiny and the full-size model's floor.
_FLOAT32 = {
    "vision_encoder": (5e-6, 1e-4),
    "mcp": (3e-6, 1e-4),
    "dit": (2e-5, 1e-4),
    "vae_decoder": (7.5e-6, 1e-4),
}
# A trained tower's channels fall silent in some pictures, where GELU's 1 + erf(x/√2) rounds to
# 1.4e-7 of the others: five times that is a worst slice of 7e-5 at this floor.
# A picture's zero is mid-gray, and half precision rounds a gray patch as it does its neighbours.
_FLOORS = {("vision_encoder", "float32"): 1e-2, ("vae_decoder", "float16"): 0.2}
# Float16 graphs on the evaluator, likewise: five times the larger of what the tiny and the
# full-size package measure, and no slice worse than 4.5 %. The projector is float32 in such a
# build too (converters/coreml/precision.py).
_FLOAT16 = {
    "vision_encoder": (1.3e-2, 0.045),
    "dit": (1e-2, 0.036),
    "vae_decoder": (8e-3, 0.0125),
}
_HALF_PSNR = 50.0
# Relative L2 and worst slice of what a plan costs: twice the largest that its preset, or all
# matrices at so many bits, measures. A width without a row leaves nothing that a bound could tell
# from a defect.
_COMPRESSED: dict[tuple[str, Precision, Values], tuple[float, float]] = {
    ("vision_encoder", "w8", "any"): (0.048, 0.23),
    ("dit", "w8", "any"): (0.046, 0.088),
    ("vae_decoder", "w8", "any"): (0.024, 0.14),
    ("vision_encoder", "small", "any"): (0.048, 0.23),
    # At four bits a random DiT is off by more than a picture that is shifted by a pixel.
    ("dit", "small", "trained"): (0.18, 0.23),
    ("vae_decoder", "small", "any"): (0.024, 0.14),
    ("vision_encoder", "16-bit", "any"): (1e-3, 5e-3),
    ("mcp", "16-bit", "any"): (1e-3, 5e-3),
    ("dit", "16-bit", "any"): (1e-3, 5e-3),
    ("vae_decoder", "16-bit", "any"): (1e-3, 5e-3),
    ("vision_encoder", "8-bit", "any"): (0.06, 0.23),
    ("mcp", "8-bit", "any"): (0.021, 0.056),
    ("dit", "8-bit", "any"): (0.046, 0.088),
    ("vae_decoder", "8-bit", "any"): (0.03, 0.19),
    ("vision_encoder", "6-bit", "any"): (0.14, 0.4),
    ("mcp", "6-bit", "any"): (0.08, 0.19),
    ("dit", "6-bit", "any"): (0.155, 0.33),
    ("vae_decoder", "6-bit", "any"): (0.11, 0.38),
    ("mcp", "4-bit", "any"): (0.31, 0.75),
    ("dit", "4-bit", "trained"): (0.36, 0.65),
}
# MLX folders. With half-precision activations, against the same stored weights: the DiT five times
# the largest measured; of the image models relative L2 twice that, 2.8e-3 and 2.0e-3 at 0.5B, and
# slices as of graphs.
# What storing costs: of eight bits as in packages, above; of ``small`` twice the largest measured.
_FOLDER_HALF = {
    "vision_encoder": (5.6e-3, 0.045),
    "dit": (4.2e-3, 0.0145),
    "vae_decoder": (4e-3, 0.0125),
}
_FOLDER_COST: dict[tuple[str, Precision, Values], tuple[float, float]] = {
    ("vision_encoder", "float16", "any"): (5.6e-3, 0.045),
    ("dit", "float16", "any"): (4.2e-3, 0.0145),
    ("vae_decoder", "float16", "any"): (4e-3, 0.0125),
    ("dit", "w8", "any"): (0.046, 0.088),
    ("dit", "8-bit", "any"): (0.046, 0.088),
    ("dit", "small", "trained"): (0.13, 0.19),
}
# A slice that is scaled by 1.5 is off by half of itself.
_LOCAL = 0.4


# The language model in float32 on the stored weights: five times the floor.
_EXACT = (1e-5, 5e-5)
HIDDEN, CONDITIONING, LOGITS = "stacked_hidden_states", "conditioning", "logits"


def _table() -> tuple[Gate, ...]:
    gates = []
    for component, (relative_l2, worst_slice) in _FLOAT32.items():
        gates.append(_host(component, "float32", "mil", relative_l2, worst_slice))
        for units in COREML_UNITS:
            gates.append(
                Gate(component, "float32", f"coreml {units}", 1e-3, 1e-2, provisional=True)
            )
    for component, (relative_l2, worst_slice) in _FLOAT16.items():
        gates.append(_host(component, "float16", "mil", relative_l2, worst_slice))
        for units in COREML_UNITS:
            gates.append(
                Gate(component, "float16", f"coreml {units}", None, 0.1, 45.0, provisional=True)
            )
    # What is left of compressed weights is computed as well as any other.
    exact = [replace(gate, against="stored weights") for gate in gates]
    return (
        *gates,
        *exact,
        *_compressed_rows(),
        *_onnx_rows(),
        *_core_ai_rows(),
        *_exact_rows(),
        *_folder_rows(),
        *_random_rows(),
        *_trained_rows(),
    )


def _host(
    component: str, precision: Precision, runtime: str, relative_l2: float, worst_slice: float
) -> Gate:
    """A graph that this machine runs."""
    psnr = _HALF_PSNR if precision == "float16" else None
    floor = _FLOORS.get((component, precision), SLICE_FLOOR)
    return Gate(component, precision, runtime, relative_l2, worst_slice, psnr, floor)


def _compressed_rows() -> Iterator[Gate]:
    """Packages and assets whose weights a plan compresses, against the checkpoint itself."""
    for (component, precision, values), (relative_l2, worst_slice) in _COMPRESSED.items():
        # Slices are held against the rms slice: what compression costs one that is nearly zero does
        # not shrink with it.
        gate = Gate(component, precision, "mil", relative_l2, worst_slice, slice_floor=1.0)
        gate = replace(gate, coarse=worst_slice > _LOCAL, values=values)
        yield gate
        if precision != "16-bit":  # Core AI has no half
            yield replace(gate, runtime="coreai")
        for units in COREML_UNITS:
            yield replace(gate, runtime=f"coreml {units}", provisional=True)


def _onnx_rows() -> Iterator[Gate]:
    """Graphs for TensorRT: float32 as on the evaluator, and the language model as its folder.

    Half precision is judged by its emulation. A board rounds as its kernels please, and nothing has
    been measured on one.
    """
    exact = _FLOAT32 | {"llm": _EXACT}
    for component, (relative_l2, worst_slice) in exact.items():
        for runtime in ("onnxruntime", "emulated-half"):
            yield _host(component, "float32", runtime, relative_l2, worst_slice)
        yield Gate(component, "float32", "tensorrt", 1e-3, 1e-2, provisional=True)
        yield Gate(component, "float16", "tensorrt", None, 0.1, 45.0, provisional=True)
    for component, (relative_l2, worst_slice) in _FLOAT16.items():
        yield _host(component, "float16", "emulated-half", relative_l2, worst_slice)
    # Keys, values and activations are half.
    yield Gate("llm", "float16", "emulated-half", 0.01, 0.05)


def _core_ai_rows() -> Iterator[Gate]:
    """Core AI assets on Apple's runtime: the rows of the evaluator and of ONNX Runtime."""
    for component, (relative_l2, worst_slice) in (_FLOAT32 | {"llm": _EXACT}).items():
        gate = _host(component, "float32", "coreai", relative_l2, worst_slice)
        yield gate
        if component in _FLOAT32:
            yield replace(gate, against="stored weights")


def _exact_rows() -> Iterator[Gate]:
    """The language model's folder, held against the same quantized weights."""
    for runtime in ("mlx-dequantized", "mlx float32"):
        yield Gate("llm", "float32", runtime, *_EXACT, against="stored weights")
    # Half-precision activations.
    yield Gate("llm", "float16", "mlx", 0.01, 0.05, against="stored weights")


def _folder_rows() -> Iterator[Gate]:
    """MLX folders of components: in float32 as on the evaluator, whoever computes."""
    for component, (relative_l2, worst_slice) in _FLOAT32.items():
        for runtime in ("mlx-dequantized", "mlx float32", "mlx"):
            gate = _host(component, "float32", runtime, relative_l2, worst_slice)
            yield replace(gate, against="stored weights")
    for component, bounds in _FOLDER_HALF.items():
        gate = Gate(component, "float16", "mlx", *bounds)
        yield replace(gate, against="stored weights")
    for (component, precision, values), bounds in _FOLDER_COST.items():
        for runtime in ("mlx-dequantized", "mlx"):
            gate = Gate(component, precision, runtime, *bounds, slice_floor=1.0)
            yield replace(gate, coarse=bounds[1] > _LOCAL, values=values)


def _random_rows() -> Iterator[Gate]:
    """The language model's folder against the checkpoint, with random weights."""
    for runtime in ("mlx-dequantized", "mlx"):
        # Nearly every bfloat16 weight is a float16 too: what remains is the activations' rounding.
        half = (1e-5, None, 5e-5) if runtime == "mlx-dequantized" else (0.01, None, 0.05)
        rows: tuple[tuple[Precision, str, float, float | None, float, bool], ...] = (
            ("8-bit", HIDDEN, 0.04, 0.1, 0.4, False),
            ("8-bit", CONDITIONING, 0.05, 0.1, 0.4, False),
            ("6-bit", HIDDEN, 0.18, 0.4, 0.49, False),
            ("6-bit", CONDITIONING, 0.2, 0.4, 0.49, False),
            ("5-bit", HIDDEN, 0.36, None, 1.2, True),
            ("5-bit", CONDITIONING, 0.4, None, 1.2, True),
            ("4-bit", HIDDEN, 0.7, None, 2.5, True),
            ("4-bit", CONDITIONING, 0.7, None, 2.5, True),
            ("float16", HIDDEN, *half, False),
            ("float16", CONDITIONING, *half, False),
        )
        for precision, output, relative_l2, worst_token, worst_slice, coarse in rows:
            yield Gate(
                "llm",
                precision,
                runtime,
                relative_l2,
                worst_slice,
                output=output,
                values="random",
                worst_token=worst_token,
                coarse=coarse,
            )


def _trained_rows() -> Iterator[Gate]:
    """The same with trained weights, where what the model says and draws counts.

    Slices at five times, of 4-bit weights at three times what the miniature's are.
    """
    for runtime in ("mlx-dequantized", "mlx"):
        # Without quantization what remains is rounding, in the arithmetic of either runtime.
        half = (
            (1e-8, 0.999, 0.999999, 5e-5)
            if runtime == "mlx-dequantized"
            else (1e-4, 0.995, 0.9999, 0.011)
        )
        rows: tuple[tuple[Precision, float, float, float, float], ...] = (
            ("8-bit", 0.01, 0.98, 0.999, 0.08),
            ("6-bit", 0.015, 0.97, 0.995, 0.22),
            ("5-bit", 0.05, 0.93, 0.98, 0.4),
            ("4-bit", 0.2, 0.85, 0.9, 1.0),
            ("float16", *half),
        )
        for precision, kl, top1, cosine, worst_slice in rows:
            gate = Gate("llm", precision, runtime, None, worst_slice, values="trained")
            gate = replace(gate, coarse=precision == "4-bit")
            yield replace(gate, output=LOGITS, worst_slice=None, kl=kl, top1=top1)
            yield replace(gate, output=CONDITIONING, worst_cosine=cosine)


GATES = _table()


def find(
    component: str,
    precision: str,
    runtime: str,
    against: Against = "checkpoint",
    output: str | None = None,
    values: Values = "any",
) -> Gate:
    """The gate of a component, or of one output of it; nothing passes without one.

    Raises:
        UsageError: the table has no such row.
    """
    key = (component, precision, runtime, against, output, values)
    for gate in GATES:
        row = (gate.component, gate.precision, gate.runtime, gate.against, gate.output, gate.values)
        if row == key:
            return gate
    what = f" of {output}" if output else ""
    raise UsageError(
        f"{component}: no gate{what} for {precision} on {runtime}; it cannot be judged"
    )


def measured(component: str, precision: str, runtime: str, values: Values) -> Gate | None:
    """The row of a compressed package against its checkpoint; None where no bound means anything.

    ``values`` says what the checkpoint's weights are; most rows are for any.
    """
    for gate in GATES:
        row = (gate.component, gate.precision, gate.runtime)
        if row == (component, precision, runtime) and gate.values in ("any", values):
            return gate
    return None
