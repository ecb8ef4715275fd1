"""Results that devices wrote: benchmarks and self-tests, read and held to their schemas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.bench.measurement import (
    FORMAT,
    FORMAT_VERSIONS,
    Measurement,
    fingerprint,
    results_schema,
)
from mobileo_export.bundle import schema
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SELF_TEST, SELF_TEST_VERSION = "mobileo-selftest", 1
_VERSIONS = {FORMAT: FORMAT_VERSIONS, SELF_TEST: (SELF_TEST_VERSION,)}
_FLOORS = {"psnr", "finite"}  # more is better
_LARGEST = 1 << 26  # bytes; a self-test at full size has some hundred thousand


@dataclass(frozen=True)
class DeviceResult:
    """One file: a benchmark or a self-test, which its ``format`` says."""

    path: Path
    content: Mapping[str, Any]

    @property
    def is_self_test(self) -> bool:
        """Whether it is a self-test; otherwise a benchmark."""
        return bool(self.content["format"] == SELF_TEST)


def self_test_schema() -> schema.Schema:
    """The JSON Schema (2020-12) of a self-test's report."""
    return schema.published("mobileo_export.bench", "selftest.schema.json")


def read(path: Path) -> DeviceResult:
    """The result in ``path``.

    Raises:
        UsageError: there is none, it is no result of ours or of another version, or it does not fit
            its schema: one line that names the first thing that is wrong.
    """
    try:
        content = json_file.load(path, constants=False, limit=_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path}: no such file; name results of a benchmark or self-test"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"{path}: cannot be read as JSON ({error}); take it again") from None
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, str) or found not in _VERSIONS:
        raise UsageError(
            f"{path}: neither a benchmark nor a self-test (its format is not {FORMAT} or "
            f"{SELF_TEST}); name what a device wrote"
        )
    version = content.get("format_version")
    if version not in _VERSIONS[found]:
        raise UsageError(
            f"{path}: format_version {version!r}, this release reads "
            f"{' and '.join(map(str, _VERSIONS[found]))}; use the release that made it"
        )
    problem = _self_test_problem(content) if found == SELF_TEST else _bench_problem(content)
    if problem:
        raise UsageError(
            f"{path}: {problem}; it was changed, or made by another program: take it again"
        )
    return DeviceResult(path, content)


def _self_test_problem(content: Mapping[str, Any]) -> str | None:
    """The first thing that keeps ``content`` from being a self-test."""
    found = schema.first_problem(content, self_test_schema(), "the result")
    return found or next(_contradictions(content), None)


def _bench_problem(content: Mapping[str, Any]) -> str | None:
    """The first thing that keeps ``content`` from being a benchmark, or the self-test in it one."""
    if not {"bundle", "checkpoint"} & content.keys():
        return "the result has no bundle and no checkpoint"
    found = schema.first_problem(content, results_schema(), "the result")
    found = found or next(_wrong_summaries(content), None)
    tested = content.get("self_test") if found is None else None
    if tested is None:
        return found
    found = _self_test_problem(tested)
    measured = content.get("bundle") or {}
    if found is None and tested["bundle"]["manifest_sha256"] != measured.get("manifest_sha256"):
        found = "bundle is not that of the benchmark"
    return f"its self-test: {found}" if found else None


def _wrong_summaries(content: Mapping[str, Any]) -> Iterator[str]:
    """Figures of a benchmark that its values do not give, and a checkpoint's fingerprint."""
    checkpoint = content.get("checkpoint")
    if checkpoint and checkpoint["fingerprint"] != fingerprint(checkpoint["tensors_sha256"]):
        yield "checkpoint.fingerprint is not that of its tensors_sha256"
    names = [item["name"] for item in content["measurements"]]
    if len(names) != len(set(names)):
        yield "measurements has a name twice"
    for index, item in enumerate(content["measurements"]):
        values, apart = tuple(map(float, item["values"])), tuple(item.get("apart", ()))
        if len(set(apart)) != len(apart) or not set(apart) < set(range(len(values))):
            yield f"measurements[{index}].apart is {list(apart)}, of {len(values)} values"
            continue
        again = Measurement("", "", "", values, 0, apart=apart).as_json()
        for key in ("mean", "deviation", "median", "p95", "min", "max"):
            found, expected = item[key], again[key]
            if found is None or expected is None:
                same = found == expected
            else:
                same = math.isclose(found, expected, rel_tol=2e-5, abs_tol=1e-12)
            if not same:
                yield f"measurements[{index}].{key} is {found}, its values give {expected}"


def _contradictions(content: Mapping[str, Any]) -> Iterator[str]:
    """Verdicts of a self-test that its rows do not give."""
    names = [item["name"] for item in content["components"]]
    if len(names) != len(set(names)):
        yield "components has a name twice"
    every = []
    for index, component in enumerate(content["components"]):
        at = f"components[{index}]"
        for place, row in enumerate(component["rows"]):
            if row["passed"] != holds(row):
                yield f"{at}.rows[{place}].passed is {row['passed']}, its value says otherwise"
        good = not component["problems"] and bool(component["rows"])
        every.append(good and all(row["passed"] for row in component["rows"]))
        if component["passed"] != every[-1]:
            yield f"{at}.passed is {component['passed']}, its rows say otherwise"
    if content["passed"] != (all(every) and not content["checks"]["failed"]):
        yield f"passed is {content['passed']}, its components and checks say otherwise"
    if content["passed"] == bool(content["failures"]):
        yield f"failures has {len(content['failures'])} lines, passed is {content['passed']}"


def holds(row: Mapping[str, Any]) -> bool:
    """Whether a row of a self-test is within its bound."""
    value, bound = float(row["value"]), float(row["bound"])
    return value >= bound if row["metric"] in _FLOORS else value <= bound


def strain(row: Mapping[str, Any]) -> float:
    """How much of a row's bound is used up: 1 at the bound, more where it does not hold.

    Of decibels, the error's share of what the bound allows.
    """
    value, bound = float(row["value"]), float(row["bound"])
    if math.isnan(value):
        return math.inf
    if row["metric"] == "finite":
        return 0.0 if value >= bound else math.inf
    if row["metric"] == "psnr":
        return 0.0 if value == math.inf else _power((bound - value) / 20)
    if bound == 0:
        return 0.0 if value == 0 else math.inf
    return value / bound


def _power(exponent: float) -> float:
    return math.inf if exponent > 300 else 10.0**exponent
