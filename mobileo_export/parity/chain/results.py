"""What the chained comparison found: plain data, as JSON, and the pictures beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.json_file import json_ready

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.parity.gates import Against, Row
    from mobileo_export.parity.metrics import SliceError


@dataclass(frozen=True)
class ChainGate:
    """The bounds on a whole chain.

    Attributes:
        precision: the lowest that an artifact of the chain computes in.
        runtime: ``mil``, or ``coreml`` with its compute units.
        psnr: of the image, smallest allowed, in dB.
        latent: relative L2 of the latent after the last step, largest allowed.
        slice_floor: see ``metrics.compare``.
        provisional: not measured yet; an estimate that a measurement has to replace.
        against: what the pictures are held against, as of ``gates.Gate``.
    """

    precision: str
    runtime: str
    psnr: float
    latent: float
    slice_floor: float
    provisional: bool = False
    against: Against = "checkpoint"


@dataclass(frozen=True)
class Drift:
    """How far the artifacts' tensor is from the reference's at one place of the chain."""

    relative_l2: float
    worst: SliceError | None


@dataclass(frozen=True)
class ChainStep:
    """One denoising step, from 0: the guided velocity, and the latent after the step."""

    index: int
    timestep: float
    velocity: Drift
    latent: Drift


@dataclass(frozen=True)
class Pixels:
    """The 8-bit pictures: how many pixels differ in any color, and by how much at most."""

    differing: int
    total: int
    largest: int


@dataclass(frozen=True)
class Seconds:
    """Wall time of one side's chain; loading is not counted."""

    mcp: float = 0.0
    dit: float = 0.0
    vae_decoder: float = 0.0


@dataclass(frozen=True)
class ImageDrift:
    """The decoded images on float values.

    Attributes:
        psnr: dB, of the peak max |reference|.
        relative_l2: ‖found − reference‖ / ‖reference‖.
        max_absolute: largest difference, of values about −1 to 1.
        worst_patch: the patch that differs most.
        pixels: the same of the 8-bit pictures.
        amplified: factor of the difference picture, 1, 2 or 5 times a power of ten; 0 for none.
    """

    psnr: float
    relative_l2: float
    max_absolute: float
    worst_patch: SliceError | None
    pixels: Pixels
    amplified: float


@dataclass(frozen=True)
class ChainResult:
    """One chain: a prompt's hidden states to an image.

    Attributes:
        name: the language model's case that it starts from, and what it is held against where
            the same picture is held against two things.
        tokens: N of its hidden states.
        conditioning: of each branch of guidance.
        steps: the drift curve.
        image: at its end; None when the artifacts did not get there.
        rows: the gate, applied.
        reference_seconds: of the PyTorch side.
        artifact_seconds: of the artifacts; None when they did not get there.
        problem: why the artifacts did not get there.
        gate: what judged it, where that is not what judged all.
    """

    name: str
    tokens: int
    conditioning: dict[str, Drift]
    steps: tuple[ChainStep, ...]
    image: ImageDrift | None
    rows: tuple[Row, ...]
    reference_seconds: Seconds
    artifact_seconds: Seconds | None
    problem: str | None = None
    gate: ChainGate | None = None

    @property
    def ok(self) -> bool:
        """The image is there, and within every bound."""
        return self.problem is None and bool(self.rows) and all(row.holds for row in self.rows)


@dataclass(frozen=True)
class Pictures:
    """Two pictures and their amplified difference, each [H, W, 3] uint8 (the last is gray)."""

    reference: NDArray[np.uint8]
    artifact: NDArray[np.uint8]
    difference: NDArray[np.uint8]


@dataclass(frozen=True)
class ChainComparison:
    """All chains of a bundle against its checkpoint.

    Attributes:
        gate: what judged them; compressed weights are held against the checkpoint by another.
        drawing: steps, guidance and seed, the same on both sides.
        chains: one a prompt.
        pictures: by the chain's name, of chains that have an image.
        skipped: why nothing was compared, or None.
        unchecked: what the pictures were not held against, and why, or None.
    """

    gate: ChainGate
    drawing: dict[str, float]
    chains: tuple[ChainResult, ...]
    pictures: dict[str, Pictures]
    skipped: str | None = None
    unchecked: str | None = None

    @property
    def ok(self) -> bool:
        """Something was compared, and all of it holds; a skip is no pass."""
        return bool(self.chains) and all(chain.ok for chain in self.chains)

    def failures(self) -> list[str]:
        """One line a failed check; none for a chain that was skipped."""
        lines = []
        for chain in self.chains:
            if chain.problem is not None:
                lines.append(f"chain, {chain.name}: {chain.problem}")
            for row in chain.rows:
                if not row.holds:
                    text = f"{row.metric} is {row.value:.3g}, the gate is {row.limit:g}"
                    lines.append(f"chain, {chain.name}: {text}{_origin(chain)}")
        return lines


def as_json(found: ChainComparison) -> dict[str, Any]:
    """Everything but the pictures; what JSON has no number for is text (``Infinity``, ``NaN``)."""
    chains = [{**asdict(chain), "ok": chain.ok} for chain in found.chains]
    document: dict[str, Any] = json_ready(
        {
            "gate": asdict(found.gate),
            "drawing": found.drawing,
            "chains": chains,
            "skipped": found.skipped,
            "unchecked": found.unchecked,
            "ok": found.ok,
            "failures": found.failures(),
        }
    )
    return document


def _origin(chain: ChainResult) -> str:
    """Where the difference was already large: in the conditioning, or from which step on."""
    for branch, drift in chain.conditioning.items():
        if not drift.relative_l2 <= 1e-2:
            return f" (the {branch} conditioning is already {drift.relative_l2:.1e} off)"
    if not chain.steps:
        return ""
    first, last = chain.steps[0].velocity.relative_l2, chain.steps[-1].latent.relative_l2
    return f" (velocity of the first step {first:.1e} off, final latent {last:.1e})"
