"""How far an array is from its reference: every figure in float64, computed in one place.

Whole-tensor figures hide local damage (one ruined token in 256 costs a PSNR little), and cosine is
blind to scale; so every comparison also looks at slices (tokens, channels, patches) and names the
worst one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.components import Layout

    Wide = NDArray[np.float64]

# What the last axes mean: [N, C] tokens and their channels; [C, H, W] of an image or a latent;
# [V] scores over a vocabulary. Axes before them are batches or layers.
Family = Literal["token", "channel", "patch"]
FAMILIES: dict[Layout, tuple[Family, ...]] = {
    "sequence": ("token", "channel"),
    "image": ("channel", "patch"),
    "logits": (),
}
_RANK: dict[Layout, int] = {"sequence": 2, "image": 3, "logits": 1}
_LARGEST = 1e150  # times the reference's peak: what lies above has no square in float64
# Where a text may go on in many ways, rounding decides which of two tokens is the largest.
TIE = 0.9
# A slice of nearly nothing is measured against this share of the rms slice norm instead.
SLICE_FLOOR = 1e-3


@dataclass(frozen=True)
class SliceError:
    """The slice of one family that differs most.

    Attributes:
        family: which family it belongs to.
        index: its index within the family, such as (17,) or (row, column) of a patch.
        error: ‖found − reference‖ / max(‖reference‖, slice floor · rms slice norm).
        cosine: of the slice itself; NaN when it holds a value that is not finite.
    """

    family: Family
    index: tuple[int, ...]
    error: float
    cosine: float

    def __str__(self) -> str:
        return f"{self.family} {','.join(map(str, self.index))}"


@dataclass(frozen=True)
class Metrics:
    """Figures of one comparison. With a value that is not finite every error is infinite.

    Attributes:
        finite_share: share of positions that are finite in both arrays.
        max_absolute: largest |found − reference|.
        mean_absolute: mean |found − reference|.
        relative_l2: ‖found − reference‖ / ‖reference‖; infinite when only the reference is zero.
        psnr: dB, of the peak max |reference|; infinite for equal arrays.
        snr: dB, of the reference's energy.
        cosine: of the flattened arrays; 1 when both are zero, 0 when one is.
        worst: the worst slice of each family, the worst of all first.
        kl: nats, KL(softmax reference ‖ softmax found), mean over rows; of logits only.
        top1: share of rows whose largest entry is the reference's, or one that the reference holds
            at least :data:`TIE` times as probable as its own; of logits only.
    """

    finite_share: float
    max_absolute: float
    mean_absolute: float
    relative_l2: float
    psnr: float
    snr: float
    cosine: float
    worst: tuple[SliceError, ...]
    kl: float | None = None
    top1: float | None = None

    @property
    def worst_slice(self) -> float | None:
        """The error of the worst slice; None for a tensor that has no slices, such as logits."""
        return self.worst[0].error if self.worst else None

    @property
    def worst_token(self) -> float | None:
        """The error of the worst token; None for a tensor that has no tokens."""
        return next((item.error for item in self.worst if item.family == "token"), None)

    @property
    def worst_cosine(self) -> float | None:
        """The smallest cosine of the worst slices; None for a tensor that has no slices."""
        return min((item.cosine for item in self.worst), default=None)


def compare(
    reference: NDArray[Any],
    found: NDArray[Any],
    layout: Layout,
    slice_floor: float = SLICE_FLOOR,
) -> Metrics:
    """Measure ``found`` against ``reference``; both floating, of one shape.

    Args:
        reference: what should be computed.
        found: what was computed.
        layout: what the axes mean, see :data:`Layout`.
        slice_floor: a slice below this share of the rms slice norm counts as that large.

    Raises:
        TypeError: an array does not hold float16, float32 or float64; unsigned integers in
            particular would wrap around in a subtraction.
        ValueError: the shapes differ or do not fit the layout, or there are no values.
    """
    return Truth(reference, layout, slice_floor).compare(found)


def unlike(reference: NDArray[Any], found: NDArray[Any]) -> str | None:
    """Why the two cannot be compared, in words; None for one shape and type."""
    if found.shape == reference.shape and found.dtype == reference.dtype:
        return None
    return (
        f"is {found.dtype} {list(found.shape)}, expected {reference.dtype} {list(reference.shape)}"
    )


class Truth:
    """A reference, with what every comparison with it needs, computed once.

    The arguments and the errors are those of :func:`compare`.
    """

    def __init__(
        self, reference: NDArray[Any], layout: Layout, slice_floor: float = SLICE_FLOOR
    ) -> None:
        _check_type("reference", reference)
        if reference.size == 0:
            raise ValueError("there are no values to compare")
        if reference.ndim < _RANK[layout]:
            raise ValueError(f"shape {reference.shape} is no {layout}")
        self._layout: Layout = layout
        self._shape = reference.shape
        self._finite = np.isfinite(reference)
        self._whole = bool(self._finite.all())
        if not self._whole:  # then every comparison ends at that
            return
        # A power of two is exact, and keeps the squares of float64 values within range.
        self._exponent = -math.frexp(float(np.abs(reference).max()))[1]
        self._values: Wide = np.ldexp(reference.astype(np.float64), self._exponent)
        self._energy = _energy(self._values)
        self._peak = float(np.abs(self._values).max())
        self._families = [
            _Family.of(family, slices(self._values, layout, family), slice_floor)
            for family in FAMILIES[layout]
        ]

    def compare(self, found: NDArray[Any]) -> Metrics:
        """Measure ``found``, of the reference's shape, against it."""
        _check_type("found", found)
        if self._shape != found.shape:
            raise ValueError(f"found has shape {found.shape}, the reference {self._shape}")
        layout = self._layout
        finite = self._finite & np.isfinite(found)
        if not finite.all():
            return _not_finite(finite, layout)
        truth, exponent = self._values, self._exponent
        with np.errstate(over="ignore"):
            value = np.ldexp(found.astype(np.float64), exponent)
        if float(np.abs(value).max()) > _LARGEST:
            return _not_finite(np.abs(value) <= _LARGEST, layout, share=1.0)
        error = value - truth
        noise = _energy(error)
        absolute = np.abs(error)
        worst = [family.worst(slices(value, layout, family.name)) for family in self._families]
        return Metrics(
            finite_share=1.0,
            max_absolute=_unscaled(float(absolute.max()), exponent),
            mean_absolute=_unscaled(float(absolute.mean()), exponent),
            relative_l2=math.sqrt(_quotient(noise, self._energy)),
            psnr=_decibel(self._peak**2, noise / truth.size),
            snr=_decibel(self._energy, noise),
            cosine=_cosine(truth, value),
            worst=tuple(sorted(worst, key=lambda item: -item.error)),
            kl=_divergence(truth, value, exponent) if layout == "logits" else None,
            top1=_top1(truth, value, exponent) if layout == "logits" else None,
        )


