"""What keeps figures of devices from being compared, and single ones from being believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mobileo_export.bench.device import MeasuredDevice, counted, identity, usual
from mobileo_export.bench.measurement import drift_text
from mobileo_export.bench.stages import load_of, stage_title

# What is to be equal where figures are compared, and what it is called.
_INPUTS: Mapping[str, str] = {
    "steps": "steps of a picture",
    "guidance": "guidance",
    "tokens": "tokens of an answer",
    "prompt": "the text that is drawn",
    "question": "the question that is asked",
}


def definitions(devices: Iterable[MeasuredDevice], name: str) -> dict[str, list[str]]:
    """Names of devices by the definition that they measured ``name`` by."""
    grouped: dict[str, list[str]] = {}
    for device in devices:
        if name in device.measurements:
            grouped.setdefault(device.measurements[name]["definition"], []).append(device.name)
    return grouped


def differences(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    """Why figures of two columns are no measure of each other, one line each."""
    yield from _exports([device for device in devices if not device.is_reference])
    yield from _origins(devices)
    precisions = {device.name: device.precision for device in devices}
    if len(set(precisions.values())) > 1:
        yield f"precision: {'; '.join(f'{name} {value}' for name, value in precisions.items())}"
    measured = [device for device in devices if device.bench]
    for key, what in _INPUTS.items():
        values = {d.name: d.settings.get(key) for d in measured}
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
    yield from _stated_by_both(measured)
    for device in measured:
        yield from (f"{device.name}: {line}" for line in _doubts(device))


def _stated_by_both(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    """Settings that only some programs have, and that two state differently."""
    for key, what in (("compute_units", "compute units"), ("mlx_tf32", "MLX's TF32")):
        values = {d.name: d.settings[key] for d in devices if d.settings.get(key) not in (None, {})}
        texts = {name: _setting(value) for name, value in values.items()}
        if len(set(texts.values())) > 1:
            yield f"{what}: " + "; ".join(f"{name} {text}" for name, text in texts.items())


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return usual(value)
    return {True: "on", False: "off"}.get(value, str(value))


def _doubts(device: MeasuredDevice) -> Iterator[str]:
    """Why the figures of one device are to be read with care."""
    assert device.bench is not None
    ended = device.bench.get("incomplete")
    if ended:
        yield f"incomplete, it ended {ended}"
    for item in device.measurements.values():
        line = drift_text(item["name"], item["unit"], counted(item))
        if line:
            yield line
    for item in device.measurements.values():
        if item.get("apart"):
            apart, runs = len(item["apart"]), len(item["values"])
            yield (
                f"{stage_title(item['name'])}: {apart} of {runs} runs are set apart, under another "
                "thermal state than the first"
            )
    before = (device.telemetry.get("before") or {}).get("thermal_state")
    after = (device.telemetry.get("after") or {}).get("thermal_state")
    if before != after:
        yield f"its thermal state went from {before} to {after} meanwhile"
    if device.self_test is None and not device.is_reference:
        yield "no self-test, nothing says that it computes what was recorded"


def _origins(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    """Bundles that were made from other tensors than a reference computes with.

    The bundle's manifest has digests of them, which some programs state; they hold for every result
    of that bundle.
    """
    known = {
        identity(d.content): d.subject["tensors_sha256"]
        for d in devices
        if "tensors_sha256" in d.subject
    }
    for one in (device for device in devices if device.is_reference):
        for other in (device for device in devices if identity(device.content) in known):
            ours, theirs = one.subject["tensors_sha256"], known[identity(other.content)]
            changed = [name for name in ours if theirs.get(name, ours[name]) != ours[name]]
            if changed:
                yield (
                    f"{other.name} computes with other weights than {one.name}: "
                    f"{', '.join(changed)}"
                )
        for other in (d for d in devices if identity(d.content) not in known):
            yield f"{other.name} does not state whether its weights are those of {one.name}"


def _exports(devices: Sequence[MeasuredDevice]) -> Iterator[str]:
    identities = {d.name: identity(d.content) for d in devices}
    if len(set(identities.values())) < 2:
        return
    sources = {d.subject.get("source") for d in devices}
    what = (
        f"the bundles are different exports of {sources.pop()}"
        if len(sources) == 1 and None not in sources
        else "the bundles are of different models, or do not say of which"
    )
    yield f"{what}: " + ", ".join(f"{name} {sha[:12]}…" for name, sha in identities.items())


def _quoted(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else f"{value:g}"
