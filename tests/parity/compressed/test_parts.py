"""The parts of a compressed package, one by one: what was done to them, what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity import gates
from mobileo_export.parity.stored_values import forms, package_graph
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.parity.packages import PACKAGES

from .conftest import Bundle, opened


def tripled(scales: np.ndarray) -> None:
    scales[2, 0] *= 3


def exchanged(scales: np.ndarray) -> None:
    scales[[1, 2]] = scales[[2, 1]]


def moved(points: np.ndarray) -> None:
    points += np.uint8(2)


def turned(integers: np.ndarray) -> None:
    pairs = integers.reshape(-1, 2)
    pairs[...] = pairs[:, ::-1].copy()


def reversed_table(tables: np.ndarray) -> None:
    tables[0] = tables[0][..., ::-1, :].copy()


def one_more(integers: np.ndarray) -> None:
    integers[3, 1] += 1


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("scales", tripled, "1 of 6 scales are others, first [2, 0]: multiplied by 3"),
        ("scales", exchanged, "2 of 6 scales are others, first [1, 0]: those of other blocks"),
        ("zero points", moved, "off by +2"),
        ("integers", turned, "each two neighbours are swapped"),
        ("palettes", reversed_table, "entries are permuted"),
        ("integers", one_more, "1 of 24 integers are others, first [3, 1]"),
    ],
)
def test_what_was_done_to_a_part_is_said(
    name: str, damage: Callable[[np.ndarray], None], text: str
) -> None:
    shapes = {"palettes": (2, 1, 8, 1), "scales": (6, 1), "zero points": (6, 1)}
    rng = np.random.default_rng(0)
    if name in ("scales", "palettes"):
        wanted = rng.normal(0, 1, shapes[name]).astype(np.float32)
    else:
        wanted = rng.integers(0, 9, shapes.get(name, (6, 4))).astype(np.uint8)
    found = wanted.copy()
    assert forms.told(name, found, wanted) is None
    damage(found)
    said = forms.told(name, found, wanted)
    assert said is not None
    assert text in said
    assert name in said


def test_the_reference_has_the_values_that_the_package_expands_to(
    bundle: Bundle, checkpoint: Checkpoint
) -> None:
    """Made anew and read are the same to the bit: folded convolutions too."""
    for component in PACKAGES.split(","):
        whole = opened(bundle("every form"), component, checkpoint)
        assert whole is not None
        graph = package_graph.load(whole.package, whole.operation_map)
        modules = ReferenceModules(checkpoint, COMPONENTS[component], "released")
        found = whole.matrices(graph, modules)
        assert len(found) >= 4
        folded = [m for m in found if len(m.recipe.names) > 1]
        assert bool(folded) == (component == "vision_encoder")
        for matrix in found:
            assert matrix.problem(modules) is None
            made = matrix.state(modules)[matrix.recipe.names[0]]
            assert made.tobytes() == matrix.constant.values.tobytes(), matrix.name


def test_a_row_of_compressed_weights_says_how_coarse_it_is() -> None:
    """And beside it there is an exact one, with the bounds of weights that are not compressed."""
    for gate in gates.GATES:
        if gate.component != "llm" and gate.precision not in ("float32", "float16"):
            assert gate.worst_slice is not None
            assert gate.coarse == (gate.worst_slice > 0.4)
            exact = gates.find(gate.component, "float32", gate.runtime, "stored weights")
            assert exact.relative_l2 is not None
            plain = "mil" if gate.runtime.startswith("mlx") else gate.runtime
            assert replace(exact, runtime=plain, against="checkpoint") in gates.GATES
