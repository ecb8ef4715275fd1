"""How builds are managed: what is built, kept, refused, and what is left when they fail."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mobileo_export.artifacts.engine import stamp
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.jetson import build, engines
from mobileo_export.processes.host import Host
from mobileo_export.progress import Progress
from tests.runtimes.tensorrt import graphs

from . import bundles, recorded

TARGET = stamp.Target("tensorrt", "10.3.0", "8.7")
ROOT = Path(__file__).parents[2]


def tools(kind: str, host: Host | None = None, target: stamp.Target = TARGET) -> build.Builder:
    worker = (sys.executable, str(Path(__file__).with_name("workers.py")), kind)
    return build.Builder(host or Host(), lambda: target, worker)


def run(
    bundle: Path, kind: str, options: build.BuildOptions | None = None, **changes: object
) -> dict[str, build.BuildOutcome]:
    how = replace(tools(kind), **changes)  # type: ignore[arg-type]
    outcomes = build.build(bundle, options or build.BuildOptions(), lambda event: None, how)
    return {outcome.name: outcome for outcome in outcomes}


def statuses(found: dict[str, build.BuildOutcome]) -> dict[str, str]:
    return {name: outcome.status for name, outcome in found.items()}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where python -m finds the workers


def test_what_fits_is_kept_and_what_does_not_is_built_with_the_reason(bundle: Path) -> None:
    first = run(bundle, "builds")
    assert statuses(first) == {"mcp": "built", "dit": "built"}
    assert {outcome.detail for outcome in first.values()} == {"not built yet"}
    assert statuses(run(bundle, "killed")) == {"mcp": "kept", "dit": "kept"}  # none is started

    where = engines.engines(bundle)[0].where
    newer = replace(TARGET, version="10.16.2")
    found = run(bundle, "builds", target=lambda: newer)
    assert "was built with TensorRT 10.3.0 on compute capability 8.7, here is TensorRT 10.16.2" in (
        found["mcp"].detail
    )
    found = run(bundle, "builds", build.BuildOptions(level=5), target=lambda: newer)
    assert found["mcp"].detail == "was built with other options (level)"
    assert statuses(run(bundle, "builds", build.BuildOptions(force=True))) == {
        "mcp": "built",
        "dit": "built",
    }

    where.engine.write_bytes(b"ENGI")
    found = run(bundle, "builds")
    assert statuses(found) == {"mcp": "built", "dit": "kept"}
    assert "is 4 bytes, 6 were written" in found["mcp"].detail
    where.stamp.write_text("{}", encoding="utf-8")
    assert "cannot be read" in run(bundle, "builds")["mcp"].detail
    where.stamp.unlink()
    assert run(bundle, "builds")["mcp"].detail == "not built yet"
    graphs.matmul(bundle / "connector.onnx", rows=32)
    bundles.reseal(bundle)
    assert run(bundle, "builds")["mcp"].detail == "was built from another connector.onnx"


def test_what_a_profile_needs_is_in_the_stamp(bundle: Path) -> None:
    run(bundle, "builds")
    assert {stamp.read(engine.where).scratch for engine in engines.engines(bundle)} == {(10,)}


def test_an_engine_that_does_not_load_is_a_failure_and_kept(bundle: Path) -> None:
    found = run(bundle, "does-not-load")
    assert statuses(found) == {"mcp": "failed", "dit": "failed"}
    assert found["mcp"].detail.startswith("is built, but does not load now: memory ran out; end")
    assert statuses(run(bundle, "killed")) == {"mcp": "kept", "dit": "kept"}
    assert stamp.read(engines.engines(bundle)[0].where).scratch == ()


def test_one_component_alone(bundle: Path) -> None:
    assert statuses(run(bundle, "builds", build.BuildOptions(components=["dit"]))) == {
        "dit": "built"
    }
    with pytest.raises(UsageError, match="has no llm; choose from"):
        run(bundle, "builds", build.BuildOptions(components=["llm"]))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "killed",
            r"its process was killed \(signal 9\), not by the kernel for want of memory; run",
        ),
        ("memory", "memory ran out; end the desktop"),
        ("crash", r"TensorRT crashed \(signal 11\); try --level 1"),
        ("tactic", r"TensorRT has no kernel for \{ForeignNode\[layer.0/Mul...layer.3/Add\]"),
        ("operator", r"this TensorRT lacks an operation of the graph \(Attention\); export the"),
        ("assertion", "TensorRT failed an assertion of its own"),
        ("silence", "the log does not say why"),
        ("disk", "the disk is full; free some space"),
        ("cut", "the log does not say why"),
    ],
)
def test_a_failure_is_explained_and_leaves_nothing_half_written(
    bundle: Path, kind: str, message: str
) -> None:
    import re

    found = run(bundle, kind)
    assert statuses(found) == {"mcp": "failed", "dit": "failed"}  # the other one was tried too
    for outcome in found.values():
        assert re.match(message, outcome.detail), outcome.detail
        log = outcome.engine.with_suffix(".log")
        assert str(log) in outcome.detail
        assert log.is_file()
    left = {path.suffix for path in stamp.folder(bundle).iterdir()}
    assert left <= {".log", ""}, left  # "" is the lock
    assert statuses(run(bundle, "builds")) == {"mcp": "built", "dit": "built"}


def test_the_language_model_is_told_to_be_split(bundle: Path) -> None:
    from mobileo_export.jetson import build_diagnosis

    planned = replace(engines.engines(bundle)[0], component="llm", name="llm", precision="float16")
    assert "--layers-per-engine 8" in build_diagnosis.of(planned, "", -9, ran_out=True).remedy
    half = build_diagnosis.of(planned, "Could not find any implementation for node x.", 0)
    assert half.remedy == "export a bundle with --only llm --precision float32 and build that"
    other = replace(planned, component="dit", name="dit")
    assert "--workspace 256" in build_diagnosis.of(other, "out of memory", 0).remedy


def test_a_kill_is_want_of_memory_only_where_the_kernel_says_so(bundle: Path) -> None:
    from mobileo_export.jetson import build_diagnosis

    planned = engines.engines(bundle)[0]
    said = {
        known: build_diagnosis.of(planned, "", -9, known).cause for known in (True, False, None)
    }
    assert said[True] == "its process was killed because memory ran out"
    assert said[False].endswith("not by the kernel for want of memory")
    assert said[None].endswith("if it was for want of memory")


def test_a_bundle_that_was_copied_wrong_is_not_built(bundle: Path) -> None:
    data = bundle / "connector.onnx.data"
    raw = bytearray(data.read_bytes())
    raw[100] ^= 1
    data.write_bytes(raw)
    found = run(bundle, "builds")
    assert statuses(found) == {"mcp": "failed", "dit": "built"}
    assert found["mcp"].detail == f"{data}: is not as it was sealed; copy the bundle again"


def test_an_interrupt_ends_the_worker_and_keeps_what_was_built(bundle: Path) -> None:
    run(bundle, "builds", build.BuildOptions(components=["mcp"]))
    partial = next(p for p in engines.engines(bundle) if p.name == "dit").where.partial
    program = (
        "import sys; from pathlib import Path; from mobileo_export.jetson import build; "
        "from tests.jetson.test_build import tools; "
        f"build.build(Path({str(bundle)!r}), build.BuildOptions(), lambda e: None, tools('hangs'))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    pid_file = Path(str(partial) + ".pid")
    pid = _wait_for(pid_file)
    process.send_signal(signal.SIGKILL)  # not even our own clean-up runs
    process.communicate()
    shutil.rmtree(stamp.folder(bundle) / "none", ignore_errors=True)
    os.kill(pid, 0)  # this worker does not look; the real one does, see test_worker
    os.kill(pid, signal.SIGKILL)
    assert statuses(run(bundle, "builds")) == {"mcp": "kept", "dit": "built"}


def test_leaving_the_block_ends_the_worker(bundle: Path) -> None:
    partial = next(p for p in engines.engines(bundle) if p.name == "mcp").where.partial

    def stop(event: Progress) -> None:
        if event.stage == "building engine":
            _wait_for(Path(str(partial) + ".pid"))
            raise SystemExit(130)

    with pytest.raises(SystemExit):
        build.build(bundle, build.BuildOptions(), stop, tools("hangs"))
    pid = int(Path(str(partial) + ".pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_two_builds_at_once_are_refused(bundle: Path) -> None:
    folder = stamp.folder(bundle)
    folder.mkdir()
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another build is running; wait for it"):
            run(bundle, "builds")


def test_too_small_a_disk_is_refused_before_any_work(bundle: Path) -> None:
    host = Host(disk_free=lambda path: 1000)
    with pytest.raises(UsageError, match=r"1\.0 kB free, the engines take about 18\.5 kB; free"):
        run(bundle, "killed", host=host)
    run(bundle, "builds")
    assert statuses(run(bundle, "killed", host=host)) == {"mcp": "kept", "dit": "kept"}


def test_a_full_disk_while_the_stamp_is_written(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(stamp, "write", full)
    found = run(bundle, "builds")
    assert statuses(found) == {"mcp": "failed", "dit": "failed"}
    assert not list(stamp.folder(bundle).glob("*.engine"))


def test_a_bundle_for_another_target_is_refused(bundle: Path) -> None:
    import json

    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    for entry in content["components"].values():
        entry["artifacts"][0] |= {"target": "ios", "kind": "mlpackage"}
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="is a bundle for ios; make one for the board"):
        run(bundle, "builds")


def test_workspace_follows_free_memory(bundle: Path, tmp_path: Path) -> None:
    engine = replace(engines.engines(bundle)[0], size=10**9)

    def of(available: int) -> int:
        text = recorded.MEMINFO.replace("4023972", str(available // 1024))
        return build.workspace(engine, recorded.host(tmp_path, {"proc/meminfo": text}, {}))

    assert of(4 * 10**9) == pytest.approx(4 * 10**9 - engines.build_memory(engine), abs=2048)
    assert of(2 * 10**9) == 256 * build.MB  # less builds nothing
    assert of(60 * 10**9) == 2048 * build.MB  # below what L4T 36.4.7 refuses
    assert build.workspace(engine, recorded.host(tmp_path / "none", {}, {})) == 256 * build.MB


def _wait_for(path: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.is_file() and path.read_text().isdigit():
            return int(path.read_text())
        threading.Event().wait(0.02)
    raise AssertionError(f"{path} did not appear")
