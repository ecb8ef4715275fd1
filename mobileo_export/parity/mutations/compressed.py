"""Mutations of compressed weights: one of the parts that a matrix is expanded from, alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.artifacts.mlpackage.expansion import LOOK_UP, Expanded
from mobileo_export.parity.mutations import weights
from mobileo_export.parity.mutations.base import GraphMutation, Site

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.mutations.graph import EditedGraph


def _expanded(graph: EditedGraph) -> Iterator[tuple[Op, Expanded]]:
    for op, constant in weights.matrices(graph):
        if isinstance(constant, Expanded):
            yield op, constant


def _integers(graph: EditedGraph) -> Iterator[tuple[Op, Expanded]]:
    for op, constant in _expanded(graph):
        if constant.kind != LOOK_UP and constant.elements.type.dtype.kind == "int":
            yield op, constant


def _block(shape: tuple[int, ...], place: int) -> str:
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(place, shape))}]"


def _power_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _expanded(graph):
        if constant.elements.type.dtype.kind == "float":
            yield weights.site_of(graph, op, "the power of two of the weight is one too high")


def _double_all(graph: EditedGraph, site: Site) -> None:
    expands = graph.expands(graph.op(site.operation), "weight")
    graph.store(expands, "scale", np.float32(2) * graph.values(expands, "scale"))


def _other_block_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _integers(graph):
        scales = constant.parts["scale"]
        flat = scales.array().reshape(-1)
        first, second = flat.size // 3, 2 * flat.size // 3
        if flat[first] != flat[second]:
            places = " and ".join(_block(scales.shape, place) for place in (first, second))
            yield weights.site_of(graph, op, f"scales {places} trade places", first, second)


def _swap_scales(graph: EditedGraph, site: Site) -> None:
    expands = graph.expands(graph.op(site.operation), "weight")
    scales, pair = graph.values(expands, "scale"), list(site.indices)
    scales.reshape(-1)[pair] = scales.reshape(-1)[pair[::-1]]
    graph.store(expands, "scale", scales)


def _scale_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _integers(graph):
        scales = constant.parts["scale"]
        place = scales.size // 2
        detail = f"scale {_block(scales.shape, place)} is twice as large"
        yield weights.site_of(graph, op, detail, place)


def _double(graph: EditedGraph, site: Site) -> None:
    expands = graph.expands(graph.op(site.operation), "weight")
    scales = graph.values(expands, "scale")
    scales.reshape(-1)[site.indices[0]] *= scales.dtype.type(2)
    graph.store(expands, "scale", scales)


def _nibble_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _expanded(graph):
        if constant.elements.type.dtype.bits == 4 and constant.size % 2 == 0:
            yield weights.site_of(graph, op, "both halves of each byte trade places")


def _swap_nibbles(graph: EditedGraph, site: Site) -> None:
    op = graph.op(site.operation)
    constant, expands = graph.constant(op, "weight"), graph.expands(op, "weight")
    elements = "indices" if isinstance(constant, Expanded) and constant.kind == LOOK_UP else "data"
    pairs = graph.values(expands, elements)
    graph.store(expands, elements, pairs.reshape(-1, 2)[:, ::-1])


def _zero_point_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _integers(graph):
        if "offset" in constant.parts:
            yield weights.site_of(graph, op, "every zero point is one off")


def _move_zero(graph: EditedGraph, site: Site) -> None:
    expands = graph.expands(graph.op(site.operation), "weight")
    points = graph.values(expands, "offset")
    # One lower where one higher would be no number of its type.
    graph.store(expands, "offset", np.where(points > 0, points - 1, points + 1))


def _palette_sites(graph: EditedGraph) -> Iterator[Site]:
    for op, constant in _expanded(graph):
        if constant.kind == LOOK_UP:
            group = constant.parts["lut"].size // constant.parts["lut"].shape[-2] // 2
            detail = f"the entries of palette {group} move on by one"
            yield weights.site_of(graph, op, detail, group)


def _move_entries(graph: EditedGraph, site: Site) -> None:
    expands = graph.expands(graph.op(site.operation), "weight")
    tables = graph.values(expands, "lut")
    rows = tables.reshape(-1, tables.shape[-2])
    rows[site.indices[0]] = np.roll(rows[site.indices[0]], 1)
    graph.store(expands, "lut", tables)


COMPRESSED_MUTATIONS = (
    GraphMutation(
        "power of two off by one", "doubles what a weight is scaled by", _power_sites, _double_all
    ),
    GraphMutation(
        "scale of the wrong block",
        "exchanges the scales of two blocks of a weight",
        _other_block_sites,
        _swap_scales,
    ),
    GraphMutation("scale doubled", "doubles the scale of one block", _scale_sites, _double),
    GraphMutation(
        "nibbles swapped", "exchanges the halves of each byte", _nibble_sites, _swap_nibbles
    ),
    GraphMutation(
        "zero point off by one",
        "moves the integers that stand for zero",
        _zero_point_sites,
        _move_zero,
    ),
    GraphMutation(
        "palette permuted", "moves the entries of one table", _palette_sites, _move_entries
    ),
)
