"""The ``coreml`` runtime: Apple's own engine, on macOS."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import RuntimeUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mobileo_export.runtimes.base import Array

COMPUTE_UNITS = {
    "all": "ALL",
    "cpu_only": "CPU_ONLY",
    "cpu_and_gpu": "CPU_AND_GPU",
    "cpu_and_ne": "CPU_AND_NE",
}


class CoreMLSession:
    """A compiled package on chosen compute units."""

    def __init__(self, model: Any) -> None:
        self._model: Any = model

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays."""
        if self._model is None:
            raise UsageError("the session is closed")
        return dict(self._model.predict(dict(inputs)))

    def close(self) -> None:
        """Release the compiled model."""
        self._model = None


class CoreMLRuntime:
    """Executes ``.mlpackage`` files with Core ML; one of :data:`COMPUTE_UNITS` is preferred."""

    name = "coreml"

    def __init__(self, compute_units: str = "all") -> None:
        if compute_units not in COMPUTE_UNITS:
            raise UsageError(f"compute units are {', '.join(COMPUTE_UNITS)}, not {compute_units!r}")
        self._compute_units = compute_units

    def load(self, path: Path) -> CoreMLSession:
        """Compile and load the package.

        Raises:
            RuntimeUnavailableError: this machine has no Core ML.
        """
        if platform.system() != "Darwin":
            raise RuntimeUnavailableError(
                "the coreml runtime needs macOS; here --runtime mil executes the same package"
            )
        import coremltools as ct

        units = ct.ComputeUnit[COMPUTE_UNITS[self._compute_units]]
        return CoreMLSession(ct.models.MLModel(str(path), compute_units=units))
