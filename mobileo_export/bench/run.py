"""A model measured stage by stage; what was measured stays when a stage fails or is interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export.bench import tasks
from mobileo_export.bench.heat import ThermalWatch
from mobileo_export.bench.measurement import Measurement, Published, measure
from mobileo_export.bench.meter import Meter
from mobileo_export.bench.stages import STAGES, load_definition
from mobileo_export.components import SEQUENCE
from mobileo_export.errors import CheckFailedError, UsageError
from mobileo_export.pipelines import schedule
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from mobileo_export.bench.loaded import LoadedComponents
    from mobileo_export.pipelines.model import Model

LOAD_ORDER = NEEDS["edit"]  # every one, in the order in which they are loaded
_FACTORS = {"ms": 1000.0, "s": 1.0, "tokens/s": 1.0}


@dataclass(frozen=True)
class Settings:
    """How often, how long, how many.

    Attributes:
        runs: that count, of every stage but pictures.
        warmups: before them.
        image_runs: pictures that count.
        image_warmups: before them.
        tokens: after the first, for tokens a second.
        steps: of a picture; None for the recipe's.
        seed: of all noise.
    """

    runs: int = 30
    warmups: int = 5
    image_runs: int = 10
    image_warmups: int = 2
    tokens: int = 64
    steps: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise UsageError unless something is measured."""
        if min(self.runs, self.image_runs, self.tokens) < 1:
            raise UsageError("--runs, --image-runs and --tokens: choose at least 1")
        if min(self.warmups, self.image_warmups) < 0:
            raise UsageError("--warmups and --image-warmups: choose 0 or more")
        if self.steps is not None:
            schedule.check_steps(self.steps)


