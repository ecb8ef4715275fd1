"""What the demo found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.evaluation.results import Results
    from mobileo_export.evaluation.run import Done
    from mobileo_export.parity.findings import Findings

PAGE = "index.html"


@dataclass(frozen=True)
class Demo:
    """What the demo found.

    ``items`` are all that the bundle was asked for, in order; ``reference`` is PyTorch's picture of
    the first, [H, W, 3].
    """

    folder: Path
    findings: Findings
    results: Results
    items: tuple[Done, ...]
    manifest: dict[str, Any]
    seconds: dict[str, float]
    reference: NDArray[np.uint8] | None = None

    @property
    def page(self) -> Path:
        """What to open in a browser."""
        return self.folder / PAGE

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        from mobileo_export.parity.report import write as report

        return {
            "folder": str(self.folder),
            "page": str(self.page),
            "parity": report.findings_json(self.findings),
            "evaluation": self.results.to_json(),
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }
