"""What to do about each kind of cause: docs/explain.md shows the same texts."""

from __future__ import annotations

from mobileo_export.parity.explain.results import Divergence, Kind, LikelyCause

_REPORT = "if it comes back, report it with the --json output of this command"
_AGAIN = f"export the component again; {_REPORT}"
_LOWERING = (
    "install the tested versions (mobileo-export doctor names them) and export again: a lowering "
    f"or a graph pass of coremltools changed the operation; {_REPORT}"
)
FIXES: dict[Kind, str] = {
    "blocks permuted": f"check the order in which q, k and v are joined or split, then {_AGAIN}",
    "another tensor": f"check the names that the tensors are read under, then {_AGAIN}",
    "transposed": f"check the layout the weight is stored in, then {_AGAIN}",
    "zeroed": _AGAIN,
    "bias dropped": _LOWERING,
    "bit flipped": "the storage or a copy damaged it: copy the bundle again and test the medium",
    "scaled": f"check for a factor that is folded in twice or not at all, then {_AGAIN}",
    "rounded to float16": "export from the checkpoint's own values, not through float16; "
    "--precision float16 is for packages that are meant to be half",
    "rounded to bfloat16": "export from the checkpoint's own values, not through bfloat16",
    "not finite": "check the checkpoint with inspect; if it is finite there, export again",
    "stale statistics": "export in eval mode with the running statistics of the checkpoint; "
    f"{_REPORT}",
    "other values": "name the checkpoint that the bundle was made from, or export again",
    "requantized": "quantize from the checkpoint's values, not from an already quantized copy",
    "compressed otherwise": f"export the component again by the plan that it states; {_REPORT}",
    "epsilon": _LOWERING,
    "gelu approximation": _LOWERING,
    "other resampling": _LOWERING,
    "other activation": _LOWERING,
    "other geometry": _LOWERING,
    "float16 overflow": "keep this operation in float32 (converters/coreml/precision.py names "
    "such islands), or export with --precision float32",
    "input ignored": "a pass folded the input away, or the trace never saw it used: "
    f"trace with an input that matters, then {_AGAIN}",
    "other result": _LOWERING,
    "cannot run": _AGAIN,
    "wrong shape": _LOWERING,
    "unexplained": _LOWERING,
}
_UNSEALED = (
    "its files are not as sealed: they were changed or damaged later. "
    "Copy or download the bundle again, or export it again"
)


def divergence(cause: LikelyCause, symptom: str, unsealed: bool) -> Divergence:
    """What is told of a cause; files that changed after sealing come first, whatever they hold."""
    kind, place = cause.difference.kind, cause.place
    what = f"{kind} {place.blob}" if place.blob else kind
    advice = _UNSEALED if unsealed else FIXES[kind]
    return Divergence(kind, symptom, place, f"{what}: {cause.difference.detail}", advice)
