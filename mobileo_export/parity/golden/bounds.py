"""The bounds that a trace carries: those of ``parity.gates``, as numbers that any reader can apply.

A bound of each output for what executes artifacts exactly (``host``), and a wider one for devices
that compute in half precision or with kernels of their own (``device``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mobileo_export.components import COMPONENTS, LAYOUTS
from mobileo_export.parity import gates, means, metrics
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mobileo_export.components import Layout
    from mobileo_export.parity.gates import Gate

Executor = Literal["host", "device"]
# What a trace holds of a component beside its outputs: the language model's image projector.
_INNER = {"llm": ("projected_features",)}
EXACT = "exact"


@dataclass(frozen=True)
class Bound:
    """What an output must meet; None where nothing is asked. See docs/golden.md."""

    relative_l2: float | None = None
    worst_slice: float | None = None
    slice_floor: float = metrics.SLICE_FLOOR
    psnr: float | None = None
    max_absolute: float | None = None
    provisional: bool = False


# Five times and more what float32 rounding makes of guidance and solver over 20 steps, against
# double precision: 1.2e-7 of the whole, 1.3e-7 of a slice.
_ARITHMETIC = Bound(relative_l2=6e-7, worst_slice=1e-6)
_OWN: dict[str, tuple[Layout | None, Bound, Bound]] = {
    EXACT: (None, Bound(max_absolute=0.0), Bound(max_absolute=0.0)),
    "arithmetic": ("image", _ARITHMETIC, _ARITHMETIC),
    # One rounding of values of about 4; libraries' logarithms and cosines may differ before it.
    "noise": ("image", Bound(max_absolute=5e-7), Bound(max_absolute=5e-7)),
    # Pillow's bicubic filter works in integers: what remains is one division, 6e-8 of at most 1.
    "images": ("image", Bound(max_absolute=3e-7), Bound(psnr=35.0, provisional=True)),
}


def table(components: Mapping[str, Any]) -> dict[str, Any]:
    """The gates of a trace, by name, for the ``components`` of a manifest.

    Raises:
        UsageError: ``parity.gates`` has no row for an artifact.
    """
    found = {name: _entry(*own) for name, own in _OWN.items()}
    for component, spec in COMPONENTS.items():
        host, device = _of(component, components[component]["artifacts"][0])
        for output in (*_INNER.get(component, ()), *spec.layouts):
            layout = LAYOUTS.get(output, "sequence")
            found[output] = _entry(layout, _bound(host, layout), _bound(device, layout))
    return found


def as_gate(
    entry: Mapping[str, Any],
    executor: Executor,
    component: str,
    label: str,
    against: gates.Against = "checkpoint",
) -> Gate:
    """A gate of the index as ``parity.judge`` takes it."""
    bound = {name: limit for name, limit in entry[executor].items() if name != "max_absolute"}
    return gates.Gate(component, "float32", label, **bound, against=against)


def asks(entry: Mapping[str, Any]) -> bool:
    """Whether a gate of the index has, for either executor, a bound that damage can break."""
    layout = entry["layout"]
    names = ["relative_l2", "psnr", "max_absolute"]
    names += ["worst_slice"] if layout is not None and metrics.FAMILIES[layout] else []
    stated: tuple[Mapping[str, Any], ...] = (entry["host"], entry["device"])
    return layout is None or all(any(b[n] is not None for n in names) for b in stated)


def problem(
    entry: Mapping[str, Any], executor: Executor, reference: NDArray[Any], found: NDArray[Any]
) -> str | None:
    """What of a gate does not hold, None if all does."""
    told = metrics.unlike(reference, found)
    if told is not None:
        return told
    bound = entry[executor]
    if entry["layout"] is None:
        differing = int((found != reference).sum())
        return f"{differing} of {found.size} values differ" if differing else None
    measured = metrics.compare(reference, found, entry["layout"], bound["slice_floor"])
    rows = (
        ("largest difference", measured.max_absolute, bound["max_absolute"]),
        ("relative L2", measured.relative_l2, bound["relative_l2"]),
        ("worst slice", measured.worst_slice, bound["worst_slice"]),
        ("PSNR", -measured.psnr, None if bound["psnr"] is None else -bound["psnr"]),
    )
    for name, value, limit in rows:
        if limit is not None and value is not None and not value <= limit:
            return f"{name} is {abs(value):.2e}, the gate is {abs(limit):g}"
    return None if np.isfinite(found).all() else "holds values that are not finite"


def executor(runtime: str) -> Executor:
    """Which of the two bounds a runtime has to meet."""
    return "host" if registry.ENTRIES[runtime].exact else "device"


def _of(component: str, artifact: Mapping[str, Any]) -> tuple[Gate, Gate]:
    kind, stated = artifact["kind"], artifact["compute_precision"]

    def gate(runtime: str) -> Gate:
        precision = registry.ENTRIES[runtime].computes or stated
        label = registry.label(runtime, artifact["compute_units"])
        return gates.find(component, precision, label, against(artifact))

    return gate(registry.host(kind, stated)), gate(registry.device(kind))


def against(artifact: Mapping[str, Any]) -> gates.Against:
    """What was recorded for an ``artifact`` of a manifest, and what it is held against."""
    known = means.of(artifact["kind"])
    planned = bool(artifact.get("options", {}).get("rules"))
    compressed = planned and (known.graph or known.values)
    return "stored weights" if known.quantized or compressed else "checkpoint"


def _bound(gate: Gate, layout: Layout) -> Bound:
    return Bound(
        gate.relative_l2,
        gate.worst_slice if metrics.FAMILIES[layout] else None,
        gate.slice_floor,
        gate.psnr,
        provisional=gate.provisional,
    )


def _entry(layout: Layout | None, host: Bound, device: Bound) -> dict[str, Any]:
    return {"layout": layout, "host": asdict(host), "device": asdict(device)}