@dataclass
class Bench:
    """One benchmark while it goes on.

    Attributes:
        components: what is measured.
        model: for what takes a tokenizer; None without a language model.
        settings: how often.
        published: figures to stand beside ours, by stage.
        progress: called as runs are done.
        meter: of memory.
        heat: which runs were under the thermal state that all began under.
        measurements: what was measured until now.
        failures: of stages that gave no figure, a line each.
        notes: what a reader should know.
        hot: stages of which all runs were under other thermal states, by these.
        ended: where it was interrupted; None if it was not.
        peak: of the processor, where that ran components; see ``machine_peak``.
    """

    components: LoadedComponents
    model: Model | None
    settings: Settings
    published: Mapping[str, Published] = field(default_factory=dict)
    progress: OnProgress = ignore
    meter: Meter = field(default_factory=Meter)
    heat: ThermalWatch = field(default_factory=ThermalWatch)
    measurements: list[Measurement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hot: dict[str, list[str]] = field(default_factory=dict)
    ended: str | None = None
    peak: dict[str, float] | None = None
    _broken: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Measure every stage whose components take part.

        Raises:
            MobileoError: a component cannot be loaded or run.
        """
        here = [name for name in LOAD_ORDER if name in self.components.runtimes]
        self.heat.begin()
        if self.model is not None:
            self.model.open_component, self.model.keep = self.components.lend, self.components.keep
        for place, name in enumerate(here):
            self.progress(Progress("loading", name, place, len(here)))
            self.ended = f"in the loading of {name}"
            with self.meter.watch("loading"):
                self.components.load(name)
            self._loads(name)
            with self.components.session(name) as session:
                for stage, once in self.stages_of(name, session):
                    self._stage(stage, once)
        self.progress(Progress("loading", "done", len(here), len(here)))
        self._first_text()
        self._picture()
        self.ended = None

    @property
    def drawing(self) -> Drawing:
        """How pictures are drawn."""
        recipe = self.components.subject.recipe
        return Drawing.of(recipe, self.settings.steps, seed=self.settings.seed)

    @property
    def branches(self) -> int:
        """Of guidance: 2, or 1 where there is none."""
        return 1 + (self.drawing.guidance != 1)

    @property
    def length(self) -> int:
        """How many tokens condition a picture: those of the prompt, if there is a tokenizer."""
        if self.model is None:
            return SEQUENCE.default
        return int(tasks.caption(self.model).input_ids.shape[1])

    @property
    def question(self) -> int:
        """How many tokens of text stand beside the picture that is asked about."""
        if self.model is None:
            return SEQUENCE.low
        return int(tasks.question(self.model, self.settings.tokens).input_ids.shape[1]) - 1

    def stages_of(self, name: str, session: Any) -> Iterator[tuple[str, tasks.Once]]:
        """The stages of one component; arrays are made as it is asked for them."""
        model, seed = self.model, self.settings.seed
        signature = self.components.subject.inputs(name)
        if name == "vision_encoder":
            if model is not None:
                yield "preprocessing", tasks.preparing(model, seed)
            yield name, tasks.looking(session, signature, seed)
        elif name == "llm" and model is not None:
            asked, features = (
                tasks.question(model, self.settings.tokens),
                tasks.features(signature, seed),
            )
            yield "prefill", tasks.reading(session, asked, features)
            yield (
                "decode_rate",
                tasks.answering(session, asked, features, self.settings.tokens),
            )
            yield name, tasks.conditioning(session, tasks.caption(model))
        elif name == "mcp":
            yield name, tasks.projecting(session, signature, self.length, self.branches, seed)
        elif name == "dit":
            once = tasks.stepping(session, signature, self.length, self.branches, seed)
            yield "dit_step", once
        elif name == "vae_decoder":
            scale = self.components.subject.recipe.latent.scaling_factor
            yield name, tasks.decoding(session, signature, scale, seed)

    def _first_text(self) -> None:
        model, name = self.model, "time_to_first_token"
        if model is None or not self._possible(name):
            return
        silent = (
            f"{name}: the model said nothing in {self.settings.tokens} tokens; "
            "the time is that to its first token"
        )

        def wordless() -> None:
            if silent not in self.notes:
                self.notes.append(silent)

        with (
            self.components.session("vision_encoder") as encoder,
            model.language_model() as llm,
        ):
            tokens, seed = self.settings.tokens, self.settings.seed
            once = tasks.first_text(model, encoder, llm, tokens, seed, wordless)
            self._stage(name, once)

    def _picture(self) -> None:
        if self.model is None or not self._possible("image"):
            return
        loading: list[float] = []
        once = tasks.drawing(self.model, self.components, self.drawing, loading)
        self._stage("image", once)
        counted = loading[self.settings.image_warmups :]
        if any(counted):
            self._add("loading", counted, self.settings.image_warmups)

    def _possible(self, name: str) -> bool:
        """Whether all that a stage takes is there and computes numbers.

        Where it is not, that is said, unless it was left out on purpose.
        """
        lacking = {c for c in STAGES[name].needs if c not in self.components.runtimes}
        lacking |= self._broken & set(STAGES[name].needs)
        left_out = set(self.components.subject.names) - self._broken
        if lacking - left_out:
            self.notes.append(f"{name}: not measured, without {' and '.join(sorted(lacking))}")
        return not lacking

    def _stage(self, name: str, once: tasks.Once) -> None:
        """Measure one stage; what cannot be computed is a failure and no figure."""
        picture = name == "image"
        runs = self.settings.image_runs if picture else self.settings.runs
        warmups = self.settings.image_warmups if picture else self.settings.warmups
        found: list[float] = []

        def done(count: int, _: int) -> None:
            self.progress(Progress(name, "measuring", count, runs + warmups))

        def counted(count: int, _: int) -> None:
            self.heat.done(count)
            done(warmups + count, runs)

        self.ended = f"in {name}"
        try:
            with self.meter.watch(name):
                measure(0, warmups, once, done)
            self.heat.stage()
            measure(runs, 0, once, counted, found)
        except CheckFailedError as error:
            self.failures.append(f"{name}: not measured, {error}")
            self._broken |= set(STAGES[name].needs)
            return
        except BaseException:
            self.ended = f"in {name}, {len(found)} of its {runs} runs done"
            if found:
                self._add(name, found, warmups, self._apart(name, len(found)))
            raise
        self.meter.look(name)
        self._add(name, found, warmups, self._apart(name, runs))

    def _apart(self, name: str, runs: int) -> tuple[int, ...]:
        """The runs of a stage that its figures leave out, because the machine was another."""
        apart = self.heat.apart(runs)
        if len(apart) == runs:
            self.hot.setdefault(self.heat.states(), []).append(name)
            return ()
        if apart:
            self.notes.append(
                f"{name}: {len(apart)} of {runs} runs are set apart, its figures are without them: "
                f"the thermal state was {self.heat.states()}, and {self.heat.first} at the start"
            )
        return apart

    def _add(
        self, name: str, found: list[float], warmups: int, apart: tuple[int, ...] = ()
    ) -> None:
        stage = STAGES[name]
        values = tuple(value * _FACTORS[stage.unit] for value in found)
        measured = Measurement(
            name, stage.unit, stage.definition, values, warmups, self.published.get(name), apart
        )
        self.measurements.append(measured)

    def _loads(self, name: str) -> None:
        loads, runtime = self.components.loads[name], self.components.runtimes[name]
        for prefix, seconds in (("load_cold_", loads.cold), ("load_warm_", loads.warm)):
            definition = load_definition(prefix, name, runtime)
            self.measurements.append(Measurement(prefix + name, "s", definition, (seconds,), 0))
