"""Stages have one name, unit and definition wherever they are measured."""

from __future__ import annotations

import re
from pathlib import Path

from mobileo_export.bench.stages import STAGES, load_definition, load_of, stage_title

SWIFT = Path(__file__).parents[2] / "ios_app/Sources/MobileO/Benchmark/PipelineBenchmark.swift"
UNITS = {"milliseconds": "ms", "seconds": "s", "tokensPerSecond": "tokens/s"}
APART = "what has to be loaded meanwhile"


def test_the_swift_package_measures_the_same_stages() -> None:
    text = (
        SWIFT.read_text(encoding="utf-8").partition("let definitions:")[2].partition("\n  ]\n")[0]
    )
    rows = re.findall(r'\("(\w+)", \.(\w+),((?:[\s+]*"[^"]*")+)', re.sub(r"\(\s+", "(", text))
    found = {name: (UNITS[unit], "".join(re.findall(r'"([^"]*)"', d))) for name, unit, d in rows}
    assert found.keys() == STAGES.keys() - {"preprocessing", "loading"}
    for name, (unit, definition) in found.items():
        assert unit == STAGES[name].unit
        # A picture of the package's counts its loads: the page says that it is measured otherwise.
        ours, theirs = (d.partition(APART)[0] for d in (STAGES[name].definition, definition))
        assert ours == theirs, name
        assert (definition != STAGES[name].definition) == (name == "image")


def test_loads_are_told_from_stages() -> None:
    assert load_of("load_cold_dit") == ("dit", "first load")
    assert load_of("load_warm_vae_decoder") == ("vae_decoder", "load again")
    assert load_of("cold_llm") == ("llm", "first call, with its load")
    assert not any(load_of(name) for name in STAGES)
    assert stage_title("dit_step") == "A step of the transformer"
    assert stage_title("of_another_program") == "of_another_program"


def test_cold_and_warm_say_what_they_are_on_a_runtime() -> None:
    runtimes = ("coreml", "mlx", "tensorrt", "mil")
    said = {load_definition(p, "dit", r) for p in ("load_cold_", "load_warm_") for r in runtimes}
    assert len(said) == 6  # loaded again is the same everywhere but on Core ML
    assert all("dit" in line for line in said)