def _check_type(name: str, array: NDArray[Any]) -> None:
    if array.dtype not in (np.float16, np.float32, np.float64):
        raise TypeError(f"{name} is {array.dtype}; compare float16, float32 or float64 arrays")


@dataclass(frozen=True)
class Slices:
    """One family of slices: ``values`` [slices, values a slice], ``shape`` of their index."""

    values: NDArray[Any]
    shape: tuple[int, ...]


def slices(array: NDArray[Any], layout: Layout, family: Family) -> Slices:
    """Cut ``array`` into the slices of a family; a leading axis of size 1 is no part of the index.

    Patches are squares over all channels, a sixteenth of the image's side and at least 4 wide;
    those at the right and lower edge may be smaller (they are filled up with zeros).
    """
    lead = array.shape[: -_RANK[layout]]
    lead = lead[1:] if lead[:1] == (1,) else lead
    if family == "token":
        return Slices(array.reshape(-1, array.shape[-1]), (*lead, array.shape[-2]))
    if family == "channel" and layout == "sequence":
        tokens, channels = array.shape[-2:]
        return Slices(array.swapaxes(-1, -2).reshape(-1, tokens), (*lead, channels))
    channels, height, width = array.shape[-3:]
    if family == "channel":
        return Slices(array.reshape(-1, height * width), (*lead, channels))
    side = max(4, -(-max(height, width) // 16))
    rows, columns = -(-height // side), -(-width // side)
    padding = [(0, 0)] * (array.ndim - 2)
    padding += [(0, rows * side - height), (0, columns * side - width)]
    grid = np.pad(array, padding).reshape(-1, channels, rows, side, columns, side)
    patches = grid.transpose(0, 2, 4, 1, 3, 5).reshape(-1, channels * side * side)
    return Slices(patches, (*lead, rows, columns))


@dataclass(frozen=True)
class _Family:
    """The reference's slices of one family; ``least`` is what an error is divided by."""

    name: Family
    truth: Slices
    least: Wide

    @classmethod
    def of(cls, name: Family, truth: Slices, slice_floor: float) -> _Family:
        norms = np.sqrt((truth.values**2).sum(-1))
        floor = slice_floor * math.sqrt(float((norms**2).mean()))
        return cls(name, truth, np.maximum(norms, floor))

    def worst(self, value: Slices) -> SliceError:
        errors = np.sqrt(((value.values - self.truth.values) ** 2).sum(-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(errors == 0, 0.0, errors / self.least)
        place = int(np.argmax(relative))
        return SliceError(
            self.name,
            tuple(map(int, np.unravel_index(place, self.truth.shape))),
            float(relative[place]),
            _cosine(self.truth.values[place], value.values[place]),
        )


def _not_finite(finite: NDArray[np.bool_], layout: Layout, share: float | None = None) -> Metrics:
    worst = []
    for family in FAMILIES[layout]:
        cut = slices(~finite, layout, family)
        place = int(np.argmax(cut.values.any(-1)))
        index = tuple(map(int, np.unravel_index(place, cut.shape)))
        worst.append(SliceError(family, index, math.inf, math.nan))
    logits = layout == "logits"
    return Metrics(
        finite_share=float(finite.mean()) if share is None else share,
        max_absolute=math.inf,
        mean_absolute=math.inf,
        relative_l2=math.inf,
        psnr=-math.inf,
        snr=-math.inf,
        cosine=math.nan,
        worst=tuple(worst),
        kl=math.inf if logits else None,
        top1=0.0 if logits else None,
    )


def _energy(array: Wide) -> float:
    return float((array**2).sum())


def _quotient(part: float, whole: float) -> float:
    if whole == 0:
        return 0.0 if part == 0 else math.inf
    return float(part / whole)


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return -math.inf if signal == 0 else 10 * math.log10(signal / noise)


def _cosine(truth: Wide, value: Wide) -> float:
    a, b = truth.reshape(-1), value.reshape(-1)
    lengths = math.sqrt(_energy(a)) * math.sqrt(_energy(b))
    if lengths == 0:
        return 1.0 if not (a.any() or b.any()) else 0.0
    return min(1.0, max(-1.0, float(a @ b) / lengths))


def _unscaled(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, -exponent)
    except OverflowError:
        return math.inf


def _divergence(truth: Wide, value: Wide, exponent: int) -> float:
    """KL(reference ‖ found) in nats, of the arrays scaled back to what they were."""
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float64 it is not a number
        p, q = (_log_softmax(np.ldexp(array, -exponent)) for array in (truth, value))
        mean = float((np.exp(p) * (p - q)).sum(-1).mean())
    return 0.0 if mean < 0 else mean  # rounding; of what is not a number max() would make a 0


def _log_softmax(scores: Wide) -> Wide:
    shifted: Wide = scores - scores.max(-1, keepdims=True)
    normalised: Wide = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalised


def _top1(truth: Wide, value: Wide, exponent: int) -> float:
    chosen = np.take_along_axis(truth, value.argmax(-1)[..., None], -1)[..., 0]
    with np.errstate(over="ignore"):
        tied = np.ldexp(-math.log(TIE), exponent)
    return float((truth.max(-1) - chosen <= tied).mean())
