"""Mutations of what a package's operations are: wrong constants and wrong variants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mobileo_export.parity.mutations.base import GraphMutation, Site

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.mutations.graph import EditedGraph

# A converter that loses a norm's epsilon leaves the default: 1e-5 of Core ML's and PyTorch's layer
# norms, 1e-6 of diffusers', timm's and Qwen2's norms. Each is taken for the other.
_OTHER_EPSILON = {1e-6: 1e-5, 1e-5: 1e-6}
_ERF, _TANH = "EXACT", "TANH_APPROXIMATION"
_NEAREST, _BILINEAR = "upsample_nearest_neighbor", "upsample_bilinear"


def _site(graph: EditedGraph, op: Op, detail: str) -> Site:
    return Site(op.outputs[0].name, detail, graph.module(op))


def _epsilon(graph: EditedGraph, op: Op) -> tuple[str, float, float] | None:
    """The parameter that holds a norm's epsilon, its value and the wrong one."""
    parameters: tuple[str, ...] = ("epsilon",)
    if op.kind == "add" and any(user.kind == "rsqrt" for user, _ in graph.arrivals(op)):
        parameters = ("x", "y")
    elif op.kind not in {"layer_norm", "rsqrt"}:
        return None
    for parameter in parameters:
        value = graph.number(op, parameter)
        for right, wrong in _OTHER_EPSILON.items():
            if value is not None and abs(value - right) < 0.05 * right:
                return parameter, right, wrong
    return None


def _epsilon_sites(graph: EditedGraph) -> Iterator[Site]:
    for op in graph.ops:
        found = _epsilon(graph, op)
        if found is not None:
            yield _site(graph, op, f"epsilon {found[1]:g} becomes {found[2]:g}")


def _wrong_epsilon(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    found = _epsilon(graph, op)
    if found is None:
        raise KeyError(f"{op} has no epsilon")
    graph.set_number(op, found[0], found[2])


def _gelu_sites(graph: EditedGraph) -> Iterator[Site]:
    for op in graph.ops:
        if op.kind == "gelu":
            mode = _mode(graph, op)
            if mode in (_ERF, _TANH):
                detail = "tanh for erf" if mode == _ERF else "erf for tanh"
                yield _site(graph, op, detail)


def _mode(graph: EditedGraph, op: Op) -> str:
    constant = graph.constant(op, "mode")
    return _ERF if constant is None else str(constant.array().item())


def _other_gelu(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    mode = _TANH if _mode(graph, op) == _ERF else _ERF
    spec = graph.spec(op)
    argument = spec.inputs["mode"]
    del argument.arguments[:]
    value = argument.arguments.add().value
    value.type.tensorType.dataType = 2  # STRING
    value.immediateValue.tensor.strings.values.append(mode)


def _upsample_sites(graph: EditedGraph) -> Iterator[Site]:
    for op in graph.ops:
        if op.kind == _NEAREST:
            yield _site(graph, op, "bilinear for nearest")
        elif op.kind == _BILINEAR:
            yield _site(graph, op, "nearest for bilinear")


def _other_upsample(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    spec = graph.spec(op)
    spec.type = _BILINEAR if op.kind == _NEAREST else _NEAREST
    for name in ("align_corners", "half_pixel_centers"):
        if name in spec.inputs:
            del spec.inputs[name]
    if op.kind == _NEAREST:
        value = spec.inputs["align_corners"].arguments.add().value
        value.type.tensorType.dataType = 1  # BOOL
        value.immediateValue.tensor.bools.values.append(False)


def _timestep_sites(graph: EditedGraph) -> Iterator[Site]:
    if "timestep" in graph.inputs:
        yield Site("timestep", "one more than asked for")


def _next_timestep(graph: EditedGraph, site: Site) -> None:
    graph.add_to(site.operation, 1.0)


def _mask_sites(graph: EditedGraph) -> Iterator[Site]:
    for op in graph.ops:
        if op.kind == "scaled_dot_product_attention" and "attn_mask" in op.inputs:
            yield _site(graph, op, "attends to every token")


def _ignore_mask(graph: EditedGraph, site: Site) -> None:
    del graph.spec(graph.op(site.operation)).inputs["attn_mask"]


OPERATION_MUTATIONS = (
    GraphMutation(
        "wrong epsilon", "gives a norm the other usual epsilon", _epsilon_sites, _wrong_epsilon
    ),
    GraphMutation("other GELU", "takes tanh for erf, or erf for tanh", _gelu_sites, _other_gelu),
    GraphMutation(
        "other upsampling",
        "takes bilinear for nearest, or nearest for bilinear",
        _upsample_sites,
        _other_upsample,
    ),
    GraphMutation(
        "off-by-one timestep",
        "embeds the timestep after the one asked for",
        _timestep_sites,
        _next_timestep,
    ),
    GraphMutation(
        "ignored mask", "leaves an attention without its mask", _mask_sites, _ignore_mask
    ),
)
