"""Mutations of a package's weights: each leaves shapes and types as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.mutations.base import GraphMutation, Site

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.mutations.graph import EditedGraph

_MATRICES = frozenset({"linear", "conv"})
# A channel's gamma / sqrt(variance + eps) in trained networks; random_weights has much the same.
STALE_FACTOR = 0.8


def matrices(graph: EditedGraph, kinds: frozenset[str] = _MATRICES) -> Iterator[tuple[Op, Any]]:
    """Operations of these kinds with a constant weight of floats, and the weight."""
    for op in graph.ops:
        if op.kind in kinds:
            constant = graph.constant(op, "weight")
            if constant is not None and constant.type.dtype.kind == "float":
                yield op, constant


def site_of(graph: EditedGraph, op: Op, detail: str, *indices: int) -> Site:
    """The place of ``op``."""
    return Site(op.outputs[0].name, detail, graph.module(op), indices)


def _swap_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in matrices(graph):
        rows = constant.shape[0]
        first, second = rows // 3, 2 * rows // 3
        values = constant.array()
        if rows > 1 and first != second and (values[first] != values[second]).any():
            yield site_of(graph, op, f"rows {first} and {second} of the weight", first, second)


def _swap(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    values = graph.values(op, "weight")
    pair = list(site.indices)
    values[pair] = values[pair[::-1]]
    graph.store(op, "weight", values)


def _bias_sites(graph: EditedGraph) -> Iterator[Site]:
    for op in graph.ops:
        parameter = _bias(op)
        constant = graph.constant(op, parameter) if parameter else None
        if constant is not None and constant.array().any():
            yield site_of(graph, op, f"{parameter} [{constant.size}]")


def _bias(op: Op) -> str | None:
    return {"linear": "bias", "conv": "bias", "layer_norm": "beta"}.get(op.kind)


def _drop_bias(graph: EditedGraph, site: Site) -> None:
    _scale_bias(graph, site, 0.0)


def _thousandfold_bias(graph: EditedGraph, site: Site) -> None:
    _scale_bias(graph, site, 1000.0)


def _scale_bias(graph: EditedGraph, site: Site, factor: float) -> None:
    op = graph.op(site.operation)
    parameter = _bias(op) or ""
    values = graph.values(op, parameter)
    graph.store(op, parameter, values * np.asarray(factor, values.dtype))


def _inert_bias(graph: EditedGraph, site: Site) -> str | None:
    """Softmax attention subtracts what all keys have in common."""
    op = graph.op(site.operation)
    arrivals = list(graph.arrivals(op))
    if not arrivals or op.outputs[0].name in graph.outputs:
        return None
    if all(
        user.kind == "scaled_dot_product_attention" and parameter == "key"
        for user, parameter in arrivals
    ):
        return (
            "it is added to every key of a softmax attention: each query's scores all move by "
            "q·b, and softmax(s + c) = softmax(s)"
        )
    return None


def _transpose_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in matrices(graph):
        square = _square(constant.array())
        if square is not None and (square != square.T).any():
            yield site_of(graph, op, f"weight [{square.shape[0]}, {square.shape[0]}]")


def _square(values: NDArray[Any]) -> NDArray[Any] | None:
    rows = values.shape[0]
    return values.reshape(rows, rows) if rows > 1 and values.size == rows * rows else None


def _transpose(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    values = graph.values(op, "weight")
    square = values.reshape(values.shape[0], -1)
    graph.store(op, "weight", square.T)


def _projection_sites(graph: EditedGraph) -> Iterator[Site]:
    """Linears of one input and shape: q, k, v, or k, v; and one linear that holds all three."""
    groups: dict[tuple[Any, ...], list[Op]] = {}
    for op, constant in matrices(graph, frozenset({"linear"})):
        groups.setdefault((op.inputs["x"], constant.shape), []).append(op)
    attention = frozenset({"query", "key", "value"})
    for op, constant in matrices(graph, frozenset({"linear"})):
        group = groups[op.inputs["x"], constant.shape]
        if len(group) in (2, 3) and op is group[0] and constant.shape[0] > 1:
            names = "q, k, v" if len(group) == 3 else "k, v"
            yield site_of(graph, op, f"the weights of {names} trade places", len(group))
        elif len(group) == 1 and attention <= {p for _, p in graph.arrivals(op)}:
            yield site_of(graph, op, "the q, k, v blocks of the weight trade places", 1)


def _permute(graph: EditedGraph, site: Site) -> None:
    first = graph.op(site.operation)
    values = graph.values(first, "weight")
    if site.indices[0] == 1:
        graph.store(first, "weight", np.roll(values, values.shape[0] // 3, axis=0))
        return
    same = [
        op
        for op, constant in matrices(graph, frozenset({"linear"}))
        if op.inputs["x"] == first.inputs["x"] and constant.shape == values.shape
    ]
    weights = [graph.values(op, "weight") for op in same]
    for op, weight in zip(same, weights[1:] + weights[:1], strict=True):
        graph.store(op, "weight", weight)


def _exponent_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in matrices(graph):
        flat = constant.array().reshape(-1)
        bit = _bit(flat)
        words = np.ascontiguousarray(flat).view(f"u{flat.itemsize}")
        grows = np.flatnonzero((words >> bit & 1 == 0) & (flat != 0))
        if grows.size:
            order = np.argsort(np.abs(flat[grows]), kind="stable")
            place = int(grows[order[len(order) // 2]])
            index = ", ".join(map(str, np.unravel_index(place, constant.shape)))
            yield site_of(graph, op, f"weight [{index}] is four times as large", place)


def _bit(values: NDArray[Any]) -> int:
    """The second exponent bit: one that is 0 makes the value four times as large when set."""
    return 11 if values.dtype == np.float16 else 24


def _flip(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    values = graph.values(op, "weight")
    words = values.reshape(-1).view(f"u{values.itemsize}")
    words[site.indices[0]] ^= words.dtype.type(1 << _bit(values))
    graph.store(op, "weight", values)


def _norm_sites(graph: EditedGraph) -> Iterator[Site]:
    """Convolutions that a batch norm was folded into; elsewhere the gains of norms."""
    for op in graph.ops:
        parameter = _gain(graph, op)
        if parameter is not None:
            values = graph.values(op, parameter)
            channel = (values.shape[0] if parameter == "weight" else values.size) // 2
            what = "weight" if parameter == "weight" else "gain"
            detail = f"channel {channel} of the {what} x {STALE_FACTOR:g}"
            yield site_of(graph, op, detail, channel)


def _gain(graph: EditedGraph, op: Op) -> str | None:
    last = graph.module(op).rpartition(".")[2]
    if op.kind == "conv" and last == "bn":
        return "weight"
    if op.kind == "layer_norm" and graph.constant(op, "gamma") is not None:
        return "gamma"
    if op.kind == "mul" and "norm" in last:  # of an RMS norm, which is written out
        return next((p for p in ("x", "y") if _is_vector(graph, op, p)), None)
    return None


def _is_vector(graph: EditedGraph, op: Op, parameter: str) -> bool:
    constant = graph.constant(op, parameter)
    return constant is not None and constant.size > 1


def _stale(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    parameter = _gain(graph, op) or ""
    values = graph.values(op, parameter)
    # A gain has one value a channel, whatever its shape; a weight has its channels first.
    channels = values if parameter == "weight" else values.reshape(-1)
    channels[site.indices[0]] *= np.asarray(STALE_FACTOR, values.dtype)
    graph.store(op, parameter, values)


WEIGHT_MUTATIONS = (
    GraphMutation(
        "swap two channels", "exchanges two output channels of a weight", _swap_sites, _swap
    ),
    GraphMutation(
        "drop a bias",
        "sets a bias to zero",
        _bias_sites,
        _drop_bias,
        _inert_bias,
        _thousandfold_bias,
    ),
    GraphMutation(
        "transpose a square weight",
        "stores a square weight the other way round",
        _transpose_sites,
        _transpose,
    ),
    GraphMutation(
        "permute q, k, v", "exchanges the projections of an attention", _projection_sites, _permute
    ),
    GraphMutation(
        "flip an exponent bit",
        "makes one value of a weight four times as large",
        _exponent_sites,
        _flip,
    ),
    GraphMutation(
        "stale normalisation",
        "leaves one channel at the scale it had before its normalisation",
        _norm_sites,
        _stale,
    ),
)
