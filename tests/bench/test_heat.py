"""Runs under another thermal state than the first are set apart: a simulated one changes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from mobileo_export.bench import page, results, tasks
from mobileo_export.bench.comparison import compare
from mobileo_export.bench.heat import ThermalWatch
from mobileo_export.bench.measurement import Measurement, results_schema
from mobileo_export.bench.run import Settings
from mobileo_export.errors import UsageError

from . import devices
from .mac import NOMINAL, THROTTLED, FakeMac
from .test_run import measured, prepared

THERM = ("pmset", "-g", "therm")


def watched(states: list[str | None], seconds: float, runs: int) -> ThermalWatch:
    """A stage whose runs take ``seconds`` each; of ``states`` one is told at each reading."""
    now = [0.0]
    watch = ThermalWatch(lambda: states.pop(0) if len(states) > 1 else states[0], lambda: now[0])
    watch.begin()
    watch.stage()
    for run in range(runs):
        now[0] += seconds
        watch.done(run + 1)
    return watch


@pytest.mark.parametrize(
    ("states", "seconds", "apart"),
    [
        (["nominal"], 2.0, ()),
        ([None], 2.0, ()),
        # First, before the stage, behind each run: that in which it changed is apart too.
        (["nominal"] * 4 + ["fair"], 2.0, (2, 3, 4)),
        (["nominal", "nominal", "nominal", "fair", "nominal"], 2.0, (1, 2)),
        (["nominal", "fair", "nominal"], 2.0, (0,)),
        (["nominal", "fair"], 2.0, (0, 1, 2, 3, 4)),
        (["nominal", "nominal", None, "nominal"], 2.0, (0, 1)),
        # Runs between two readings are told by both: here behind the second and the fourth.
        (["nominal", "nominal", "nominal", "serious"], 0.6, (2, 3, 4)),
        (["nominal", "nominal", "serious"], 0.1, (0, 1, 2, 3, 4)),  # at the end alone
    ],
)
def test_what_is_apart(states: list[str | None], seconds: float, apart: tuple[int, ...]) -> None:
    assert watched(states, seconds, 5).apart(5) == apart


def test_a_machine_that_tells_nothing_is_asked_once() -> None:
    asked: list[int] = []
    watch = ThermalWatch(lambda: asked.append(1))
    watch.begin()
    watch.stage()
    watch.done(1)
    assert watch.apart(1) == ()
    assert len(asked) == 1


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock that runs of a stage are timed by."""
    now = [0.0]
    monkeypatch.setattr(tasks, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return now


def test_runs_of_a_machine_that_got_warm_do_not_count(
    tiny_bundle: Path, mac: FakeMac, now: list[float], tmp_path: Path
) -> None:
    """The third and fourth of six runs are throttled; in the fifth the state changes back."""

    def throttled(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        hot = mac.runs[name] in {7, 8, 9, 10}  # two branches a run, behind a warm-up
        mac.said[THERM] = THROTTLED if hot else NOMINAL
        now[0] += 20 if hot else 10
        return outputs

    mac.change = throttled
    settings = Settings(runs=6, warmups=1, image_runs=1, tokens=1, steps=1)
    bench = prepared(tiny_bundle, settings, "dit")
    bench.heat.clock = lambda: now[0]
    found = measured(bench, mac.host)
    (item,) = (item for item in found["measurements"] if item["name"] == "dit_step")
    assert item["values"] == [20e3, 20e3, 40e3, 40e3, 20e3, 20e3]
    assert item["apart"] == [2, 3, 4]
    assert (item["mean"], item["max"], item["deviation"]) == (20e3, 20e3, 0)
    assert found["format_version"] == 2
    assert found["notes"] == [
        "dit_step: 3 of 6 runs are set apart, its figures are without them: the thermal state was "
        "serious, and nominal at the start"
    ]
    read = results.read(devices.write(tmp_path / "mac.json", found))
    compared = compare([read])
    assert "3 runs of 6" in page.render(compared)
    said = "A step of the transformer: 3 of 6 runs are set apart, under another thermal state"
    assert any(said in line for line in compared.differences)


def test_a_stage_that_was_warm_all_through_keeps_its_runs_and_says_so(
    tiny_bundle: Path, mac: FakeMac, now: list[float]
) -> None:
    def warm(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        mac.said[THERM] = THROTTLED
        now[0] += 10
        return outputs

    mac.change = warm
    settings = Settings(runs=2, warmups=1, image_runs=1, tokens=1, steps=1)
    bench = prepared(tiny_bundle, settings, "mcp,dit")
    bench.heat.clock = lambda: now[0]
    found = measured(bench, mac.host)
    assert found["format_version"] == 1
    assert found["notes"] == [
        "no run is set apart of mcp, dit_step: the thermal state was serious in all of them, and "
        "nominal at the start",
        "the thermal state went from nominal to serious meanwhile",
    ]


def test_figures_are_of_the_runs_that_count() -> None:
    item = Measurement("image", "s", "", (1.0, 9.0, 3.0, 7.0), 0, apart=(1, 3)).as_json()
    assert (item["mean"], item["median"], item["min"], item["max"]) == (2, 2, 1, 3)
    assert item["values"] == [1, 9, 3, 7]
    assert "apart" not in Measurement("image", "s", "", (1.0,), 0).as_json()


@pytest.mark.parametrize("apart", [[0, 0], [3], [0, 1, 2]])
def test_what_cannot_be_set_apart_is_refused(tmp_path: Path, apart: list[int]) -> None:
    content = devices.phone(format_version=2)
    content["measurements"][0]["apart"] = apart
    jsonschema.validate(content, results_schema())
    with pytest.raises(UsageError, match=r"measurements\[0\]\.apart is .*, of 3 values"):
        results.read(devices.write(tmp_path / "a.json", content))
