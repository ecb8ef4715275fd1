"""Devices beside each other: which files are one device, and what keeps two from being compared."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobileo_export.bench import page
from mobileo_export.bench.comparison import BenchComparison, compare
from mobileo_export.bench.measurement import results_schema
from mobileo_export.bench.results import DeviceResult, read
from mobileo_export.errors import UsageError

from . import devices


def of(**contents: dict[str, Any]) -> BenchComparison:
    return compare(
        [DeviceResult(Path(f"{name}.json"), content) for name, content in contents.items()]
    )


def test_a_self_test_stands_beside_the_benchmark_of_its_device() -> None:
    found = of(test=devices.self_test(), phone=devices.phone(), board=devices.board())
    assert [device.name for device in found.devices] == ["iPhone 17 Pro", "Jetson Orin Nano"]
    assert found.devices[0].files == ("phone.json", "test.json")
    assert found.devices[0].self_test is not None
    assert found.devices[1].self_test is None
    assert found.ok


@pytest.mark.parametrize(
    "test",
    [devices.self_test("iPhone 12"), {**devices.self_test(), "bundle": devices.bundle("c")}],
    ids=["another device", "another bundle"],
)
def test_another_devices_or_bundles_test_is_a_column_of_its_own(test: dict[str, Any]) -> None:
    found = of(phone=devices.phone(), test=test)
    assert len(found.devices) == 2
    assert found.devices[0].self_test is None


def test_two_runs_of_a_device_are_told_apart() -> None:
    found = of(first=devices.phone(), second=devices.phone(), test=devices.self_test())
    names = [device.name for device in found.devices]
    assert names == ["iPhone 17 Pro (first.json)", "iPhone 17 Pro (second.json)"]
    assert of(a=devices.phone(None, machine={})).devices[0].name == "a.json"


def test_the_same_file_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.json: is named twice"):
        compare([DeviceResult(Path("a.json"), devices.phone())] * 2)


def settings(**changes: Any) -> dict[str, Any]:
    content = devices.phone("iPad", settings={**devices.phone()["settings"], **changes})
    return {k: v for k, v in content.items() if v is not None}


def differences(**contents: dict[str, Any]) -> list[str]:
    lines = of(**contents).differences
    return [line for line in lines if "no self-test" not in line]


def test_equal_inputs_differ_in_nothing() -> None:
    assert differences(a=devices.phone(), b=devices.phone("iPad")) == []
    only = of(a=devices.phone(), b=devices.phone("iPad")).differences
    assert len(only) == 2  # that nobody tested either
    tested = of(a=devices.phone(), b=devices.self_test())
    assert tested.differences == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 10}, "steps of a picture: iPhone 17 Pro 20, iPad 10"),
        ({"guidance": 1.0}, "guidance: iPhone 17 Pro 1.5, iPad 1"),
        ({"tokens": 8}, "tokens of an answer: iPhone 17 Pro 64, iPad 8"),
        ({"question": "Why?"}, "iPad “Why?”"),
    ],
)
def test_other_settings_are_named(changes: dict[str, Any], said: str) -> None:
    (line,) = differences(a=devices.phone(), b=settings(**changes))
    assert said in line


def test_what_one_does_not_state_is_named() -> None:
    silent = settings()
    del silent["settings"]["prompt"]
    (line,) = differences(a=devices.phone(), b=silent)
    assert line.endswith("iPad not stated")


def test_other_bundles_precisions_definitions_and_heat_are_named() -> None:
    hot = devices.phone()
    hot["telemetry"]["after"] = {"thermal_state": "serious"}
    export, precision, elsewhere, heat = differences(a=hot, b=devices.board())
    assert export == (
        "the bundles are different exports of Amshaker/Mobile-O-0.5B: "
        "iPhone 17 Pro aaaaaaaaaaaa…, Jetson Orin Nano bbbbbbbbbbbb…"
    )
    assert precision == "precision: iPhone 17 Pro float32, llm float16; Jetson Orin Nano float16"
    assert elsewhere.startswith("not measured from the same place to the same place: Vision")
    assert "A step of the transformer" not in elsewhere
    assert heat == "iPhone 17 Pro: its thermal state went from nominal to serious meanwhile"
    other = devices.board(bundle={**devices.bundle("b"), "source": "miniature"})
    assert differences(a=devices.phone(), b=other)[0].startswith("the bundles are of different mod")


def test_the_page_has_every_figure() -> None:
    found = of(phone=devices.phone(), test=devices.self_test(), board=devices.board())
    shown = page.render(found)
    assert "Latency on 2 devices" in shown
    assert "as published, not measured here" in shown
    for text in ("56 ± 7 ms", "488 ± 9 ms", "3 ± 0.5 s", "110</b> ms", "p95 119, 3 runs"):
        assert text in shown, text
    for text in ("first load", "load again", "first call, with its load", "2913 MB", "80% → 75%"):
        assert text in shown, text
    for text in ("62.5 °C", "14.2 W", "147 of 147", "device gates, estimates"):
        assert text in shown, text
    assert shown.count("✓</span> holds") == 5
    assert shown == page.render(found)
    assert '<span class="sign"' not in shown  # the board has no self-test


def test_a_failed_self_test_is_the_headline() -> None:
    found = of(phone=devices.phone(), test=devices.self_test(passed=False))
    assert not found.ok
    shown = page.render(found)
    assert "Not every device computes what was recorded" in shown
    assert "relative_l2 is &lt;6.00e-05&gt;" in shown
    assert "✕</span> fails" in shown
    assert 'class="verdict bad"' in shown


def test_what_a_device_says_is_text() -> None:
    hostile = "<script>alert(1)</script>"
    phone = devices.phone(hostile, notes=[hostile], runtime=hostile)
    phone["settings"]["prompt"] = phone["measurements"][0]["definition"] = hostile
    shown = page.render(of(a=phone, b=devices.board()))
    assert "<script" not in shown


@pytest.mark.parametrize("contents", [{"a": devices.phone()}, {"a": devices.self_test()}])
def test_one_file_is_enough(contents: dict[str, Any]) -> None:
    assert "Latency on 1 device" in page.render(of(**contents))


def test_without_telemetry_and_with_a_component_that_did_not_load() -> None:
    test = devices.self_test()
    test["components"][0] |= {
        "rows": [],
        "passed": False,
        "load_seconds": None,
        "problems": [{"call": None, "stage": None, "output": None, "problem": "needs 2.9 GB"}],
    }
    test |= {"passed": False, "failures": ["dit: needs 2.9 GB"]}
    shown = page.render(of(a=devices.phone(telemetry=None), b=test))
    assert shown.count("needs 2.9 GB") == 2


def test_what_the_swift_program_writes_makes_a_page() -> None:
    found = compare([read(devices.SWIFT_BENCH), read(devices.SWIFT_REPLAY)])
    (device,) = found.devices
    assert device.runtime == "mobileo-export serve"
    assert found.differences == ()
    assert "Latency on 1 device" in page.render(found)


def test_a_self_test_within_a_benchmark_is_that_of_its_device() -> None:
    found = of(mac=devices.mac(), phone=devices.phone("iPad"))
    assert found.devices[0].self_test is not None
    lines = found.differences
    assert not any("Mac14,9" in line and "no self-test" in line for line in lines)
    shown = page.render(found)
    assert "147 of 147" in shown


def test_what_mlx_counts_stands_beside_the_process_and_may_be_missing() -> None:
    older, newer = devices.mac(), devices.mac()
    newer["telemetry"] |= {"mlx_peak_mb": 1970.4, "mlx_by_stage": {"dit_step": 1950.2}}
    for content in (older, newer):
        jsonschema.validate(content, results_schema())
    shown = html.unescape(page.render(of(mac=newer)))
    assert "(MLX's arrays 1950 MB)" in shown
    assert "without the buffers that it keeps" in shown
    assert "MLX's arrays by its own counter, at most" in shown
    assert "1970 MB" in shown
    assert "own counter" not in page.render(of(mac=older))


def test_what_failed_ended_early_or_became_slower_is_said() -> None:
    slow = devices.mac(failures=["mcp: not measured, mcp: 3 of 9 numbers of conditioning are not"])
    slow["incomplete"] = "in dit_step, 3 of its 10 runs done"
    slow["measurements"][0]["values"] = [1.0] * 5 + [1.2] * 5
    found = of(mac=slow)
    assert not found.ok
    assert found.devices[0].failures == tuple(slow["failures"])
    assert found.as_json()["devices"][0]["incomplete"] == slow["incomplete"]
    name = "Mac14,9 (Apple M2 Pro)"
    assert f"{name}: incomplete, it ended in dit_step, 3 of its 10 runs done" in found.differences
    drifted = f"{name}: load_cold_vision_encoder: the second half of its runs was 20% slower"
    assert any(line.startswith(drifted) for line in found.differences)
    shown = page.render(found)
    assert "numbers of conditioning are not" in shown
    assert "it ended in dit_step" in shown


def test_units_that_two_state_differently_are_named() -> None:
    other = devices.mac(self_test=None)
    units = {"vision_encoder": "cpu_only", "dit": "cpu_only"}
    other["settings"] = {**other["settings"], "compute_units": units, "mlx_tf32": False}
    other["machine"] = {**other["machine"], "model": "Mac14,10"}
    lines = of(a=devices.mac(), b=other).differences
    first, second = "Mac14,9 (Apple M2 Pro)", "Mac14,10 (Apple M2 Pro)"
    assert (
        f"compute units: {first} all, dit cpu_and_gpu, vae_decoder cpu_and_gpu; {second} cpu_only"
        in lines
    )
    assert f"MLX's TF32: {first} on; {second} off" in lines
    silent = of(a=devices.mac(), b=devices.phone()).differences
    assert not any(line.startswith(("compute units", "MLX")) for line in silent)
