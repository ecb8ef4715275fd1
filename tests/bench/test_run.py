"""A bundle measured: on a Mac whose Core ML is faked, and on what this machine really has."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest

from mobileo_export import components, memory
from mobileo_export.bench import document, machine, results, tasks
from mobileo_export.bench.measurement import results_schema
from mobileo_export.bench.run import LOAD_ORDER, Bench, Settings
from mobileo_export.bench.stages import STAGES, load_of
from mobileo_export.bench.subject import BundleSubject
from mobileo_export.errors import BundleError, CheckFailedError, RuntimeUnavailableError, UsageError
from mobileo_export.pipelines.tokens import Streamer
from mobileo_export.processes.host import Host
from mobileo_export.runtimes.base import Session
from tests.exports import Exports

from . import devices
from .mac import THROTTLED, FakeMac

FEW = Settings(runs=2, warmups=1, image_runs=1, image_warmups=0, tokens=3, steps=2)
STILL = Host(Path("/nowhere"), lambda words: None)


def prepared(
    bundle: Path, settings: Settings = FEW, only: str | None = None, **named: Any
) -> Bench:
    chosen = components.select(only) if only else None
    named = {"runtime": "auto", "compute_units": None} | named
    return document.prepare(bundle, chosen=chosen, settings=settings, **named)


def measured(bench: Bench, host: Host = STILL) -> dict[str, Any]:
    """The document of a benchmark that is run to its end."""
    before = machine.reading(host)
    try:
        bench.run()
    finally:
        bench.components.close()
    found = document.measured_here(bench, host, before)
    jsonschema.validate(found, results_schema())
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [item["name"] for item in found["measurements"] if not load_of(item["name"])]


def test_on_a_mac(tiny_bundle: Path, mac: FakeMac, tmp_path: Path) -> None:
    found = measured(prepared(tiny_bundle), mac.host)
    assert found["runtime"] == "coreml, mlx"
    assert set(names(found)) == set(STAGES) - {"loading"}
    items = {item["name"]: item for item in found["measurements"]}
    for name, item in items.items():
        if not load_of(name) and name != "image":
            assert (len(item["values"]), item["warmups"]) == (2, 1), name
    for name in LOAD_ORDER:
        cold, warm = items[f"load_cold_{name}"], items[f"load_warm_{name}"]
        assert cold["definition"] != warm["definition"]
    assert "specialized" in items["load_cold_dit"]["definition"]
    assert "second start" in items["load_warm_dit"]["definition"]
    published = {
        name: item["published"]["mean"] for name, item in items.items() if item["published"]
    }
    assert published == {"vision_encoder": 56, "time_to_first_token": 187, "image": 4}
    # Each package once from its source and once from what that compiled.
    packages = [name for name, _ in mac.loaded]
    assert sorted(packages) == sorted(
        f"{part}.mlpackage{end}"
        for part in ("vision_encoder", "connector", "transformer", "vae_decoder")
        for end in ("", "c")
    )
    assert found["notes"] == []
    assert found["failures"] == []
    assert found["incomplete"] is None
    path = devices.write(tmp_path / "mac.json", found)
    assert results.read(path).content["machine"]["chip"] == "Apple M2 Pro"


def test_a_mac_says_what_it_is_and_how_it_was(
    tiny_bundle: Path, mac: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_ENABLE_TF32", "0")
    bench = prepared(tiny_bundle, only="vision_encoder,llm", compute_units="cpu_and_gpu")
    mac.change = lambda name, outputs: (
        mac.said.update({("pmset", "-g", "therm"): THROTTLED}) or outputs
    )
    found = measured(bench, mac.host)
    told = found["machine"]
    assert (told["model"], told["system"]) == ("Mac14,9", "macOS-26.1")
    assert (told["os_build"], told["memory"]) == ("25B78", 17179869184)
    assert found["settings"]["compute_units"] == {"vision_encoder": "cpu_and_gpu"}
    assert found["settings"]["runtimes"] == {"vision_encoder": "coreml", "llm": "mlx"}
    assert found["settings"]["mlx_tf32"] is False
    assert {units for _, units in mac.loaded} == {"CPU_AND_GPU"}
    seen = found["telemetry"]
    assert seen["before"]["thermal_state"] == "nominal"
    assert seen["after"]["thermal_state"] == "serious"
    assert found["notes"] == [
        "no run is set apart of vision_encoder, prefill, decode_rate, llm, time_to_first_token: "
        "the thermal state was serious in all of them, and nominal at the start",
        "the thermal state went from nominal to serious meanwhile",
    ]
    assert seen["before"]["battery"] == 0.83
    assert seen["before"]["power_source"] == "Battery Power"
    assert seen["by_stage"]["vision_encoder"] == mac.footprint / (1 << 20)
    assert seen["peak_footprint_mb"] == mac.footprint / (1 << 20) + 1
    monkeypatch.delenv("MLX_ENABLE_TF32")
    assert document.stated(bench)["mlx_tf32"] is True


def test_units_of_the_manifest_are_taken_and_stated(tiny_bundle: Path, mac: FakeMac) -> None:
    bench = prepared(tiny_bundle, only="mcp,dit")
    stated = document.stated(bench)["compute_units"]
    subject = bench.components.subject
    assert isinstance(subject, BundleSubject)
    content = subject.content["components"]
    assert stated == {n: content[n]["artifacts"][0]["compute_units"] for n in ("mcp", "dit")}


def test_what_is_not_finite_is_a_failure_and_no_figure(tiny_bundle: Path, mac: FakeMac) -> None:
    def broken(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        if name == "transformer":
            outputs["velocity"] = np.full_like(outputs["velocity"], np.nan)
        return outputs

    mac.change = broken
    found = measured(prepared(tiny_bundle), mac.host)
    (failure,) = found["failures"]
    assert failure.startswith("dit_step: not measured, dit: ")
    assert "numbers of velocity 1 are not finite" in failure
    assert not {"dit_step", "image", "loading"} & set(names(found))
    assert {"vision_encoder", "mcp", "vae_decoder", "decode_rate"} <= set(names(found))
    assert "image: not measured, without dit" in found["notes"]


def test_an_interrupt_keeps_the_runs_that_were_done(tiny_bundle: Path, mac: FakeMac) -> None:
    def interrupted(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        if name == "transformer" and mac.runs[name] == 2 * 3:  # two branches, the third run
            raise KeyboardInterrupt
        return outputs

    mac.change = interrupted
    bench = prepared(tiny_bundle)
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    bench.components.close()
    found = document.measured_here(bench, mac.host, machine.reading(mac.host))
    jsonschema.validate(found, results_schema())
    assert found["incomplete"] == "in dit_step, 1 of its 2 runs done"
    (last,) = (item for item in found["measurements"] if item["name"] == "dit_step")
    assert len(last["values"]) == 1
    assert "image" not in names(found)


def test_a_throttling_clock_is_said(
    tiny_bundle: Path, mac: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run of the transformer takes as long as the clock lets it: from the sixth on, longer."""
    now = [0.0]
    monkeypatch.setattr(tasks, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def slower(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        now[0] += (0.05 if mac.runs[name] <= 2 * 6 else 0.06) if name == "transformer" else 0.001
        return outputs

    mac.change = slower
    settings = Settings(runs=10, warmups=1, image_runs=1, tokens=1, steps=1)
    found = measured(prepared(tiny_bundle, settings, "mcp,dit"), mac.host)
    assert found["notes"] == [
        "dit_step: the second half of its runs was 20% slower than the first; a clock fell, or "
        "other work began"
    ]
    items = {item["name"]: item for item in found["measurements"]}
    assert items["dit_step"]["values"] == pytest.approx([100.0] * 5 + [120.0] * 5)
    assert items["mcp"]["values"] == pytest.approx([2.0] * 10)


@pytest.mark.parametrize(
    ("only", "stages", "said"),
    [
        (
            "mcp,dit,llm",
            {"prefill", "decode_rate", "llm", "mcp", "dit_step"},
            "the bundle has no vision_encoder and no vae_decoder",
        ),
        (
            "vision_encoder,mcp,dit,vae_decoder",
            {"vision_encoder", "mcp", "dit_step", "vae_decoder"},
            "the bundle has no llm",
        ),
    ],
)
def test_of_a_bundle_in_parts_the_rest_is_measured_and_named(
    tiny_checkpoint: Path, exported: Exports, only: str, stages: set[str], said: str
) -> None:
    found = measured(prepared(exported(tiny_checkpoint, only)))
    assert set(names(found)) == stages
    assert said in found["notes"]
    if "llm" in only:
        assert "image: not measured, without vae_decoder" in found["notes"]
        assert "time_to_first_token: not measured, without vision_encoder" in found["notes"]
    else:
        assert found["settings"]["prompt_tokens"] == 77


def test_here_it_is_called_by_name(tiny_bundle: Path, tiny_jetson: Path) -> None:
    found = measured(prepared(tiny_bundle, only="mcp,dit"))
    assert found["runtime"] == "mil"
    (note,) = found["notes"]
    assert note.startswith("run by mil on the processor: no measure of the device")
    assert not any(item["published"] for item in found["measurements"])
    assert found["telemetry"]["peak_footprint_mb"] > 50
    on_board = measured(prepared(tiny_jetson))
    assert on_board["runtime"] == "onnxruntime"
    assert set(names(on_board)) >= set(STAGES) - {"loading"}


def test_mlx_counts_its_own_memory(tiny_bundle: Path) -> None:
    pytest.importorskip("mlx")
    found = measured(prepared(tiny_bundle, only="llm"))
    assert found["runtime"] == "mlx"
    counted = found["telemetry"]["mlx_by_stage"]
    assert counted.keys() == {"loading", "prefill", "decode_rate", "llm"}
    weights = (tiny_bundle / "llm" / "model.safetensors").stat().st_size / (1 << 20)
    assert min(counted.values()) > 0.9 * weights
    assert found["telemetry"]["mlx_peak_mb"] == max(counted.values())


def test_without_memory_for_all_one_is_loaded_at_a_time(
    tiny_bundle: Path, mac: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: SimpleNamespace(bytes=1000))
    bench = prepared(tiny_bundle)
    assert not bench.components.keep
    found = measured(bench, mac.host)
    assert set(names(found)) == set(STAGES)
    packages = [name for name, _ in mac.loaded]
    assert packages.count("transformer.mlpackage") == 2  # measured, and drawn with
    items = {item["name"]: item for item in found["measurements"]}
    assert items["loading"]["values"][0] > 0


def test_a_model_that_says_nothing_is_timed_to_its_first_token(
    tiny_bundle: Path, mac: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Streamer, "push", lambda self, token: "")
    found = measured(prepared(tiny_bundle, only="vision_encoder,llm"), mac.host)
    assert "time_to_first_token" in names(found)
    assert found["notes"][0].startswith(
        "time_to_first_token: the model said nothing in 3 tokens; the time is that to its first"
    )


def test_the_language_model_alone_gives_what_is_not_finite(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = tasks.check

    def broken(component: str, found: Any) -> None:
        check(component, {k: v * np.nan if component == "llm" else v for k, v in found.items()})

    monkeypatch.setattr(tasks, "check", broken)
    found = measured(prepared(tiny_bundle))
    assert [line.split(":")[0] for line in found["failures"]] == ["prefill", "decode_rate", "llm"]
    assert "time_to_first_token: not measured, without llm" in found["notes"]


def test_what_cannot_run_is_said_before_anything_is_loaded(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    if sys.platform != "darwin":
        with pytest.raises(RuntimeUnavailableError, match="the coreml runtime needs macOS"):
            prepared(tiny_bundle, runtime="coreml")
    with pytest.raises(UsageError, match="does not execute"):
        prepared(tiny_bundle, runtime="tensorrt")
    with pytest.raises(UsageError, match="--compute-units all: goes with --runtime coreml only"):
        prepared(tiny_bundle, compute_units="all", runtime="mil")
    with pytest.raises(BundleError, match="not a bundle"):
        prepared(tmp_path)
    for wrong in (Settings(runs=0), Settings(warmups=-1), Settings(steps=0), Settings(tokens=0)):
        with pytest.raises(UsageError):
            prepared(tiny_bundle, wrong)


def test_only_what_counts_is_in_the_timed_part(
    tiny_bundle: Path, mac: FakeMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that only runs of an artifact move: a second each."""
    now = [0.0]
    monkeypatch.setattr(tasks, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def tick(name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        now[0] += 1.0
        return outputs

    mac.change = tick
    found = measured(prepared(tiny_bundle, only="vision_encoder,mcp,dit,vae_decoder"), mac.host)
    medians = {item["name"]: item["median"] for item in found["measurements"]}
    assert medians["vision_encoder"] == medians["vae_decoder"] == 1000
    assert medians["mcp"] == medians["dit_step"] == 2000  # both branches


class Longer:
    """A session whose run takes some tens of milliseconds: the engine runs again and again."""

    def __init__(self, session: Session, times: int) -> None:
        self.session, self.times = session, times

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        for _ in range(self.times - 1):
            self.session.run(inputs)
        return self.session.run(inputs)

    def close(self) -> None:
        self.session.close()


def stopwatch(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@pytest.mark.parametrize("bundle", ["tiny_bundle", "tiny_jetson"])
def test_a_stopwatch_around_run_gives_the_same(bundle: str, request: pytest.FixtureRequest) -> None:
    """In one process, turn about, so that other work meets both; the best of a few tries."""
    opened = prepared(request.getfixturevalue(bundle), only="dit").components
    signature = opened.subject.inputs("dit")
    inputs = components.random_inputs(signature, 1, 0, N=77, B=1)
    with opened.session("dit") as session:
        session.run(inputs)
        times = 1 + int(0.03 / stopwatch(lambda: session.run(inputs)))
        longer = Longer(session, times)
        once = tasks.stepping(longer, signature, 77, 1, 0)
        off = 1.0
        for _ in range(8):
            pairs = [(once(), stopwatch(lambda: longer.run(inputs))) for _ in range(9)]
            ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
            off = min(off, abs(ours / theirs - 1))
            if off < 0.1:
                break
    opened.close()
    assert off < 0.1


def test_what_is_not_finite_is_named() -> None:
    values = np.ones((2, 600), np.float32)
    tasks.check("dit", {"velocity": values})
    values[0, :3] = (np.nan, np.inf, -np.inf)
    with pytest.raises(CheckFailedError, match=r"dit: 3 of 1,200 numbers of velocity are not fin"):
        tasks.check("dit", {"velocity": values})
