"""The work in each stage of a bundle: its calls, how often, and what a floor is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.bench.bundle_cost import LANGUAGE_MODEL, BundleCost
from mobileo_export.bench.cost import CallCost, FloatWidth
from mobileo_export.bench.language_cost import LanguageCall
from mobileo_export.components import SEQUENCE
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bench.reference_cost import ReferenceCost

    Countable = BundleCost | ReferenceCost

PRECISIONS: tuple[FloatWidth, ...] = ("float32", "float16")


@dataclass(frozen=True)
class CallWork:
    """What a floor needs to know of a call in one precision.

    Attributes:
        flops: of products.
        stored: bytes of weights as they lie in the file.
        widened: bytes of weights as they are computed with.
        moved: bytes of inputs and outputs; what lies between may stay in caches.
        profile: how many operations have so many FLOPs and so many bytes each, all that they read
            and write among them.
    """

    flops: int
    stored: int
    widened: int
    moved: int
    profile: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, call: CallCost) -> CallWork:
        """The sums of a call."""
        alike = Counter((op.flops, op.stored + op.moved) for op in call.operations)
        profile = tuple((count, *each) for each, count in sorted(alike.items()))
        total, moved = call.total, call.inputs + call.outputs
        return cls(total.flops, total.stored, total.widened, moved, profile)


@dataclass(frozen=True)
class StagePart:
    """Calls of one component in a stage, all alike; ``work`` of one call by precision."""

    component: str
    times: int
    work: Mapping[str, CallWork]


@dataclass(frozen=True)
class StageWork:
    """One stage, by the name that a benchmark has for it."""

    name: str
    parts: tuple[StagePart, ...]

    def flops(self) -> int:
        """Of all its calls."""
        return sum(part.times * part.work[PRECISIONS[0]].flops for part in self.parts)


@dataclass(frozen=True)
class WorkSizes:
    """What decides how much there is to do.

    Attributes:
        prompt: tokens that a picture is drawn from.
        question: tokens of text beside a picture that is asked about.
        steps: of a picture.
        branches: of guidance; 1 without it.
    """

    prompt: int
    question: int
    steps: int
    branches: int

    @classmethod
    def of(
        cls,
        content: Mapping[str, Any],
        *,
        prompt: int | None = None,
        question: int | None = None,
        steps: int | None = None,
    ) -> WorkSizes:
        """A bundle's own, by its manifest: steps and guidance of its recipe, usual prompts."""
        sampling = content["recipe"]["sampling"]
        return cls(
            prompt or SEQUENCE.default,
            question or _QUESTION,
            steps or sampling["steps"],
            1 + (sampling["guidance_scale"] != 1),
        )


_QUESTION = 32  # a question of ten words in the recipe's template


@dataclass(frozen=True)
class Workload:
    """The stages of a bundle."""

    sizes: WorkSizes
    stages: tuple[StageWork, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Workload:
        """The inverse of :meth:`as_json`."""

        def work(entry: Mapping[str, Any]) -> CallWork:
            profile = tuple((row[0], row[1], row[2]) for row in entry["profile"])
            return CallWork(**{**entry, "profile": profile})

        stages = tuple(
            StageWork(
                stage["name"],
                tuple(
                    StagePart(
                        part["component"],
                        part["times"],
                        {precision: work(entry) for precision, entry in part["work"].items()},
                    )
                    for part in stage["parts"]
                ),
            )
            for stage in content["stages"]
        )
        return cls(WorkSizes(**content["sizes"]), stages)


def of(bundle: Path, sizes: WorkSizes | None = None, progress: OnProgress = ignore) -> Workload:
    """Count the work of every stage whose components ``bundle`` has.

    Raises:
        BundleError: it is no bundle, or an artifact is damaged.
        UsageError: a size is out of an artifact's bounds.
        MissingDependencyError: what follows a graph is not installed.
    """
    cost = BundleCost(bundle)
    return counted(cost, sizes or WorkSizes.of(cost.content), progress)


def counted(cost: Countable, sizes: WorkSizes, progress: OnProgress = ignore) -> Workload:
    """Count the work of every stage whose components ``cost`` has; raises what its calls raise."""
    parts: dict[str, StagePart] = {}
    for name, count in _parts(cost, sizes).items():
        progress(Progress("counting", name, len(parts), len(_COMPONENTS)))
        if _COMPONENTS[name] in cost.names:
            parts[name] = StagePart(
                _COMPONENTS[name], 1, dict(zip(PRECISIONS, map(CallWork.of, count()), strict=True))
            )
    return Workload(sizes, tuple(_stages(parts, sizes, cost)))


# A call by the stage that it makes, and of which component.
_COMPONENTS: Mapping[str, str] = {
    "vision_encoder": "vision_encoder",
    "prefill": LANGUAGE_MODEL,
    "decode_rate": LANGUAGE_MODEL,
    "llm": LANGUAGE_MODEL,
    "mcp": "mcp",
    "dit_step": "dit",
    "vae_decoder": "vae_decoder",
}


def _parts(cost: Countable, sizes: WorkSizes) -> dict[str, Callable[[], tuple[CallCost, ...]]]:
    """How a call of each stage is counted in each precision."""

    def called(name: str, rows: int = 1) -> Callable[[], tuple[CallCost, ...]]:
        return lambda: cost.calls(name, PRECISIONS, rows, N=sizes.prompt)

    def read(asked: LanguageCall) -> Callable[[], tuple[CallCost, ...]]:
        return lambda: cost.reads(asked, PRECISIONS)

    positions = sizes.question + cost.image_tokens
    return {
        "vision_encoder": called("vision_encoder"),
        "prefill": read(LanguageCall(positions, image=True)),
        "decode_rate": read(LanguageCall(1, past=positions)),
        "llm": read(LanguageCall(sizes.prompt, head=False)),
        "mcp": called("mcp"),
        "dit_step": called("dit", _rows(cost, sizes)),
        "vae_decoder": called("vae_decoder"),
    }


def _rows(cost: Countable, sizes: WorkSizes) -> int:
    """Branches of guidance that one call of the transformer takes."""
    return min(sizes.branches, cost.rows("dit")) if "dit" in cost.names else 1


def _stages(
    parts: Mapping[str, StagePart], sizes: WorkSizes, cost: Countable
) -> Iterator[StageWork]:
    """The stages of which all parts are there, in a benchmark's order."""
    step = {"dit_step": -(-sizes.branches // _rows(cost, sizes))}
    projected = {"mcp": sizes.branches}
    drawn = {"dit_step": sizes.steps * step["dit_step"]}
    taken: dict[str, Mapping[str, int]] = {
        "vision_encoder": {"vision_encoder": 1},
        "prefill": {"prefill": 1},
        "time_to_first_token": {"vision_encoder": 1, "prefill": 1},
        "decode_rate": {"decode_rate": 1},
        "llm": {"llm": 1},
        "mcp": projected,
        "dit_step": step,
        "vae_decoder": {"vae_decoder": 1},
        "image": {"llm": 1, **projected, **drawn, "vae_decoder": 1},
    }
    for name, calls in taken.items():
        if calls.keys() <= parts.keys():
            found = (
                StagePart(parts[call].component, times, parts[call].work)
                for call, times in calls.items()
            )
            yield StageWork(name, tuple(found))
