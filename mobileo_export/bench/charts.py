"""What the page of devices draws: bars beside limits, what a picture is made of, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.bench.measurement import digits
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.stages import STAGES, stage_title

if TYPE_CHECKING:
    from mobileo_export.bench.device import MeasuredDevice
    from mobileo_export.bench.device_limits import DeviceLimit

Limits = Mapping[str, Mapping[str, "DeviceLimit"]]
# The stages of a picture, and how often each is run.
_OF_A_PICTURE = ("llm", "mcp", "dit_step", "vae_decoder")


@dataclass(frozen=True)
class Bar:
    """A median or a published figure of one device; shares are of the row's largest."""

    device: str
    text: str
    share: float
    published: bool = False
    limit: float | None = None
    limit_text: str = ""


def bars(found: Sequence[MeasuredDevice], name: str, limits: Limits) -> list[Bar]:
    """Each device that measured ``name`` with its limit, and what the paper says of others."""
    items = [(d.name, d.measurements[name]) for d in found if name in d.measurements]
    unit = items[0][1]["unit"]
    values = [
        (device, float(item["median"]), limits.get(device, {}).get(name)) for device, item in items
    ]
    paper = [(device, f[name].mean, None) for device, f in PAPER.items() if name in f]
    largest = [value for _, value, _ in (*values, *paper)]
    most = max(*largest, *(limit.value for _, _, limit in values if limit), 0.0) or 1.0
    rows = []
    for published, listed in ((False, values), (True, paper)):
        for device, value, limit in listed:
            text = f"{digits(value)} {unit}"
            at, said = (limit.value / most, limit_text(limit, unit)) if limit else (None, "")
            rows.append(Bar(device, text, value / most, published, at, said))
    return rows


def limit_text(limit: DeviceLimit, unit: str) -> str:
    """``at least 72 ms, 41 % of the limit``."""
    word = "at most" if unit == "tokens/s" else "at least"
    about = "about " if limit.estimate else ""
    return f"{word} {about}{digits(limit.value)} {unit}; {limit.share:.0%} of the limit"


@dataclass(frozen=True)
class Slice:
    """A part of a picture's time; ``share`` and ``start`` are of the whole."""

    title: str
    seconds: float
    start: float
    share: float


@dataclass(frozen=True)
class PictureTime:
    """Where the time of one device's picture goes."""

    device: str
    seconds: float
    slices: tuple[Slice, ...]


def pictures(found: Sequence[MeasuredDevice]) -> list[PictureTime]:
    """Of every device that measured a picture and all that it is made of."""
    return [made for device in found if (made := _picture(device)) is not None]


def _picture(device: MeasuredDevice) -> PictureTime | None:
    measured, steps = device.measurements, device.settings.get("steps")
    if not {"image", *_OF_A_PICTURE} <= measured.keys() or not steps:
        return None
    whole = float(measured["image"]["median"])
    parts = []
    for name in _OF_A_PICTURE:
        times = steps if name == "dit_step" else 1
        title = f"{steps} steps of the transformer" if times > 1 else stage_title(name)
        parts.append((title, times * float(measured[name]["median"]) / 1000))
    rest = whole - sum(seconds for _, seconds in parts)
    if rest > 0:
        parts.append(("Everything between", rest))
    total = sum(seconds for _, seconds in parts)  # apart they may take longer than together
    return PictureTime(device.name, whole, tuple(_slices(parts, total)))


def _slices(parts: Sequence[tuple[str, float]], total: float) -> Iterator[Slice]:
    start = 0.0
    for title, seconds in parts:
        share = seconds / total if total else 0.0
        yield Slice(title, seconds, start, share)
        start += share


@dataclass(frozen=True)
class MemoryBar:
    """The most that a process took in a stage, in MB; ``share`` is that of the page's largest.

    ``arrays`` is what MLX's own counter says; None where MLX did not compute.
    """

    stage: str
    megabytes: float
    share: float
    arrays: float | None = None


def memory(found: Sequence[MeasuredDevice]) -> dict[str, list[MemoryBar]]:
    """By device, of those that tell it by stage."""
    told = {d.name: d.telemetry["by_stage"] for d in found if d.telemetry.get("by_stage")}
    arrays = {d.name: d.telemetry.get("mlx_by_stage", {}) for d in found}
    most = max((peak for stages in told.values() for peak in stages.values()), default=1.0)
    order = ["loading", *(name for name in STAGES if name != "loading")]
    return {
        device: [
            MemoryBar(
                "Loading" if name == "loading" else stage_title(name),
                peaks[name],
                peaks[name] / most,
                arrays[device].get(name),
            )
            for name in order
            if name in peaks
        ]
        for device, peaks in told.items()
    }


@dataclass(frozen=True)
class LimitRow:
    """A measurement as the paper's table would have it, and the limit beside it."""

    stage: str
    device: str
    precision: str
    units: str
    steps: str
    measured: str
    limit: str
    share: str
    bound: str
    paper: str
    beyond: bool


def limit_rows(found: Sequence[MeasuredDevice], limits: Limits) -> list[LimitRow]:
    """By stage and device; a device that does not state its precision has none."""
    rows = []
    for name, stage in STAGES.items():
        for device in found:
            item = device.measurements.get(name)
            precisions = device.subject.get("precision") or {}
            limit = limits.get(device.name, {}).get(name)
            if item is None or limit is None or not precisions:
                continue
            units = device.settings.get("compute_units") or {}
            drawn = name == "image"
            steps = device.settings.get("steps")
            evaluations = device.settings.get("evaluations")
            rows.append(
                LimitRow(
                    stage.title,
                    device.name,
                    _alike(precisions, stage.needs),
                    _alike(units, stage.needs) or "not stated",
                    f"{steps} steps, {evaluations or 'unknown'} evaluations" if drawn else "",
                    f"{digits(float(item['median']))} {item['unit']}",
                    f"{'≈ ' if limit.estimate else ''}{digits(limit.value)} {item['unit']}",
                    f"{limit.share:.0%}",
                    f"{limit.bound}; {limit.engine}",
                    f"{item['published']['mean']:g} {item['unit']}" if item["published"] else "",
                    limit.share > 1,
                )
            )
    return rows


def _alike(found: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(found[name] for name in names if name in found))
