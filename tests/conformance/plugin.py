"""The pytest plug-in: installs the device, counts results by operation."""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .device import Device

DEVICE = Device()
RESULTS = "MOBILEO_CONFORMANCE_RESULTS"
EVERY = "MOBILEO_CONFORMANCE_EVERY"
EXCLUDE = "MOBILEO_CONFORMANCE_EXCLUDE"


# Where coremltools compares predictions, in its testing_utils.
_COMPARISONS = {"compare_backend", "compare_shapes", "run_core_ml_predict"}


class _Census:
    """Results by operation, and by kind of result."""

    def __init__(self) -> None:
        self.by_op: dict[str, Counter[str]] = defaultdict(Counter)
        self.totals: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []

    def add(self, outcome: str, kinds: set[str]) -> None:
        self.totals[outcome] += 1
        for kind in kinds:
            self.by_op[kind][outcome] += 1


_CENSUS = _Census()


def pytest_configure() -> None:
    """Replace the framework before any test module binds it."""
    DEVICE.install()


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Keep one test in N of every test function, if asked to."""
    every = int(os.environ.get(EVERY, "1"))
    exclude = [word for word in os.environ.get(EXCLUDE, "").split(",") if word]
    seen: Counter[str] = Counter()
    kept: list[Any] = []
    dropped: list[Any] = []
    for item in items:
        name = item.nodeid.split("[")[0]
        skip = any(word in item.nodeid for word in exclude)
        (dropped if skip or seen[name] % every else kept).append(item)
        seen[name] += not skip
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """Give each test its own random numbers, whatever ran before it."""
    np.random.seed(zlib.crc32(item.nodeid.encode()))  # noqa: NPY002 - the tests use this one
    DEVICE.reset()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    """Sort each result by what it says about the evaluator."""
    report = (yield).get_result()
    if report.when != "call" and not report.skipped:
        return
    if report.skipped:
        outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        _CENSUS.add(outcome, set())
        return
    if report.passed:
        _CENSUS.add("passed" if DEVICE.predictions else "passed without running", DEVICE.kinds)
        return
    error = call.excinfo.value
    frames = call.excinfo.traceback
    outcome = "failed"
    if type(error).__name__ == "RuntimeUnavailableError":
        outcome = "unsupported"
    elif DEVICE.half and "precision='fp32'" in item.nodeid and "Not equal to tol" in str(error):
        # The test types its values as half and compares them at the tolerance of float32.
        outcome = "half at float32 tolerance"
    elif isinstance(error, AssertionError) and not _COMPARISONS & {e.name for e in frames}:
        # No comparison of predictions failed, but a check of something else.
        _CENSUS.add("failed another assertion", set())
        _CENSUS.problems.append((item.nodeid, _one_line("failed another assertion", error)))
        return
    _CENSUS.add(outcome, DEVICE.kinds)
    _CENSUS.problems.append((item.nodeid, _one_line(outcome, error)))


def _one_line(outcome: str, error: BaseException) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{outcome}: {type(error).__name__}: {reason[:200]}"


def pytest_sessionfinish() -> None:
    """Write the census where the caller asked for it."""
    path = os.environ.get(RESULTS)
    if path:
        content = {
            "totals": _CENSUS.totals,
            "by_op": _CENSUS.by_op,
            "problems": sorted(_CENSUS.problems),
        }
        Path(path).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
