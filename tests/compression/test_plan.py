"""Plans: which matrix gets which scheme, and what presets make of a model of any size."""

from __future__ import annotations

import json
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import (
    EXACT,
    EXACTLY,
    NONE,
    PRESETS,
    CompressionPlan,
    LanguageModelBits,
    load,
    matrices,
    matrix_name,
    of_job,
    parse,
)
from mobileo_export.random_checkpoint import models

PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")


def plan(path: Path | None = None, **components: Any) -> CompressionPlan:
    return parse("plan", {"schema_version": 1, "components": components}, path)


def test_the_first_pattern_that_fits_decides() -> None:
    found = plan(dit={"a.*": "int8", "*.b": "half", "*": "int4 block 32"})
    assert str(found.scheme("dit", "a.b", (64, 64))) == "int8"
    assert str(found.scheme("dit", "c.b", (64, 64))) == "half"
    assert str(found.scheme("dit", "c", (64, 64))) == "int4 block 32"
    assert found.scheme("dit", "c", (64, 48)) == EXACT
    assert str(found.asked("dit", "c")) == "int4 block 32"
    assert found.scheme("mcp", "c", (64, 64)) == EXACT


def test_a_plan_is_the_same_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    content = {
        "schema_version": 1,
        "components": {"dit": {"b": "int8", "a": "half"}, "llm": {"bits": 5}},
    }
    path.write_text(json.dumps(content))
    for found in (NONE, EXACTLY, load("w8"), load(str(path))):
        again = of_job(json.loads(json.dumps(found.job())))
        assert again == found
        assert list(again.rules.get("dit", {})) == list(found.rules.get("dit", {}))
    assert load(str(path)).language_model == LanguageModelBits(5, 64, {})
    assert load(str(path)).components == ("dit", "llm")


def test_names_are_the_checkpoints_without_prefix() -> None:
    assert matrix_name("model.dit.proj_out.weight", ("model.dit.",)) == "proj_out"
    assert matrix_name("model.vae.decoder.conv_in.weight", ("model.", "model.vae.decoder.")) == (
        "conv_in"
    )


def bits(preset: CompressionPlan, component: str) -> float:
    shapes = matrices(COMPONENTS[component], models.model("0.5b"))
    stored = (preset.scheme(component, n, s).stored_bits(s) for n, s in shapes.items())
    return sum(stored) / sum(map(math.prod, shapes.values()))


def test_presets_of_the_released_model() -> None:
    w8, small = load("w8"), load("small")
    assert bits(w8, "dit") == pytest.approx(8.18, abs=0.01)
    assert bits(small, "dit") == pytest.approx(4.25, abs=0.01)
    for preset in (w8, small):
        assert bits(preset, "vae_decoder") == pytest.approx(8.10, abs=0.01)
        assert bits(preset, "vision_encoder") == pytest.approx(8.09, abs=0.01)
        assert bits(preset, "mcp") == 16
    assert w8.language_model == LanguageModelBits(8)
    assert small.language_model == LanguageModelBits(6)


@pytest.mark.parametrize("name", ["w8", "small"])
def test_presets_have_no_rule_for_nothing(name: str) -> None:
    """Of the released model each pattern decides something, and its scheme fits all of it."""
    preset = load(name)
    for component, rules in preset.rules.items():
        shapes = matrices(COMPONENTS[component], models.model("0.5b"))
        left = dict(shapes)
        for pattern, scheme in rules.items():
            fitting = [matrix for matrix in left if fnmatchcase(matrix, pattern)]
            assert fitting, pattern
            for matrix in fitting:
                assert scheme.misfit(left.pop(matrix)) is None, matrix
        assert not left


@pytest.mark.parametrize("name", ["w8", "small"])
def test_presets_keep_what_is_sensitive(name: str) -> None:
    preset = load(name)
    for component in PACKAGES:
        for matrix, shape in matrices(COMPONENTS[component], models.model("0.5b")).items():
            form = preset.scheme(component, matrix, shape).form
            if component == "mcp":
                assert form == "exact"
            elif shape[1] == 1:  # depthwise
                assert form == "half", matrix
            elif matrix in {"patch_embed.proj", "proj_out", "conv_in", "conv_out"}:
                assert form == "half"
            elif not matrix.startswith(("patch_embed.", "time_embed.")):
                assert form in {"int", "palette"}, matrix


@pytest.mark.parametrize("name", ["w8", "small"])
def test_core_ai_has_the_presets_with_float32_for_halves(name: str) -> None:
    general, own = load(name), load(name, "coreai")
    assert own.language_model is None
    assert own.rules.keys() == general.rules.keys()
    for component, rules in general.rules.items():
        wanted = {pattern: str(scheme) for pattern, scheme in rules.items()}
        kept = {p: "exact" if scheme == "half" else scheme for p, scheme in wanted.items()}
        found = {pattern: str(scheme) for pattern, scheme in own.rules[component].items()}
        assert list(found.items()) == list(kept.items())


def test_every_preset_is_there() -> None:
    folder = Path(str(load.__globals__["__file__"])).parent / "presets"
    assert {path.stem for path in folder.glob("*.json")} | {"none", "exact"} == set(PRESETS)
