"""A Mac that is none: Core ML is the evaluator, its commands say what a MacBook says."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coremltools as ct

from mobileo_export import memory
from mobileo_export.processes import host
from mobileo_export.processes.host import Host
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    import pytest

    from mobileo_export.runtimes.base import Session

NOMINAL = """Note: No thermal warning level has been recorded
Note: No performance warning level has been recorded
Note: No CPU power status has been recorded
"""
THROTTLED = """Note: No thermal warning level has been recorded
2026-11-27 14:00:00 +0100 CPU Power notify
\tCPU_Scheduler_Limit \t= 100
\tCPU_Available_CPUs \t= 12
\tCPU_Speed_Limit \t= 74
"""
BATTERY = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=23134307)\t83%; discharging; 6:14 remaining present: true
"""
SAID = {
    ("sysctl", "-n", "hw.model"): "Mac14,9\n",
    ("sysctl", "-n", "hw.memsize"): "17179869184\n",
    ("sysctl", "-n", "machdep.cpu.brand_string"): "Apple M2 Pro\n",
    ("sw_vers", "-buildVersion"): "25B78\n",
    ("ioreg", "-rc", "AGXAccelerator", "-d", "1"): '  | {\n  "gpu-core-count" = 19\n  }\n',
    ("pmset", "-g", "therm"): NOMINAL,
    ("pmset", "-g", "batt"): BATTERY,
    ("pmset", "-g"): "System-wide power settings:\n lowpowermode         0\n",
}
Change = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass
class FakeMac:
    """What is loaded and computed on it.

    Attributes:
        said: by commands.
        loaded: packages and what was compiled of them, with their units, in order.
        runs: of each package.
        change: is given a package's name and outputs, and gives others.
        footprint: bytes that the process has now.
    """

    root: Path
    said: dict[tuple[str, ...], str] = field(default_factory=lambda: dict(SAID))
    loaded: list[tuple[str, str]] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    change: Change = lambda name, outputs: outputs
    footprint: int = 100 << 20

    @property
    def host(self) -> Host:
        return Host(self.root, self._command)

    def _command(self, words: Sequence[str]) -> str | None:
        return self.said.get(tuple(words))

    def model(self, path: str, compute_units: ct.ComputeUnit) -> _Model:
        """In place of ``coremltools.models.MLModel`` and ``CompiledMLModel``."""
        assert isinstance(compute_units, ct.ComputeUnit)
        source = Path(path.removesuffix("c"))
        self.loaded.append((Path(path).name, compute_units.name))
        self.footprint += 50 << 20
        return _Model(self, source, registry.load("mil")().load(source))


@dataclass
class _Model:
    mac: FakeMac
    path: Path
    session: Session

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.mac.runs[self.path.stem] = self.mac.runs.get(self.path.stem, 0) + 1
        return self.mac.change(self.path.stem, self.session.run(inputs))

    def get_compiled_model_path(self) -> str:
        return f"{self.path}c"


def install(monkeypatch: pytest.MonkeyPatch, root: Path) -> FakeMac:
    """Make this process believe that it runs on a Mac."""
    mac = FakeMac(root)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "platform", lambda **named: "macOS-26.1")
    monkeypatch.setattr(ct.models, "MLModel", mac.model)
    monkeypatch.setattr(ct.models, "CompiledMLModel", mac.model)
    monkeypatch.setattr(memory, "_usage", lambda: (mac.footprint, mac.footprint + (1 << 20)))
    monkeypatch.setattr(host, "Host", lambda: mac.host)
    return mac
