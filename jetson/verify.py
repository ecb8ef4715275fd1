"""Are a bundle's files as they were sealed, and its engines as they were built?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import seal
from mobileo_export.errors import BundleError
from mobileo_export.jetson import engines as plan
from mobileo_export.runtimes.tensorrt import engine
from mobileo_export.runtimes.tensorrt.runtime import Device


def files(bundle: Path, content: dict[str, Any]) -> list[str]:
    """One line for every file that is not as the manifest ``content`` has it."""
    found = seal.verify(bundle, content)
    return [f"{problem.kind} {problem.path} ({problem.detail})" for problem in found]


def engines(bundle: Path, device: Device | None = None) -> list[str]:
    """One line for every engine that is missing, damaged or not for this machine.

    Raises:
        RuntimeUnavailableError: there is no TensorRT or no device here.
    """
    device = device or Device.here()
    target = engine.target(device.library, device.cuda)
    problems = []
    for planned in plan.engines(bundle):
        where = planned.where
        try:
            expected = stamp.check(where, target)
        except BundleError as error:
            problems.append(str(error))
            continue
        if seal.digest(where.engine) != expected.sha256:
            problems.append(f"{where.engine}: its contents changed since it was built")
    return problems
