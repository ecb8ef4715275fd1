"""What the report draws: curves, markers, profiles and cells lie where the numbers say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mobileo_export.html import render
from mobileo_export.html import text as page_text
from mobileo_export.parity.chain.results import as_json
from mobileo_export.parity.profile import cell, profiles
from mobileo_export.parity.report import page, page_charts, page_data
from tests.parity.report.documents import Json, Parsed, chain


def test_the_drift_curve_is_that_of_the_chain(content: Json) -> None:
    found = as_json(chain())
    shown = Parsed(page.render(content, found)).figures()
    for step in found["chains"][0]["steps"]:
        for key in ("velocity", "latent"):
            assert str(step[key]["relative_l2"]) in shown
    assert str(found["chains"][0]["image"]["psnr"]) in shown


def drawn_by(macro: str, *arguments: Any) -> str:
    charts = render.environment(page.NAMES).get_template("parity/report/charts.html")
    return str(getattr(charts.module, macro)(*arguments))


def test_markers_and_bounds_lie_where_the_numbers_say() -> None:
    axis = page_charts.Axis(-6, -2)
    row = {"metric": "relative_l2", "value": 1e-5, "limit": 1e-3, "holds": True}
    drawn = drawn_by("lane", [row], axis)
    assert 'x1="25.00%" x2="75.00%"' in drawn
    assert '<svg x="25.00%"' in drawn
    curve = drawn_by("curve", [("circle", [1e-6, 1e-2])], [999, 500], ("bound", 1e-4), "c")
    assert 'points="25.00,100.00 75.00,0.00"' in curve


@pytest.mark.parametrize(
    ("metric", "value", "error"),
    [
        ("psnr", 60, 1e-3),
        ("psnr", "Infinity", 0.0),
        ("psnr", "-Infinity", math.inf),
        ("top1", 0.75, 0.25),
        ("relative_l2", "Infinity", math.inf),
    ],
)
def test_a_figure_becomes_an_error(metric: str, value: Any, error: float) -> None:
    assert page_data.error_of(metric, value) == pytest.approx(error)


def test_a_profile_keeps_the_worst_slice() -> None:
    reference = np.ones((1, 200, 300), np.float32)
    found = reference.copy()
    found[0, 131, 7] += 0.5
    token, channel = profiles(reference, found, "sequence")
    assert (token.rows, token.columns, token.size) == (1, 64, (200,))
    worst = int(np.argmax(token.errors))
    assert worst == cell(131, 200, 64)
    assert token.errors[worst] == pytest.approx(0.5 / math.sqrt(300), rel=1e-2)
    assert sum(value > 0 for value in token.errors) == 1
    assert int(np.argmax(channel.errors)) == cell(7, 300, 64)


@pytest.mark.parametrize(
    ("size", "cells"), [(1, 1), (3, 3), (64, 64), (65, 64), (79, 64), (768, 64)]
)
def test_every_index_has_the_cell_that_holds_it(size: int, cells: int) -> None:
    for index in range(size):
        reference = np.ones((1, size, 4), np.float32)
        found = reference.copy()
        found[0, index] = 2
        token, _ = profiles(reference, found, "sequence")
        assert token.columns == cells
        assert int(np.argmax(token.errors)) == cell(index, size, cells)


def test_profiles_of_layers_images_and_values_that_are_not_finite() -> None:
    reference = np.ones((1, 4, 10, 8), np.float32)
    found = reference.copy()
    found[0, 2, 3] = np.nan
    token, _ = profiles(reference, found, "sequence")
    assert (token.rows, token.columns) == (4, 10)
    assert [i for i, value in enumerate(token.errors) if value == math.inf] == [23]
    picture = np.ones((1, 3, 512, 512), np.float32)
    _, patch = profiles(picture, picture, "image")
    assert (patch.rows, patch.columns) == (16, 16)
    assert set(patch.errors) == {0.0}
    assert profiles(np.ones((1, 9)), np.ones((1, 9)), "logits") == ()


def test_a_cell_is_as_dark_as_it_is_near_the_bound() -> None:
    levels = [page_charts.level(value, 1e-4) for value in (0, 1e-9, 1.1e-6, 1e-4, 1.1e-4, math.nan)]
    assert levels == [0, 0, 2, page_charts.LEVELS - 1, page_charts.LEVELS, page_charts.LEVELS]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.23e-6, "1.2×10⁻⁶"),
        (1e-4, "10⁻⁴"),
        (0.45, "0.45"),
        (0, "0"),
        (20000, "2×10⁴"),
        ("Infinity", "∞"),
        ("NaN", "not a number"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: Any, written: str) -> None:
    assert page_text.scientific(value) == written
