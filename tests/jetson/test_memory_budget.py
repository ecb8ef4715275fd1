from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mobileo_export.artifacts.engine import stamp
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.jetson import engines, memory_budget
from mobileo_export.jetson.cli import options
from tests.jetson import bundles, recorded
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

MEMINFO = {"proc/meminfo": recorded.MEMINFO}  # 4.12 GB available


def test_what_a_run_takes(bundle: Path, tmp_path: Path) -> None:
    bundles.engines(bundle, FakeCuda())
    found = memory_budget.of(bundle, ("mcp", "dit"), recorded.host(tmp_path, MEMINFO, {}))
    mcp, dit = found.rows
    engine = stamp.place(bundle / "connector.onnx").engine
    assert mcp.weights == engine.stat().st_size
    assert mcp.scratch == 1000
    assert mcp.buffers == 2 * 2 * 9 * 64 * 4  # x and y, both sides
    assert dit.buffers == 2 * (2 * 9 * 4 * 4 + 4)
    assert found.peak == memory_budget.PROCESS + mcp.total
    assert found.fits
    assert found.together
    found.check()
    assert "mcp 0.00 GB, dit 0.00 GB; one at a time, 0.73 GB at most, 4.12 GB free" in options.line(
        found
    )


def test_the_largest_decides_not_the_sum(bundle: Path, tmp_path: Path) -> None:
    for where in bundles.engines(bundle, FakeCuda()):
        stamp.write(where, replace(stamp.read(where), scratch=(10**9, 2 * 10**9)))
    found = memory_budget.of(bundle, ("mcp", "dit"), recorded.host(tmp_path, MEMINFO, {}))
    assert found.fits
    assert not found.together  # 4 GB and the process
    assert found.as_json()["peak"] == found.peak


def test_too_little_memory_is_refused_with_figures(bundle: Path, tmp_path: Path) -> None:
    for where in bundles.engines(bundle, FakeCuda()):
        stamp.write(where, replace(stamp.read(where), scratch=(5 * 10**9,)))
    found = memory_budget.of(bundle, ("mcp",), recorded.host(tmp_path, MEMINFO, {}))
    message = r"mcp takes 5.73 GB with the process around it, 4.12 GB are free; .*--ignore-budget"
    with pytest.raises(UsageError, match=message):
        found.check()


def test_unknown_memory_and_unknown_scratch(bundle: Path, tmp_path: Path) -> None:
    for where in bundles.engines(bundle, FakeCuda()):
        stamp.write(where, replace(stamp.read(where), scratch=()))
    found = memory_budget.of(bundle, ("mcp",), recorded.host(tmp_path, {}, {}))
    assert found.rows[0].scratch is None
    found.check()
    assert not found.together


def test_engines_must_be_there(bundle: Path, tmp_path: Path) -> None:
    host = recorded.host(tmp_path, MEMINFO, {})
    with pytest.raises(BundleError, match="is not built yet"):
        memory_budget.of(bundle, ("mcp",), host)
    with pytest.raises(BundleError, match="has no llm"):
        memory_budget.of(bundle, ("llm",), host)


def test_plans_have_the_manifests_shapes(bundle: Path) -> None:
    mcp, dit = engines.engines(bundle)  # the largest first
    assert (mcp.name, dit.name) == ("mcp", "dit")
    assert mcp.size == sum((bundle / f"connector.onnx{s}").stat().st_size for s in ("", ".data"))
    assert mcp.profiles == (
        {"name": "default", "shapes": {"x": [[1, 1, 64], [1, 3, 64], [1, 9, 64]]}},
    )
    assert "count" not in dit.profiles[0]["shapes"]  # it does not vary
    needs = engines.needs((mcp, dit))
    assert needs.largest == "connector.onnx"
    assert needs.build_memory > 3 * mcp.size
