"""Real builds, as far as TensorRT-RTX goes without a GPU: parse, profiles, engine, stamp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import seal
from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.jetson import build, build_engine, engines
from mobileo_export.progress import Progress
from tests.jetson import bundles
from tests.process_tree import alive, assert_ended, children

pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu12 (no GPU is needed)")

WORKER = (sys.executable, "-m", "mobileo_export.jetson.build_process")
# What starts WORKER: it is sent a job, then waits for what never comes.
STARTS = """
import json, queue, sys
from mobileo_export.processes.worker import Worker, take
events = queue.Queue()
with Worker(json.loads(sys.argv[1]), lambda _, event: events.put(event)) as worker:
    worker.send(json.loads(sys.argv[2]))
    while event := take(events):
        print(json.dumps(event), flush=True)
"""


def test_a_bundle_is_built_kept_and_built_again_for_other_options(bundle: Path) -> None:
    events: list[Progress] = []
    outcomes = build.build(bundle, build.BuildOptions(), events.append)
    assert [outcome.status for outcome in outcomes] == ["built", "built"], outcomes
    stages = {event.stage for event in events if event.job == "mcp"}
    assert {"reading", "parsing", "building engine", "writing", "built"} <= stages
    assert all(0 <= event.done <= event.total for event in events)
    for outcome in outcomes:
        found = stamp.read(stamp.place(bundle / f"{outcome.engine.stem}.onnx"))
        assert found.target == build_engine.here()
        assert found.size == outcome.engine.stat().st_size > 1000
        assert found.sha256 == seal.digest(outcome.engine)
        (profile,) = found.options["profiles"]
        assert profile["shapes"]["x"][0][1] == 1
        assert profile["shapes"]["x"][2][1] == 9
        assert "[INFO]" in outcome.engine.with_suffix(".log").read_text()
    assert (stamp.folder(bundle) / build.TIMING_CACHE).is_file()
    again = build.build(bundle, build.BuildOptions(), events.append)
    assert [outcome.status for outcome in again] == ["kept", "kept"]
    other = build.build(bundle, build.BuildOptions(components=["dit"], tf32=True), events.append)
    assert other[0].detail == "was built with other options (tf32)"


def job(bundle: Path, **changes: Any) -> dict[str, Any]:
    planned = next(p for p in engines.engines(bundle) if p.name == "mcp")
    planned.where.engine.parent.mkdir(exist_ok=True)
    found = {
        **build.described(planned, build.BuildOptions()),
        "id": planned.name,
        "load": False,
        "onnx": str(planned.where.onnx),
        "engine": str(planned.where.engine),
        "partial": str(planned.where.partial),
        "timing_cache": str(planned.where.engine.with_name("timing.cache")),
        "workspace": 256 * build.MB,
        "capability": build_engine.REHEARSAL_CAPABILITY,
    }
    return {**found, **changes}


def test_a_device_that_this_tensorrt_does_not_know_is_named(bundle: Path) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt_rtx .* capability 9\.0, which is"):
        build_engine.build(job(bundle, capability="9.0"), lambda *_: None, lambda _: None)


def failing(bundle: Path) -> str:
    """Why the build of ``mcp`` fails."""
    options = build.BuildOptions(components=["mcp"])
    (outcome,) = build.build(bundle, options, lambda event: None)
    assert outcome.status == "failed"
    assert not outcome.engine.exists()
    assert not outcome.engine.with_name(outcome.engine.name + ".partial").exists()
    return outcome.detail


def test_a_damaged_graph_is_refused(bundle: Path) -> None:
    (bundle / "connector.onnx").write_bytes(b"\x08\x0a no graph at all")
    assert "lacks an operation of the graph" in failing(bundles.reseal(bundle))


def test_missing_weights_are_named(bundle: Path) -> None:
    (bundle / "connector.onnx.data").unlink()
    assert "connector.onnx.data is missing or damaged; copy the bundle again" in failing(
        bundles.reseal(bundle)
    )


def test_an_operation_that_tensorrt_lacks_is_named(bundle: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Det", ["x"], ["y"])],
        "det",
        [value("x", TensorProto.FLOAT, [1, 64, 64])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, bundle / "connector.onnx")
    (bundle / "connector.onnx.data").unlink()
    assert "lacks an operation of the graph (Det)" in failing(bundles.reseal(bundle))


def test_the_worker_ends_when_nobody_waits_for_it(bundle: Path, tmp_path: Path) -> None:
    """However its parent died."""
    endless = tmp_path / "endless.partial"
    os.mkfifo(endless)  # nobody reads it, so that writing does not return
    given = json.dumps(job(bundle, partial=str(endless)))
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS, json.dumps(WORKER), given],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    while (event := json.loads(parent.stdout.readline())).get("stage") != "writing":
        assert event["event"] == "progress", event
    (worker,) = children(parent.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        parent.wait(timeout=1)
    assert alive(worker)
    parent.kill()
    try:
        assert_ended([worker])
    finally:
        parent.wait()
        parent.stdout.close()


def test_what_the_worker_says_is_one_json_object_a_line(bundle: Path) -> None:
    """The libraries' own output goes to the log."""
    process = subprocess.Popen(
        [*WORKER, "--parent", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(job(bundle, onnx=str(bundle / "none.onnx"))) + "\n")
    process.stdin.flush()
    assert process.stderr is not None
    events = [json.loads(line) for line in process.stdout]
    assert process.wait(timeout=60) == 0
    said = process.stderr.read()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    assert [event["event"] for event in events] == ["progress", "failed"]
    assert "TensorRT cannot read the graph" in events[-1]["message"]
    assert "[ERROR]" in said


def test_loading_what_this_machine_cannot_run_is_an_error_in_words(bundle: Path) -> None:
    build.build(bundle, build.BuildOptions(components=["dit"]), lambda event: None)
    (planned,) = engines.engines(bundle, ["dit"])
    given = {"onnx": str(planned.where.onnx), "engine": str(planned.where.engine)}
    try:
        found = build_engine.load(given, lambda *progress: None, lambda line: None)
    except RuntimeUnavailableError as error:
        assert "TensorRT cannot load it" in str(error)  # noqa: PT017  # a GPU would load it
    else:
        assert len(found["scratch"]) == 1
