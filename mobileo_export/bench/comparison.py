"""Devices beside each other: what each measured, and where two cannot be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mobileo_export.bench.device import MeasuredDevice, identity, label
from mobileo_export.bench.differences import differences
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.results import DeviceResult
from mobileo_export.bench.stages import STAGES, load_of
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError


@dataclass(frozen=True)
class BenchComparison:
    """Columns, the measurements that any of them has, and what keeps two from being compared."""

    devices: tuple[MeasuredDevice, ...]
    differences: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Nothing that was measured or tested failed."""
        return not any(device.failures for device in self.devices)

    def stages(self) -> tuple[str, ...]:
        """Names of what any device measured, loads excepted, in the order of a page."""
        order = list(STAGES)
        found = [name for name in self._names() if load_of(name) is None]
        return tuple(sorted(found, key=lambda n: order.index(n) if n in order else len(order)))

    def loads(self) -> tuple[tuple[str, str, str], ...]:
        """Name, component and kind of every load that any device measured, by component."""
        found = [(name, *load) for name in self._names() if (load := load_of(name)) is not None]
        order = list(COMPONENTS)
        return tuple(sorted(found, key=lambda f: order.index(f[1]) if f[1] in order else 99))

    def _names(self) -> Iterable[str]:
        return dict.fromkeys(name for device in self.devices for name in device.measurements)

    def as_json(self) -> dict[str, Any]:
        """As plain data: the figures of the page."""
        return {
            "devices": [
                {
                    "name": device.name,
                    "files": list(device.files),
                    "program": device.content["program"],
                    "runtime": device.runtime,
                    "bundle": device.content.get("bundle"),
                    "checkpoint": device.content.get("checkpoint"),
                    "machine": device.content["machine"],
                    "settings": device.bench and device.bench["settings"],
                    "measurements": dict(device.measurements),
                    "telemetry": device.telemetry or None,
                    "failures": list(device.failures),
                    "incomplete": device.bench and device.bench.get("incomplete"),
                    "self_test": device.self_test
                    and {
                        "passed": device.self_test["passed"],
                        "failures": device.self_test["failures"],
                        "worst": {name: device.worst(name) for name in COMPONENTS},
                    },
                }
                for device in self.devices
            ],
            "differences": list(self.differences),
            "published": {
                device: {name: asdict(figure) for name, figure in figures.items()}
                for device, figures in PAPER.items()
            },
        }


def compare(results: Sequence[DeviceResult]) -> BenchComparison:
    """The results as columns: a device's self-test goes beside its benchmark of the same bundle.

    Raises:
        UsageError: a file is named twice.
    """
    twice = [path for path, count in Counter(r.path for r in results).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]}: is named twice; name it once")
    devices: list[MeasuredDevice] = []
    for result in sorted(results, key=lambda result: result.is_self_test):
        place = next((n for n, d in enumerate(devices) if _belongs(result, d)), None)
        if place is not None:
            old = devices[place]
            files = (*old.files, str(result.path))
            devices[place] = replace(old, files=files, self_test=result.content)
        elif result.is_self_test:
            devices.append(MeasuredDevice("", (str(result.path),), self_test=result.content))
        else:
            tested = result.content.get("self_test")
            devices.append(MeasuredDevice("", (str(result.path),), result.content, tested))
    named = tuple(_named(devices))
    return BenchComparison(named, tuple(differences(named)))


def _belongs(result: DeviceResult, device: MeasuredDevice) -> bool:
    """Whether it is the self-test of a device that has none yet."""
    return (
        result.is_self_test
        and device.bench is not None
        and not device.is_reference
        and device.self_test is None
        and label(result.content) == label(device.bench)
        and identity(result.content) == identity(device.bench)
    )


def _title(device: MeasuredDevice) -> str:
    """What tells it from others at a glance: ``Mac14,9 (Apple M2 Pro)``, ``AMD EPYC 7763``."""
    machine = device.content["machine"]
    model, chip = machine.get("model"), machine.get("chip")
    both = f"{model} ({chip})" if model and chip else model or chip
    title = str(both or label(device.content) or device.files[0])
    return f"PyTorch {device.precision} on {title}" if device.is_reference else title


def _named(devices: Sequence[MeasuredDevice]) -> Iterator[MeasuredDevice]:
    """Names that tell columns apart: the device's, with its file where two have one."""
    titles = [_title(device) for device in devices]
    for device, title in zip(devices, titles, strict=True):
        unique = titles.count(title) == 1
        yield replace(device, name=title if unique else f"{title} ({device.files[0]})")
