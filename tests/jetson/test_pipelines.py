"""The miniature's size of bundle through the board's code: engines are faked, nothing else is.

What the pipelines draw and answer over the ``tensorrt`` runtime must be what they do over ONNX
Runtime, bit for bit: both execute the same graphs with the same library here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from mobileo_export.bench import document, loaded, machine_peak, results, tasks
from mobileo_export.bench.measurement import results_schema
from mobileo_export.bench.run import LOAD_ORDER, Settings
from mobileo_export.bench.stages import STAGES, load_of
from mobileo_export.jetson import bench
from mobileo_export.jetson.tegrastats import Monitor
from mobileo_export.parity.cases import PROMPT
from mobileo_export.pipelines import generate
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from mobileo_export.runtimes import select
from mobileo_export.runtimes.base import Session
from mobileo_export.runtimes.tensorrt import libcudart, library
from tests.runtimes.tensorrt import fake_tensorrt
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

from . import bundles, recorded
from .test_cli import Command

PHOTO = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def copied(tiny_jetson: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with fake engines beside it."""
    folder = shutil.copytree(tiny_jetson, tmp_path_factory.mktemp("board") / "bundle")
    bundles.engines(folder, FakeCuda())
    return folder


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """A board's software on fakes."""
    cuda = FakeCuda()
    monkeypatch.setattr(library, "load", lambda: fake_tensorrt.library(cuda))
    monkeypatch.setattr(libcudart, "load", lambda: cuda)
    return cuda


def test_draws_edits_and_answers_as_onnxruntime_does(copied: Path, cuda: FakeCuda) -> None:
    found = {
        runtime: bundles.works(copied, runtime, PHOTO) for runtime in ("onnxruntime", "tensorrt")
    }
    for expected, given in zip(found["onnxruntime"], found["tensorrt"], strict=True):
        np.testing.assert_array_equal(given, expected)
    assert cuda.calls.count("launch") > 5  # the DiT's steps and decoding run as graphs
    assert cuda.leaks() == []


def test_components_are_in_memory_one_at_a_time(copied: Path, cuda: FakeCuda) -> None:
    peaks: list[int] = []
    with open_model(str(copied), "tensorrt") as model:
        load = model.open_component

        def loaded(name: str) -> object:
            peaks.append(cuda.in_use())
            return load(name)

        model.open_component = loaded  # type: ignore[assignment]
        generate.generate(model, "a red circle", Drawing.of(model.recipe, 1))
    assert peaks == [0, 0, 0, 0]


