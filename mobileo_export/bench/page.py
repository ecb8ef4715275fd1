"""Devices beside each other as one HTML file to look at: no network, no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mobileo_export.bench import charts
from mobileo_export.bench.device import counted, identity
from mobileo_export.bench.device_limits import limits_of
from mobileo_export.bench.differences import definitions
from mobileo_export.bench.measurement import digits
from mobileo_export.bench.published import ARTICLE, PAPER
from mobileo_export.bench.results import strain
from mobileo_export.bench.stages import stage_title
from mobileo_export.components import COMPONENTS
from mobileo_export.html import render as html

if TYPE_CHECKING:
    from mobileo_export.bench.comparison import BenchComparison
    from mobileo_export.bench.device import MeasuredDevice


def render(found: BenchComparison) -> str:
    """The page. The same results give the same text."""
    tested = [device for device in found.devices if device.self_test]
    measured = [device for device in found.devices if device.bench]
    limits = limits_of(measured)
    values = {
        "ok": found.ok,
        "devices": found.devices,
        "differences": found.differences,
        "measured": measured,
        "tested": tested,
        "failed": [device for device in found.devices if device.failures],
        "bars": {name: charts.bars(measured, name, limits) for name in found.stages()},
        "limited": charts.limit_rows(measured, limits),
        "pictures": charts.pictures(measured),
        "memory": charts.memory(measured),
        "stages": found.stages(),
        "loads": found.loads(),
        "facts": [_facts(device) for device in found.devices],
        "usage": [dict(_usage(device)) for device in found.devices],
        "paper": PAPER,
        "article": ARTICLE,
    }
    names = {
        "stage_title": stage_title,
        "components": tuple(COMPONENTS),
        "digits": digits,
        "counted": counted,
        "strain": strain,
        "definitions": definitions,
        "device_table": device_table,
    }
    return html.render("bench/page.html", values, names)


def device_table(facts: list[dict[str, str]]) -> list[tuple[str, list[str]]]:
    """Rows of a table over devices: a title and a value for each, a dash where it says none."""
    titles = dict.fromkeys(title for device in facts for title in device)
    return [(title, [device.get(title, "–") for device in facts]) for title in titles]


def _facts(device: MeasuredDevice) -> dict[str, str]:
    content, measured = device.content, device.subject
    settings = (device.bench or {}).get("settings", {})
    source = measured.get("source") or "source not stated"
    kind = f"checkpoint, {measured['weights']} weights" if device.is_reference else "bundle"
    found = {
        "files": ", ".join(device.files),
        "measured by": f"{content['program']['name']} {content['program']['version']}",
        "components run on": device.runtime,
        kind: f"{source}, {identity(content)[:12]}…",
        "precision": device.precision,
    }
    found |= {key.replace("_", " "): _text(value) for key, value in content["machine"].items()}
    found |= {f"setting: {key.replace('_', ' ')}": _text(value) for key, value in settings.items()}
    return {title: value for title, value in found.items() if value}


def _text(value: Any) -> str:
    """A value of a result for people; nothing for null and what is too much for a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value / 1e9:.1f} GB" if value >= 10**8 else str(value)
    if isinstance(value, Mapping):
        flat = [f"{k} {v}" for k, v in value.items() if isinstance(v, str | int | float)]
        return ", ".join(flat) if len(flat) == len(value) and len(flat) < 6 else ""
    return "" if value is None or isinstance(value, list) else str(value)


def _usage(device: MeasuredDevice) -> Iterator[tuple[str, str]]:
    """Memory, heat and power: whatever the device told."""
    seen = device.telemetry
    for key, title, unit in (
        ("peak_footprint_mb", "memory of the process, at most", "MB"),
        ("mlx_peak_mb", "MLX's arrays by its own counter, at most", "MB"),
        ("ram_peak", "memory of the system, at most", "MB"),
        ("least_headroom_mb", "headroom, at least", "MB"),
        ("power_mean", "power, mean", "W"),
        ("power_peak", "power, at most", "W"),
        ("temperature_peak", "temperature, at most", "°C"),
    ):
        if seen.get(key) is not None:
            yield title, f"{digits(float(seen[key]))} {unit}"
    before, after = seen.get("before") or {}, seen.get("after") or {}
    for key, title in (
        ("thermal_state", "thermal state"),
        ("battery", "battery"),
        ("low_power_mode", "Low Power Mode"),
        ("power_source", "source of power"),
        ("temperature", "temperature, °C"),
        ("clock", "clock, MHz"),
        ("governor", "governor of the clock"),
    ):
        ends = [end.get(key) for end in (before, after)]
        if any(end is not None for end in ends):
            first, last = (_reading(key, end) for end in ends)
            yield title, first if first == last else f"{first} → {last}"
    if device.self_test:
        most = [c["most_footprint"] for c in device.self_test["components"]]
        known = [value for value in most if value is not None]
        if known:
            yield "memory of the process in the self-test", f"{max(known) / 1048576:.0f} MB"


def _reading(key: str, value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:.0%}" if key == "battery" else _text(value)
