"""The report's page: well formed, complete, honest about what is missing, and only text."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from mobileo_export.parity import cases, gates, results
from mobileo_export.parity.chain.results import (
    ChainComparison,
    as_json,
)
from mobileo_export.parity.report import page
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult, Skip
from tests.parity.report.documents import Json, Parsed, chain, component, document

HOSTILE = "<script>alert(1)</script>\"'>&\x1b[31m\u202e</style>"


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