def test_the_program_draws_and_answers(
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    jetson = Command(monkeypatch, capsys)
    cuda = FakeCuda()
    jetson.on_board(cuda)
    picture = tmp_path / "drawn.png"
    found = jetson("generate", copied, "a red circle", "-o", picture, "--steps", "1")
    assert found.code == 0, found.err
    assert found.out.startswith(f"wrote {picture}")
    assert found.err.startswith("memory: llm ")
    assert "one at a time" in found.err
    photo = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(photo)
    found = jetson("ask", copied, photo, "what is it?", "--max-new-tokens", "3", "--json")
    assert found.code == 0, found.err
    assert len(json.loads(found.out)["token_ids"]) == 3
    changed = tmp_path / "edited.png"
    found = jetson("edit", copied, photo, "make it blue", "-o", changed, "--steps", "1", "--quiet")
    assert (found.code, found.err) == (0, "")
    assert changed.is_file()
    found = jetson("verify", copied)
    assert found.code == 0, found.err
    assert cuda.leaks() == []


@pytest.mark.parametrize("resident", [True, False])
def test_bench_measures_the_papers_table(
    copied: Path, cuda: FakeCuda, tmp_path: Path, resident: bool
) -> None:
    settings = Settings(runs=2, warmups=1, image_runs=2, image_warmups=1, tokens=2, steps=1, seed=1)
    host = recorded.host(tmp_path, recorded.SUPER_FILES, recorded.SUPER_COMMANDS)
    monitor = Monitor(("echo", recorded.TEGRASTATS_36))
    found = bench.bench(
        copied, "tensorrt", settings, resident=resident, host=host, monitor=lambda: monitor
    )
    jsonschema.validate(json.loads(json.dumps(found)), results_schema())
    loads = [f"load_{kind}_{name}" for name in LOAD_ORDER for kind in ("cold", "warm")]
    every = [item["name"] for item in found["measurements"]]
    assert [name for name in every if load_of(name)] == loads
    stages = set(STAGES) - ({"loading"} if resident else set())
    assert {name for name in every if not load_of(name)} == stages
    for item in found["measurements"]:
        if load_of(item["name"]):
            continue
        assert len(item["values"]) == 2
        assert item["warmups"] == 1
        assert min(item["values"]) > 0
        assert item["min"] <= item["median"] <= item["p95"] <= item["max"]
    paper = {i["name"]: i["published"]["mean"] for i in found["measurements"] if i["published"]}
    assert paper == {"vision_encoder": 88, "time_to_first_token": 488, "image": 4}
    assert found["machine"]["l4t"] == "36.4.7"
    assert found["machine"]["power_mode"] == "25W"
    assert found["machine"]["tensorrt"] == "10.3.0.30-1+cuda12.5"
    assert found["telemetry"]["ram_peak"] == 3645
    assert found["settings"]["steps"] == 1
    assert found["notes"] == []
    assert found["incomplete"] is None
    assert cuda.leaks() == []


@pytest.mark.usefixtures("cuda")
def test_loading_is_not_part_of_a_picture(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only loading moves, looks at it excepted."""
    now = [0.0]

    def look() -> float:
        now[0] += 1e-6
        return now[0]

    clock = SimpleNamespace(perf_counter=look)
    monkeypatch.setattr(tasks, "time", clock)
    monkeypatch.setattr(loaded, "time", clock)
    load = select.load_artifact

    def slow(*arguments: Any) -> Session:
        now[0] += 100.0
        return load(*arguments)

    monkeypatch.setattr(select, "load_artifact", slow)
    settings = Settings(runs=1, warmups=0, image_runs=2, image_warmups=1, tokens=1, steps=1)
    measured = document.prepare(copied, "tensorrt", None, None, settings, keep=False)
    measured.run()
    found = {item.name: item for item in measured.measurements}
    assert found["image"].values == pytest.approx((0.0, 0.0), abs=1e-4)
    assert found["loading"].values == pytest.approx((400.0, 400.0))
    assert found["load_cold_dit"].values == pytest.approx((100.0,))
    assert found["load_warm_dit"].values == pytest.approx((100.0,))


def test_an_interrupt_on_the_board_keeps_what_was_measured(
    copied: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "stepping", interrupted)
    settings = Settings(runs=1, warmups=0, tokens=1)
    kept: list[dict[str, Any]] = []
    with pytest.raises(KeyboardInterrupt):
        bench.bench(copied, "tensorrt", settings, resident=True, cut_short=kept.append)
    (found,) = kept
    jsonschema.validate(found, results_schema())
    assert found["incomplete"] == "in the loading of dit"
    assert "vision_encoder" in {item["name"] for item in found["measurements"]}
    assert cuda.leaks() == []


def test_bench_as_a_program(
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    peak = machine_peak.MachinePeak(1e12, 1e11)  # is measured in two seconds
    monkeypatch.setattr(machine_peak, "measure", lambda: peak)
    jetson = Command(monkeypatch, capsys)
    output = tmp_path / "result.json"
    few = [
        "--runs",
        "1",
        "--warmups",
        "0",
        "--image-runs",
        "1",
        "--image-warmups",
        "0",
        "--tokens",
        "1",
        "--steps",
        "1",
    ]
    found = jetson("bench", copied, "--runtime", "onnxruntime", "-o", output, *few, "--quiet")
    assert found.code == 0, found.err
    rows = [line.split() for line in found.out.splitlines()]
    table = {row[0]: row for row in rows if row}
    assert table["vision_encoder"][-3:] == ["88", "±", "7"]
    assert table["image"][-3:] == ["4", "±", "0.6"]
    assert "no memory, power or temperature" in found.err
    assert "not replayed" in found.out
    jsonschema.validate(json.loads(output.read_text()), results_schema())
    stated = results.read(output).content["settings"]
    assert (stated["prompt"], stated["guidance"]) == (PROMPT, 1.5)
    assert jetson("bench", copied, "--runs", "0").code == 2
