"""The page: what it says is what the report says, and nothing in it can run or load anything."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from mobileo_export.html import render
from mobileo_export.html import text as page_text
from mobileo_export.parity import cases, gates, results
from mobileo_export.parity.chain.results import (
    ChainComparison,
    ChainGate,
    ChainResult,
    ChainStep,
    Drift,
    ImageDrift,
    Pictures,
    Pixels,
    Seconds,
    as_json,
)
from mobileo_export.parity.judge import judge
from mobileo_export.parity.metrics import SliceError
from mobileo_export.parity.profile import cell, profiles
from mobileo_export.parity.report import page, page_charts, page_data
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult, Skip

HOSTILE = "<script>alert(1)</script>\"'>&\x1b[31m\u202e</style>"
VOID = {"meta", "img", "br", "link", "input", "hr"}
Json = dict[str, Any]


class Parsed(HTMLParser):
    """Checks that tags nest, and keeps what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def figures(self) -> list[str]:
        return [attrs["value"] or "" for tag, attrs in self.tags if tag == "data"]


def component(
    name: str, output: str, shape: tuple[int, ...], error: float, case: str = "prompt"
) -> tuple[ComponentResult, list[Json]]:
    random = np.random.default_rng(len(name))
    reference = random.standard_normal(shape, dtype=np.float32)
    found = reference + np.float32(error) * random.standard_normal(shape, dtype=np.float32)
    gate = gates.find(name, "float32", "mil")
    judged = judge(gate, output, reference, found)
    layout: Any = "image" if len(shape) == 4 else "sequence"
    drawn = [asdict(profile) for profile in profiles(reference, found, layout)]
    return ComponentResult(gate, "a.mlpackage", (CaseResult(case, (judged,), 0.5, 0.25),)), drawn


def document(*parts: tuple[ComponentResult, list[Json]], **names: Any) -> Json:
    components = tuple(result for result, _ in parts)
    fields = {"bundle": "bundle", "checkpoint": "checkpoint", **names}
    skipped = fields.pop("skipped", ())
    comparison = Comparison(
        fields["bundle"], fields["checkpoint"], "released", "mil", components, skipped
    )
    content = results.as_json(comparison)
    for entry, (_, drawn) in zip(content["components"], parts, strict=True):
        entry["cases"][0]["outputs"][0]["profiles"] = drawn
    return content


@pytest.fixture(scope="module")
def content() -> Json:
    return document(
        component("mcp", "conditioning", (1, 79, 96), 1e-7),
        component("dit", "velocity", (1, 8, 16, 16), 1e-6),
        skipped=(Skip("llm", "no runtime here executes it"),),
    )


def chain(psnr: float = 120.0, problem: str | None = None, name: str = "prompt") -> ChainComparison:
    gate = ChainGate("float32", "coreml all", 60.0, 2e-5, 1e-3, provisional=True)
    worst = SliceError("patch", (1, 2), 3e-6, 1.0)
    steps = tuple(
        ChainStep(i, 999 - 100 * i, Drift(1e-6 * (i + 1), worst), Drift(1e-7 * (i + 1), worst))
        for i in range(5)
    )
    rows = (
        gates.Row("psnr", psnr, 60.0, psnr >= 60),
        gates.Row("latent", 5e-7, 2e-5, True),
    )
    image = ImageDrift(psnr, 1e-6, 2e-6, worst, Pixels(3, 64, 1), 100000.0)
    seconds = Seconds(0.1, 2.0, 0.3)
    result = ChainResult(
        name, 79, {"conditional": Drift(1e-7, None)}, steps, image, rows, seconds, seconds, problem
    )
    plane = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    drawing = {"steps": 5, "guidance": 1.5, "seed": 0}
    return ChainComparison(gate, drawing, (result,), {name: Pictures(plane, plane, plane)})


def whole(content: Json, **options: Any) -> str:
    found = chain()
    return page.render(content, as_json(found), pictures=found.pictures, **options)


def test_it_is_well_formed_and_holds_everything_itself(content: Json) -> None:
    text = whole(content, environment={"torch": "2.14.1"})
    parsed = Parsed(text)
    assert parsed.open == []
    for tag, attributes in parsed.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            if value := attributes.get(name):
                assert value.startswith("data:image/png;base64,")
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    assert "default-src 'none'" in text
    assert len(text) < 100_000


