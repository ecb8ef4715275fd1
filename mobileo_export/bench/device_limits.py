"""The limit beside each measurement: the floor of a stage on the chip that it was measured on.

A result states the work of its stages; another device's result of the same bundle lends it. The
chip is told by the machine, a machine's own peak by a measurement in the same run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mobileo_export.bench import chips
from mobileo_export.bench.device import identity
from mobileo_export.bench.limits import floor
from mobileo_export.bench.stages import STAGES
from mobileo_export.bench.workload import StageWork, Workload
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.bench.chips import Chip
    from mobileo_export.bench.device import MeasuredDevice

# Of utsname, which phones tell in place of their name.
_IDENTIFIERS: Mapping[str, str] = {
    "iPhone16,1": "iPhone 15 Pro",
    "iPhone16,2": "iPhone 15 Pro Max",
    "iPhone17,1": "iPhone 16 Pro",
    "iPhone17,2": "iPhone 16 Pro Max",
    "iPhone18,1": "iPhone 17 Pro",
    "iPhone18,2": "iPhone 17 Pro Max",
    "iPhone18,3": "iPhone 17",
}
_SUPER_MODES = ("25W", "MAXN")  # of nvpmodel: what the same module can do since JetPack 6.1
_WITHOUT_NEURAL = {"cpu_and_gpu", "gpu"}


@dataclass(frozen=True)
class DeviceLimit:
    """The limit of one stage on one device.

    Attributes:
        value: in the stage's unit; of a rate the most, of a time the least.
        share: of the limit that was reached; above 1 is faster than it should be possible.
        bound: ``compute`` or ``memory``.
        engine: of the chip, with its precision.
        estimate: whether a figure of the chip is one.
    """

    value: float
    share: float
    bound: str
    engine: str
    estimate: bool


@dataclass(frozen=True)
class _Rate:
    """FLOP/s of an engine in a precision."""

    flops: float
    engine: str
    estimate: bool


def chip_of(machine: Mapping[str, Any]) -> Chip | None:
    """The chip of a machine that tells it, or whose name is that of a device that is known."""
    model, chip = str(machine.get("model") or ""), str(machine.get("chip") or "")
    called = _IDENTIFIERS.get(model, model)
    if "Jetson Orin Nano" in called and str(machine.get("power_mode")).startswith(_SUPER_MODES):
        called = "Jetson Orin Nano Super"
    own = [known for known in chips.known() if _plain(chip) == _base(known)]
    cores = machine.get("gpu_cores")
    own = [known for known in own if cores is None or known.detail.startswith(f"{cores}-")]
    if own:
        return own[0]
    named = [(device, known) for known in chips.known() for device in known.devices]
    fitting = [(len(device), known) for device, known in named if device in called]
    return max(fitting, key=lambda found: found[0])[1] if fitting else None


def limits_of(
    devices: Iterable[MeasuredDevice],
) -> dict[str, dict[str, DeviceLimit]]:
    """By device and stage; nothing where the work, the precision or the chip is not known."""
    listed = [device for device in devices if device.bench]
    known = {
        identity(d.content): d.bench["work"] for d in listed if d.bench and d.bench.get("work")
    }
    found = {}
    for device in listed:
        content = known.get(identity(device.content))
        if content is not None:
            found[device.name] = _limits(device, Workload.from_json(_resized(content, device)))
    return found


def _resized(content: Mapping[str, Any], device: MeasuredDevice) -> Mapping[str, Any]:
    """The work as it is counted, if the device drew with as many steps; else without pictures."""
    steps = device.settings.get("steps")
    if steps in {None, content["sizes"]["steps"]}:
        return content
    return {**content, "stages": [s for s in content["stages"] if s["name"] != "image"]}


def _limits(device: MeasuredDevice, work: Workload) -> dict[str, DeviceLimit]:
    precisions = device.subject.get("precision") or {}
    found = {}
    for stage in work.stages:
        item = device.measurements.get(stage.name)
        parts = [_part(device, stage, i, precisions) for i in range(len(stage.parts))]
        if item is None or None in parts:
            continue
        told = [part for part in parts if part is not None]
        seconds = sum(part.value for part in told)
        longest = max(told, key=lambda part: part.value)
        measured = float(item["median"])
        rate = STAGES[stage.name].unit == "tokens/s"
        value = 1 / seconds if rate else seconds * (1000 if item["unit"] == "ms" else 1)
        found[stage.name] = replace(
            longest,
            value=value,
            share=measured / value if rate else value / measured if measured else 0.0,
            estimate=any(part.estimate for part in told),
        )
    return found


def _part(
    device: MeasuredDevice, stage: StageWork, place: int, precisions: Mapping[str, str]
) -> DeviceLimit | None:
    """The floor of one component's calls in a stage, in seconds."""
    part = stage.parts[place]
    precision = precisions.get(part.component, "")
    if precision not in part.work:
        return None
    found = _rate(device, part.component, precision)
    if found is None:
        return None
    rate, bandwidth = found
    floored = floor(StageWork(stage.name, (part,)), rate.engine, precision, rate.flops, bandwidth)
    engine = f"{rate.engine}, {precision}"
    return DeviceLimit(floored.seconds, 0.0, floored.bound, engine, rate.estimate)


def _rate(device: MeasuredDevice, component: str, precision: str) -> tuple[_Rate, float] | None:
    """The fastest engine that may have run a component, and the memory's bytes a second."""
    machine = device.content["machine"]
    chip = None if _hosted(device, component) else chip_of(machine)
    if chip is None:
        peak = machine.get("peak")
        return (_Rate(peak["flops"], "processor", False), peak["bandwidth"]) if peak else None
    told = next((units for _, units in _ran(device, component) if units), "gpu")
    units = (device.settings.get("compute_units") or {}).get(component, told)
    able = [
        _Rate(rates[precision].value * 1e12, chips.ENGINES[engine], bool(rates[precision].estimate))
        for engine, rates in chip.engines.items()
        if precision in rates and not (engine == "neural_engine" and units in _WITHOUT_NEURAL)
    ]
    if not able:
        return None
    return max(able, key=lambda rate: rate.flops), chip.bandwidth.value * 1e9


def _hosted(device: MeasuredDevice, component: str) -> bool:
    """Whether the processor ran a component: the chip's engines are no limit of it."""
    known = [(name, units) for name, units in _ran(device, component) if name in registry.ENTRIES]
    return not known or all(
        units == "cpu_only" if units else registry.ENTRIES[name].exact for name, units in known
    )


def _ran(device: MeasuredDevice, component: str) -> list[tuple[str, str]]:
    """The runtimes that may have run a component, each with its units where the name has them.

    A phone's are called as ``coreml cpu_and_gpu``.
    """
    runtimes = device.settings.get("runtimes") or {}
    names = [runtimes[component]] if component in runtimes else device.runtime.split(", ")
    return [(name, units) for name, _, units in (name.partition(" ") for name in names)]


def _base(chip: Chip) -> str:
    """``M2 Pro`` of ``M2 Pro 16``: a name without the cores that tell two apart."""
    cores = chip.detail.partition("-")[0]
    return chip.name.removesuffix(f" {cores}")


def _plain(chip: str) -> str:
    return chip.removeprefix("Apple ").strip()
