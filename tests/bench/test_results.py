"""Results of devices are read if they fit their schema and themselves, and refused in one line."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobileo_export.bench import results
from mobileo_export.bench.measurement import results_schema
from mobileo_export.errors import UsageError

from . import devices

Change = Callable[[dict[str, Any]], Any]


def test_what_the_swift_program_writes_is_read() -> None:
    for path, schema, tested in (
        (devices.SWIFT_BENCH, results_schema(), False),
        (devices.SWIFT_REPLAY, results.self_test_schema(), True),
    ):
        found = results.read(path)
        assert found.is_self_test is tested
        jsonschema.validate(found.content, schema)
    assert found.content["passed"]
    assert {item["name"] for item in found.content["components"]} == {
        "vision_encoder",
        "mcp",
        "dit",
        "vae_decoder",
        "llm",
    }


def test_the_schemas_are_schemas() -> None:
    for schema in (results_schema(), results.self_test_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_phone_board_and_failing_test_are_read(tmp_path: Path) -> None:
    for content in (devices.phone(), devices.board(), devices.self_test(passed=False)):
        assert results.read(devices.write(tmp_path / "a.json", content)).content == content


def _first(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["measurements"][0]
    return found


BENCH: list[tuple[Change, str]] = [
    (lambda c: c.pop("measurements"), "the result has no measurements"),
    (lambda c: c.update(extra=1), "extra is unknown"),
    (lambda c: c.update(format="mobileo"), "neither a benchmark nor a self-test"),
    (lambda c: c.update(format=[]), "neither a benchmark nor a self-test"),
    (lambda c: c.update(format_version=3), "format_version 3, this release reads 1 and 2"),
    (lambda c: c["bundle"].update(manifest_sha256="ab"), "bundle.manifest_sha256 is 'ab'"),
    (lambda c: c["machine"].update(model=7), "machine.model is 7"),
    (lambda c: c["settings"].update(steps=0), "settings.steps is 0"),
    (lambda c: c["settings"].update(prompt=None), "settings.prompt is None"),
    (lambda c: c["telemetry"].update(ram_peak="much"), "telemetry.ram_peak is 'much'"),
    (lambda c: c["telemetry"]["after"].update(thermal_state="hot"), "thermal_state is 'hot'"),
    (lambda c: _first(c).update(values=[]), "measurements[0].values is []"),
    (lambda c: _first(c).update(values=[-1.0]), "values[0] is -1.0"),
    (lambda c: _first(c).update(unit="min"), "measurements[0].unit is 'min'"),
    (lambda c: _first(c).pop("definition"), "measurements[0] has no definition"),
    (lambda c: _first(c).update(median=1.0), "measurements[0].median is 1.0, its values give 12.1"),
    (lambda c: _first(c).update(deviation=None), "measurements[0].deviation is None"),
    (lambda c: c["measurements"].append(_first(c)), "measurements has a name twice"),
]


def _row(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["components"][0]["rows"][1]
    return found


SELF_TEST: list[tuple[Change, str]] = [
    (lambda c: c.update(components=[]), "components is []"),
    (lambda c: c.pop("checks"), "the result has no checks"),
    (lambda c: c["components"][0].update(name="unet"), "components[0].name is 'unet'"),
    (lambda c: c["components"][0].update(gates="phone"), "components[0].gates is 'phone'"),
    (lambda c: c["components"].append(c["components"][0]), "components has a name twice"),
    (lambda c: _row(c).update(value="many"), "components[0].rows[1].value has none of the allowed"),
    (lambda c: _row(c).update(metric="ssim"), "components[0].rows[1].metric is 'ssim'"),
    (lambda c: _row(c).update(value=1.0), "rows[1].passed is True, its value says otherwise"),
    (lambda c: _row(c).update(value="NaN"), "rows[1].passed is True, its value says otherwise"),
    (
        lambda c: c["components"][0].update(passed=False),
        "components[0].passed is False, its rows say otherwise",
    ),
    (
        lambda c: c["components"][0]["problems"].append(
            {"call": None, "stage": None, "output": None, "problem": "does not load"}
        ),
        "components[0].passed is True, its rows say otherwise",
    ),
    (lambda c: c.update(passed=False), "passed is False, its components and checks say otherwise"),
    (
        lambda c: c["checks"]["failed"].append({"name": "solver 1", "problem": "another"}),
        "passed is True, its components and checks say otherwise",
    ),
    (lambda c: c["failures"].append("dit: wrong"), "failures has 1 lines, passed is True"),
    (lambda c: c.update(first_divergence={}), "first_divergence has none of the allowed forms"),
]


@pytest.mark.parametrize(
    ("content", "change", "said"),
    [
        *((devices.phone, *case) for case in BENCH),
        *((devices.self_test, *case) for case in SELF_TEST),
    ],
)
def test_a_damaged_result_is_refused_in_one_line(
    tmp_path: Path, content: Callable[[], dict[str, Any]], change: Change, said: str
) -> None:
    damaged = copy.deepcopy(content())
    change(damaged)
    path = devices.write(tmp_path / "damaged.json", damaged)
    with pytest.raises(UsageError) as caught:
        results.read(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read as JSON (is empty)"),
        (b"{", "cannot be read as JSON"),
        (b"[1]", "neither a benchmark nor a self-test"),
        (b'{"format": "mobileo-bench", "format": 1}', "cannot be read as JSON"),
        (b'{"value": NaN}', "NaN is no JSON"),
        (b"\xff\xfe", "is UTF-16"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=f"^{path}: ") as caught:
        results.read(path)
    assert said in str(caught.value)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file; name results"):
        results.read(tmp_path / "none.json")
    with pytest.raises(UsageError, match="not a plain file"):
        results.read(tmp_path)


@pytest.mark.parametrize(
    ("metric", "value", "bound", "strain", "holds"),
    [
        ("relative_l2", 1e-6, 1e-5, 0.1, True),
        ("worst_slice", 3e-4, 1e-4, 3.0, False),
        ("relative_l2", "Infinity", 1e-5, math.inf, False),
        ("relative_l2", "NaN", 1e-5, math.inf, False),
        ("max_absolute", 0.0, 0.0, 0.0, True),
        ("max_absolute", 1.0, 0.0, math.inf, False),
        ("psnr", 60.0, 40.0, 0.1, True),
        ("psnr", 20.0, 40.0, 10.0, False),
        ("psnr", "Infinity", 40.0, 0.0, True),
        ("psnr", "-Infinity", 40.0, math.inf, False),
        ("finite", 1.0, 1.0, 0.0, True),
        ("finite", 0.999, 1.0, math.inf, False),
        ("differing", 2, 0, math.inf, False),
    ],
)
def test_how_near_a_row_is_to_its_bound(
    metric: str, value: float | str, bound: float, strain: float, holds: bool
) -> None:
    row = {"metric": metric, "value": value, "bound": bound}
    assert results.strain(row) == pytest.approx(strain)
    assert results.holds(row) is holds


def test_a_self_test_within_a_benchmark_is_held_to_its_own_schema(tmp_path: Path) -> None:
    path = tmp_path / "mac.json"
    assert results.read(devices.write(path, devices.mac())).content["self_test"]["passed"]
    assert results.read(devices.write(path, devices.mac(self_test=None))).content["work"]
    broken: list[tuple[Change, str]] = [
        (lambda c: c.pop("checks"), "its self-test: the result has no checks"),
        (lambda c: c.update(passed=False), "its self-test: passed is False"),
        (
            lambda c: c["bundle"].update(manifest_sha256="e" * 64),
            "its self-test: bundle is not that of the benchmark",
        ),
    ]
    for change, said in broken:
        content = copy.deepcopy(devices.mac())
        change(content["self_test"])
        with pytest.raises(UsageError) as caught:
            results.read(devices.write(path, content))
        assert said in str(caught.value)


def test_work_that_is_none_is_refused(tmp_path: Path) -> None:
    content = devices.mac()
    content["work"]["stages"][0]["parts"][0]["work"]["float32"]["flops"] = -1
    with pytest.raises(UsageError, match=r"work has none of the allowed forms"):
        results.read(devices.write(tmp_path / "mac.json", content))
