"""Devices beside each other: what each measured, and where two cannot be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mobileo_export.bench.published import PAPER
from mobileo_export.bench.results import DeviceResult, strain
from mobileo_export.bench.stages import STAGES, load_of, stage_title
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError

# What is to be equal where figures are compared, and what it is called.
_INPUTS: Mapping[str, str] = {
    "steps": "steps of a picture",
    "guidance": "guidance",
    "tokens": "tokens of an answer",
    "prompt": "the text that is drawn",
    "question": "the question that is asked",
}


@dataclass(frozen=True)
class MeasuredDevice:
    """A column: the benchmark of a device, its self-test, or both."""

    name: str
    files: tuple[str, ...]
    bench: Mapping[str, Any] | None = None
    self_test: Mapping[str, Any] | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        """What both say of bundle, machine and program."""
        found = self.bench or self.self_test
        assert found is not None
        return found

    @property
    def runtime(self) -> str:
        """What executed the artifacts."""
        if self.bench:
            return str(self.bench["runtime"])
        return ", ".join(dict.fromkeys(c["runtime"] for c in self.content["components"]))

    @property
    def precision(self) -> str:
        """``float32, llm float16``: what most components compute in, and the others by name."""
        found = self.content["bundle"].get("precision") or {}
        if not found:
            return "not stated"
        usual, _ = Counter(found.values()).most_common(1)[0]
        others = [f"{name} {value}" for name, value in sorted(found.items()) if value != usual]
        return ", ".join([usual, *others])

    @property
    def measurements(self) -> Mapping[str, Mapping[str, Any]]:
        """By name."""
        return {item["name"]: item for item in self.bench["measurements"]} if self.bench else {}

    @property
    def telemetry(self) -> Mapping[str, Any]:
        """Memory, power and heat meanwhile; empty where nobody looked."""
        return (self.bench and self.bench["telemetry"]) or {}

    def worst(self, component: str) -> Mapping[str, Any] | None:
        """The row of a component that comes nearest to its bound, or misses it by most."""
        for item in self.self_test["components"] if self.self_test else ():
            if item["name"] == component and item["rows"]:
                row: Mapping[str, Any] = max(item["rows"], key=strain)
                return row
        return None


@dataclass(frozen=True)
class BenchComparison:
    """Columns, the measurements that any of them has, and what keeps two from being compared."""

    devices: tuple[MeasuredDevice, ...]
    differences: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """No self-test failed."""
        return all(d.self_test is None or d.self_test["passed"] for d in self.devices)

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
                    "bundle": device.content["bundle"],
                    "machine": device.content["machine"],
                    "settings": device.bench and device.bench["settings"],
                    "measurements": dict(device.measurements),
                    "telemetry": device.telemetry or None,
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
                device: {
                    name: {"mean": f.mean, "deviation": f.deviation, "source": f.source}
                    for name, f in figures.items()
                }
                for device, figures in PAPER.items()
            },
        }


def definitions(devices: Iterable[MeasuredDevice], name: str) -> dict[str, list[str]]:
    """Names of devices by the definition that they measured ``name`` by."""
    grouped: dict[str, list[str]] = {}
    for device in devices:
        if name in device.measurements:
            grouped.setdefault(device.measurements[name]["definition"], []).append(device.name)
    return grouped


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
            devices.append(MeasuredDevice("", (str(result.path),), bench=result.content))
    named = tuple(_named(devices))
    return BenchComparison(named, tuple(_differences(named)))


def _belongs(result: DeviceResult, device: MeasuredDevice) -> bool:
    """Whether it is the self-test of a device that has none yet."""
    return (
        result.is_self_test
        and device.bench is not None
        and device.self_test is None
        and _label(result.content) == _label(device.bench)
        and _identity(result.content) == _identity(device.bench)
    )


def _label(content: Mapping[str, Any]) -> str | None:
    machine = content["machine"]
    found = machine.get("model") or machine.get("system")
    return None if found is None else str(found)


def _identity(content: Mapping[str, Any]) -> str:
    return str(content["bundle"]["manifest_sha256"])


def _named(devices: Sequence[MeasuredDevice]) -> Iterator[MeasuredDevice]:
    """Names that tell columns apart: the device's, with its file where two have one."""
    labels = [_label(device.content) or device.files[0] for device in devices]
    for device, label in zip(devices, labels, strict=True):
        unique = labels.count(label) == 1
        yield replace(device, name=label if unique else f"{label} ({device.files[0]})")


def _differences(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    """Why figures of two columns are no measure of each other, one line each."""
    yield from _bundles(devices)
    precisions = {device.name: device.precision for device in devices}
    if len(set(precisions.values())) > 1:
        yield f"precision: {'; '.join(f'{name} {value}' for name, value in precisions.items())}"
    measured = [device for device in devices if device.bench]
    for key, what in _INPUTS.items():
        values = {d.name: d.content["settings"].get(key) for d in measured}
        if len(set(values.values())) > 1:
            stated = (f"{n} {'not stated' if v is None else _quoted(v)}" for n, v in values.items())
            yield f"{what}: {', '.join(stated)}"
    elsewhere = [
        stage_title(name)
        for name in dict.fromkeys(name for device in measured for name in device.measurements)
        if load_of(name) is None and len(definitions(measured, name)) > 1
    ]
    if elsewhere:
        yield (
            f"not measured from the same place to the same place: {', '.join(elsewhere)}; "
            "see the definitions"
        )
    for device in measured:
        before = (device.telemetry.get("before") or {}).get("thermal_state")
        after = (device.telemetry.get("after") or {}).get("thermal_state")
        if before != after:
            yield f"{device.name}: its thermal state went from {before} to {after} meanwhile"
        if device.self_test is None:
            yield f"{device.name}: no self-test, nothing says that it computes what was recorded"


def _bundles(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    identities = {d.name: _identity(d.content) for d in devices}
    if len(set(identities.values())) < 2:
        return
    sources = {d.content["bundle"].get("source") for d in devices}
    what = (
        f"the bundles are different exports of {sources.pop()}"
        if len(sources) == 1 and None not in sources
        else "the bundles are of different models, or do not say of which"
    )
    yield f"{what}: " + ", ".join(f"{name} {sha[:12]}…" for name, sha in identities.items())


def _quoted(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else f"{value:g}"
