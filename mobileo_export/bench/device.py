"""A device as a page has it: its benchmark, its self-test, or both, and what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mobileo_export.bench.results import strain


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
    def subject(self) -> Mapping[str, Any]:
        """The bundle, or the checkpoint whose references were measured."""
        return subject(self.content)

    @property
    def is_reference(self) -> bool:
        """Whether it is a checkpoint's PyTorch reference that was measured."""
        return "checkpoint" in self.content

    @property
    def runtime(self) -> str:
        """What executed the artifacts."""
        if self.bench:
            return str(self.bench["runtime"])
        return ", ".join(dict.fromkeys(c["runtime"] for c in self.content["components"]))

    @property
    def precision(self) -> str:
        """What its components compute in, see :func:`usual`."""
        return usual(self.subject.get("precision") or {}) or "not stated"

    @property
    def failures(self) -> tuple[str, ...]:
        """Stages that gave no figure, and what is not as recorded, a line each."""
        lines = list(self.bench.get("failures", ())) if self.bench else []
        if self.self_test and not self.self_test["passed"]:
            lines += self.self_test["failures"]
        return tuple(lines)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the benchmark; empty without one."""
        return self.bench["settings"] if self.bench else {}

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


def counted(item: Mapping[str, Any]) -> list[float]:
    """The values that a measurement's figures are of."""
    apart = item.get("apart", ())
    return [value for place, value in enumerate(item["values"]) if place not in apart]


def usual(found: Mapping[str, str]) -> str:
    """``float32, llm float16``: what most components have, and the others by name."""
    if not found:
        return ""
    most, _ = Counter(found.values()).most_common(1)[0]
    others = [f"{name} {value}" for name, value in sorted(found.items()) if value != most]
    return ", ".join([most, *others])


def subject(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a result is of: the bundle, or the checkpoint whose references were measured."""
    found: Mapping[str, Any] = content["checkpoint" if "checkpoint" in content else "bundle"]
    return found


def label(content: Mapping[str, Any]) -> str | None:
    """What a result calls its device; None if it does not."""
    machine = content["machine"]
    found = machine.get("model") or machine.get("system")
    return None if found is None else str(found)


def identity(content: Mapping[str, Any]) -> str:
    """The bundle's, of a result; or the checkpoint's."""
    found = subject(content)
    return str(found.get("manifest_sha256") or found["fingerprint"])