def test_everything_drawn_is_also_said(content: Json) -> None:
    parsed = Parsed(whole(content))
    for tag, attributes in parsed.tags:
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes["aria-label"]
        if tag == "img":
            assert attributes["alt"]
    ids = [attributes["id"] for _, attributes in parsed.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    named = {
        attributes.get("aria-labelledby") for tag, attributes in parsed.tags if tag == "section"
    }
    assert named <= set(ids)
    assert sum(tag == "h1" for tag, _ in parsed.tags) == 1


def test_the_same_report_gives_the_same_page(content: Json) -> None:
    again = json.loads(json.dumps(content))
    assert whole(content) == whole(again)


def test_it_says_what_was_asked_and_shows_what_was_given(content: Json) -> None:
    text = whole(content)
    assert cases.PROMPT in Parsed(text).text
    assert "Given" not in Parsed(text).text
    found = chain(name="edit")
    edited = page.render(content, as_json(found), pictures=found.pictures)
    assert cases.INSTRUCTION in Parsed(edited).text
    assert "Given to both sides" in Parsed(edited).text
    assert edited.count("data:image/png") == text.count("data:image/png") + 1


def test_it_says_what_compared_and_no_path_of_the_machine(content: Json) -> None:
    here = {**content, "bundle": "/home/someone/bundle", "checkpoint": "owner/name"}
    parsed = Parsed(page.render(here, machine={"mlx": "0.32.4", "system": "Linux x86_64"}))
    assert "compared with mlx 0.32.4" in parsed.text
    assert "compared with system Linux x86_64" in parsed.text
    assert "bundle against owner/name" in parsed.text
    assert "someone" not in parsed.text


def test_it_leads_back_only_to_a_page_that_leads_here(content: Json) -> None:
    assert "<a " not in page.render(content)
    assert '<a href="../index.html">' in page.render(content, back="../index.html")


def test_two_kinds_of_damage_have_two_names(content: Json) -> None:
    said = Parsed(whole(content)).text
    assert "Spoiled outputs noticed" in said
    assert "Damage noticed" not in said


def test_figures_are_those_of_the_report(content: Json) -> None:
    shown = Parsed(page.render(content)).figures()
    rows = [
        row
        for item in content["components"]
        for row in item["cases"][0]["outputs"][0]["rows"]
        if row["metric"] != "finite"
    ]
    assert shown == [str(row[key]) for row in rows for key in ("value", "limit")]


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


def test_every_failure_is_told(content: Json) -> None:
    broken = document(
        component("dit", "velocity", (1, 8, 16, 16), 1e-2),
        component("mcp", "conditioning", (1, 79, 96), math.nan),
    )
    found = chain(psnr=12.0)
    golden: dict[str, Any] = {
        "ok": False,
        "checks": {"total": 2, "failed": [{"name": "noise", "problem": "3 values differ"}]},
        "comparison": broken,
        "failures": ["noise: 3 values differ"],
    }
    parsed = Parsed(page.render(broken, as_json(found), None, golden, pictures=found.pictures))
    assert parsed.open == []
    assert len(broken["failures"]) >= 5
    for line in [*broken["failures"], *found.failures(), *golden["failures"]]:
        assert line in parsed.text
    assert "does not compute" in parsed.text
    assert "not finite" in parsed.text
    assert "✕ fails" in parsed.text
    assert "computes what its checkpoint computes" in Parsed(page.render(content)).text


@pytest.mark.parametrize("failing", ["chain", "mutations", "replay"])
def test_the_verdict_counts_every_part(content: Json, failing: str) -> None:
    mutant = {
        "kind": "drop a bias",
        "component": "dit",
        "site": {"operation": "op", "detail": "bias", "module": "", "indices": []},
        "verdict": "slipped",
        "catch": None,
        "proof": None,
        "missed": {"case": "c", "output": "o", "metric": "psnr", "value": 70.0, "limit": 50.0},
    }
    suite = {"slipped": 1, "components": [{"mutants": [mutant]}]}
    golden: dict[str, Any] = {
        "ok": False,
        "checks": {"total": 0, "failed": []},
        "comparison": content,
        "failures": ["pixels: differ"],
    }
    options: Json = {
        "chain": as_json(chain(psnr=50.0)) if failing == "chain" else None,
        "mutations": suite if failing == "mutations" else None,
        "replay": golden if failing == "replay" else None,
    }
    parsed = Parsed(page.render(content, **options))
    assert "does not compute" in parsed.text
    if failing == "mutations":
        assert "dit: no gate noticed drop a bias at op" in parsed.text
        assert "✕ slipped" in parsed.text


def test_what_was_not_checked_is_loud(content: Json) -> None:
    parsed = Parsed(page.render(content))
    head = parsed.text[: parsed.text.index("Error by component")]
    for line in (
        "llm: no runtime here executes it",
        "the chain was not run",
        "no mutation was run",
        "golden traces: none were run",
    ):
        assert line in head
    skipped = ChainComparison(chain().gate, {}, (), {}, "the bundle has no vae_decoder")
    again = Parsed(page.render(content, as_json(skipped))).text
    assert "from prompt to picture: the bundle has no vae_decoder" in again
    assert "the gate of the chain on coreml all is provisional" in Parsed(whole(content)).text


def test_nothing_compared_is_said() -> None:
    parsed = Parsed(page.render(document()))
    assert "Nothing was compared" in parsed.text
    assert parsed.open == []


def test_hostile_names_are_only_text() -> None:
    hostile = document(
        component("dit", "velocity", (1, 8, 16, 16), 1e-2, HOSTILE),
        bundle=HOSTILE,
        checkpoint=HOSTILE,
        skipped=(Skip(HOSTILE, HOSTILE),),
    )
    found = chain(name=HOSTILE)
    text = page.render(
        hostile, as_json(found), pictures=found.pictures, environment={HOSTILE: HOSTILE}
    )
    parsed = Parsed(text)
    assert parsed.open == []
    assert not any(tag == "script" for tag, _ in parsed.tags)
    assert sum(tag == "style" for tag, _ in parsed.tags) == 1
    assert not any(not (c.isprintable() or c == "\n") for c in text)
    assert "alert(1)</script>" in parsed.text  # as text, in the header for one


def test_a_problem_instead_of_figures() -> None:
    gate = gates.find("dit", "float32", "mil")
    components = (
        ComponentResult(gate, "transformer.mlpackage", (), (), "is damaged"),
        ComponentResult(gate, "b", (CaseResult("case", (), 0.1, None, "does not run"),)),
    )
    content = results.as_json(Comparison("b", "c", "released", "mil", components, ()))
    found = as_json(chain(problem="the decoder is damaged"))
    parsed = Parsed(page.render(content, found))
    assert "is damaged" in parsed.text
    assert "does not run" in parsed.text
    assert "the decoder is damaged" in parsed.text


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
