"""What storing by a plan came to: of each matrix its form, bits and error, and what did not fit."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export.compression.plan import matrices
from mobileo_export.compression.schemes import relative
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan

MAP = ".compression.json"  # the suffix of the table of matrices beside an artifact
_SHOWN = 3  # names in a message
_HALF = 16  # bits


@dataclass(frozen=True)
class StoredMatrix:
    """How one matrix was stored.

    Attributes:
        form: its scheme; ``float16`` and ``float32`` where that is exact or half.
        elements: of it.
        bits: of all that is stored of it.
        apart: the square of what is stored less the values in the type that is computed in.
        whole: the square of those values.
        misfit: why the scheme that was asked for does not fit, with its name.
        calibrated: whether its rounding lay ready beside the plan.
    """

    form: str
    elements: int
    bits: int
    apart: float
    whole: float
    misfit: str | None = None
    calibrated: bool = False

    @property
    def error(self) -> float:
        """Relative L2."""
        return relative(self.apart, self.whole)


@dataclass
class Storage:
    """What the tensors of floats in the weight file take.

    Attributes:
        matrices: by their names in a plan.
        sizes: elements and bits by form, of all tensors; one that several matrices share counts
            once.
    """

    matrices: dict[str, StoredMatrix] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def elements(self) -> int:
        """Of all tensors."""
        return sum(elements for elements, _ in self.sizes.values())

    def stated(self) -> dict[str, Any]:
        """For the manifest."""
        if not self.elements:
            return {}
        bits = sum(bits for _, bits in self.sizes.values())
        found = {
            "average_bits": round(bits / self.elements, 3),
            "float32_elements": self.sizes.get("float32", (0, 0))[0],
            "forms": {
                form: {"elements": elements, "bytes": -(-bits // 8)}
                for form, (elements, bits) in sorted(self.sizes.items())
            },
        }
        if self.matrices:
            every = self.matrices.values()
            apart, whole = (math.fsum(getattr(m, n) for m in every) for n in ("apart", "whole"))
            found |= {
                "relative_error": _rounded(relative(apart, whole)),
                "largest_error": _rounded(max(matrix.error for matrix in every)),
                "misfits": sum(matrix.misfit is not None for matrix in every),
            }
        return found

    def write(self, path: Path) -> None:
        """Write the table of matrices as JSON, one a line."""
        lines = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(_entry(matrix), sort_keys=True)}"
            for name, matrix in sorted(self.matrices.items())
        )
        path.write_text('{"schema_version": 1, "matrices": {\n' + lines + "\n}}\n")

    def count(self, form: str, elements: int, bits: int) -> None:
        """Add one tensor."""
        before = self.sizes.get(form, (0, 0))
        self.sizes[form] = (before[0] + elements, before[1] + bits)


def _entry(matrix: StoredMatrix) -> dict[str, Any]:
    """As the table has it; the same digits on every machine."""
    entry: dict[str, Any] = {"form": matrix.form, "elements": matrix.elements, "bits": matrix.bits}
    entry["error"] = _rounded(matrix.error)
    entry |= {"calibrated": True} if matrix.calibrated else {}
    return entry if matrix.misfit is None else {**entry, "misfit": matrix.misfit}


def _rounded(error: float) -> float:
    return float(f"{error:.3g}")


def misfits(
    plan: CompressionPlan, spec: ComponentSpec, model: ModelConfig, bits: int = _HALF
) -> str | None:
    """What the schemes of a plan do not fit, in one line; ``bits`` are those of a weight then."""
    left, elements = {}, 0
    for name, shape in matrices(spec, model).items():
        asked = plan.asked(spec.name, name)
        if reason := asked.misfit(shape):
            left[name] = f"{name} ({asked}: {reason})"
            elements += math.prod(shape)
    if not left:
        return None
    more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    return (
        f"{spec.name}: {len(left)} matrices of {bytes_text(bits // 8 * elements)} as float{bits} "
        f"stay exact, their schemes do not fit: {', '.join(list(left.values())[:_SHOWN])}{more}"
    )
