"""The ``coreml`` runtime: Apple's own engine, on macOS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError
from mobileo_export.runtimes import registry
from mobileo_export.runtimes.base import opened

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

    def __init__(self, model: Any, compute_units: Any = None) -> None:
        self._model: Any = model
        self._units = compute_units

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays."""
        return dict(opened(self._model).predict(dict(inputs)))

    def again(self) -> CoreMLSession:
        """Another session of what this one compiled, which an app loads from its second start on.

        What was compiled is gone when this session is closed.
        """
        import coremltools as ct

        compiled = opened(self._model).get_compiled_model_path()
        return CoreMLSession(ct.models.CompiledMLModel(compiled, compute_units=self._units))

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
        registry.check_available([self.name])
        import coremltools as ct

        units = ct.ComputeUnit[COMPUTE_UNITS[self._compute_units]]
        return CoreMLSession(ct.models.MLModel(str(path), compute_units=units), units)
