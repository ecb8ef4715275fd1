"""Core ML itself, on a Mac: each package on each choice of compute units, loaded cold and warm."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mobileo_export import targets
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.compare import check_origin, compare_component
from mobileo_export.runtimes.coreml import COMPUTE_UNITS, CoreMLRuntime

if TYPE_CHECKING:
    from .plugin import Parity

PACKAGES = [
    spec.name for spec in COMPONENTS.values() if targets.form(spec, "ios").kind == "mlpackage"
]
UNITS = [
    pytest.param(units, marks=[] if units == "cpu_only" else [pytest.mark.gpu])
    for units in COMPUTE_UNITS
]
pytestmark = [
    pytest.mark.macos,
    pytest.mark.skipif(platform.system() != "Darwin", reason="Core ML needs macOS"),
]


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("component", PACKAGES)
def test_every_compute_unit_lies_within_its_gate(
    parity: Parity, component: str, units: str, record_property: Callable[[str, object], None]
) -> None:
    if component not in parity.content["components"]:
        pytest.skip(f"{parity.bundle} has no {component}")
    spec = COMPONENTS[component]
    check_origin(parity.bundle, parity.content, parity.checkpoint, spec)
    artifact = parity.content["components"][component]["artifacts"][0]
    started = time.perf_counter()
    session = CoreMLRuntime(units).load(parity.bundle / artifact["path"])
    record_property("cold_load_seconds", round(time.perf_counter() - started, 3))
    started = time.perf_counter()
    session.again()
    record_property("warm_load_seconds", round(time.perf_counter() - started, 3))
    results = compare_component(
        parity.bundle, parity.content, spec, parity.references, "coreml", units
    )
    for result in results:
        assert result.ok, result
