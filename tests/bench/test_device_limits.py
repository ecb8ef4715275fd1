"""The limit beside a measurement: of the right chip, engine and precision, or none at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mobileo_export.bench import charts, page
from mobileo_export.bench.comparison import BenchComparison, compare
from mobileo_export.bench.device_limits import DeviceLimit, chip_of, limits_of
from mobileo_export.bench.results import DeviceResult
from mobileo_export.components import COMPONENTS

from . import devices

FLOAT32 = dict.fromkeys(COMPONENTS, "float32")


def of(**contents: dict[str, Any]) -> BenchComparison:
    return compare(
        [DeviceResult(Path(f"{name}.json"), content) for name, content in contents.items()]
    )


def limits(content: dict[str, Any], *others: dict[str, Any]) -> dict[str, DeviceLimit]:
    """Of the first device, beside others."""
    found = of(a=content, **{f"b{n}": other for n, other in enumerate(others)})
    return limits_of(found.devices).get(found.devices[0].name, {})


@pytest.mark.parametrize(
    ("machine", "chip"),
    [
        ({"model": "Mac14,9", "chip": "Apple M2 Pro", "gpu_cores": 19}, "M2 Pro"),
        ({"model": "Mac14,9", "chip": "Apple M2 Pro", "gpu_cores": 16}, "M2 Pro 16"),
        ({"model": "Mac14,9", "chip": "Apple M2 Pro"}, "M2 Pro"),
        ({"model": "Mac16,1", "chip": "Apple M4", "gpu_cores": 7}, None),
        ({"chip": "Apple M2 Ultra", "gpu_cores": 76}, None),
        ({"model": "iPhone 17 Pro"}, "A19 Pro"),
        ({"model": "iPhone18,1"}, "A19 Pro"),
        ({"model": "iPhone18,3"}, "A19"),
        ({"model": "iPhone18,4"}, None),  # an A19 Pro with fewer cores
        ({"model": "iPhone 17 Pro Max"}, "A19 Pro"),
        ({"model": "NVIDIA Jetson Orin Nano Developer Kit"}, "Orin Nano 8 GB"),
        ({"model": "NVIDIA Jetson Orin Nano", "power_mode": "15W"}, "Orin Nano 8 GB"),
        ({"model": "NVIDIA Jetson Orin Nano", "power_mode": "25W"}, "Orin Nano Super"),
        ({"model": "NVIDIA Jetson Orin Nano", "power_mode": "MAXN_SUPER"}, "Orin Nano Super"),
        ({"model": "NVIDIA Jetson AGX Orin"}, None),
        ({"chip": "AMD EPYC 7763"}, None),
        ({}, None),
    ],
)
def test_the_chip_of_a_machine(machine: dict[str, Any], chip: str | None) -> None:
    found = chip_of(machine)
    assert (found and found.name) == chip


def test_of_a_mac_in_float32_on_its_gpu() -> None:
    found = limits(devices.mac())
    assert found["vision_encoder"].value == pytest.approx(487e9 / 6.8e12 * 1000, rel=0.01)
    assert found["vision_encoder"].engine == "GPU, float32"
    assert found["vision_encoder"].bound == "compute"
    assert found["vision_encoder"].share == pytest.approx(71.6 / 106.1, rel=0.01)
    # Of a rate the limit is the most: 377 tokens/s as the weights are read, in 8 bits.
    assert found["decode_rate"].value == pytest.approx(377, rel=0.01)
    assert found["decode_rate"].bound == "memory"
    assert found["decode_rate"].share == pytest.approx(120.4 / 377, rel=0.01)
    assert found["image"].value == pytest.approx(1.92, rel=0.01)
    assert not found["image"].estimate
    assert "preprocessing" not in found


def test_the_neural_engine_counts_where_it_may_be_used() -> None:
    half = {**devices.bundle(), "precision": dict.fromkeys(COMPONENTS, "float16")}
    found = limits(devices.mac(bundle=half, self_test=None))
    assert found["vision_encoder"].engine == "Neural Engine, float16"  # all units
    assert found["vision_encoder"].estimate
    assert found["dit_step"].engine == "GPU, float16"  # cpu_and_gpu


def test_a_phone_is_lent_the_work_of_the_same_bundle() -> None:
    every = {**devices.bundle(), "precision": FLOAT32}
    phone, mac = devices.phone(bundle=every), devices.mac(bundle=every, self_test=None)
    assert limits(phone) == {}
    found = limits(phone, mac)
    assert found["vision_encoder"].estimate
    # The app's figure of a step, 82.5 ms, is less than float32 can take there.
    assert found["dit_step"].share > 2
    rows = {
        row.stage: row
        for row in charts.limit_rows(of(a=phone, b=mac).devices, {"iPhone 17 Pro": found})
    }
    assert rows["A step of the transformer"].beyond
    other = {**mac, "bundle": {**every, "manifest_sha256": "c" * 64}}
    assert limits(phone, other) == {}


def test_other_steps_have_no_limit_of_a_picture() -> None:
    content = devices.mac()
    content["settings"] = {**content["settings"], "steps": 10}
    found = limits(content)
    assert "image" not in found
    assert "dit_step" in found


@pytest.mark.parametrize(
    "change",
    [{"precision": {}}, {"precision": {"llm": "int8"}}, {"manifest_sha256": "d" * 64}],
    ids=["no precision", "an unknown one", "work of its own"],
)
def test_without_a_precision_there_is_no_limit(change: dict[str, Any]) -> None:
    content = devices.mac(self_test=None)
    content["bundle"] = {**content["bundle"], **change}
    found = limits(content)
    assert bool(found) == ("manifest_sha256" in change)


def test_of_a_processor_by_its_own_peak() -> None:
    content = devices.mac(runtime="mil, mlx-dequantized", self_test=None)
    content["settings"] = {
        **content["settings"],
        "runtimes": dict.fromkeys(COMPONENTS, "mil") | {"llm": "mlx-dequantized"},
    }
    assert limits(content) == {}  # on a Mac, and not on its GPU
    content["machine"] = {"peak": {"flops": 1e11, "bandwidth": 1e10}}
    found = limits(content)
    assert found["vision_encoder"].value == pytest.approx(4870, rel=0.01)
    assert found["vision_encoder"].engine == "processor, float32"


@pytest.mark.parametrize(
    ("called", "engine"),
    [
        ("coreml all", "Neural Engine, float16"),
        ("coreml cpu_and_gpu", "GPU, float16"),
        ("coreml cpu_only", None),
        ("coreai all", "Neural Engine, float16"),
        ("coreai cpu_only", None),
        ("mlx", "GPU, float16"),
        ("mil", None),
    ],
)
def test_a_phone_names_units_beside_its_runtimes(called: str, engine: str | None) -> None:
    content = devices.mac(runtime="device", self_test=None)
    del content["settings"]["compute_units"]
    content["settings"]["runtimes"] = dict.fromkeys(COMPONENTS, called)
    content["bundle"]["precision"] = dict.fromkeys(COMPONENTS, "float16")
    found = limits(content)
    assert (found["vision_encoder"].engine if found else None) == engine


def test_the_page_shows_limits_pictures_and_memory() -> None:
    found = of(mac=devices.mac(), phone=devices.phone(), board=devices.board())
    shown = page.render(found)
    for text in ("Beside the limit", "Where the time of a picture goes", "Memory by stage"):
        assert text in shown, text
    assert "at least 71.6 ms; 67% of the limit" in shown
    assert "20 steps, 40 evaluations" in shown
    assert "20 steps of the transformer: 2.7 s, 79%" in shown
    assert "5400 MB" in shown
    assert shown.count('class="floor"') == 11  # nine of the Mac's, two of the phone's
    assert "Mac14,9 (Apple M2 Pro)" in shown
    without = page.render(of(board=devices.board()))
    for text in ("Beside the limit", "Where the time of a picture goes", "Memory by stage"):
        assert text not in without, text


def test_a_picture_that_takes_less_than_its_stages_has_no_rest() -> None:
    content = devices.mac()
    for item in content["measurements"]:
        if item["name"] == "image":
            item["median"] = 1.0
    (made,) = charts.pictures(of(a=content).devices)
    assert [part.title for part in made.slices][-1] == "Decoder"
    assert sum(part.share for part in made.slices) == pytest.approx(1)
    del content["settings"]["steps"]
    assert charts.pictures(of(a=content).devices) == []
