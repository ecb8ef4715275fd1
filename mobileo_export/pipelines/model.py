"""A bundle or a checkpoint, opened for the pipelines: recipe, tokenizer, and sessions by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export import recipe as recipes
from mobileo_export.bundle import links
from mobileo_export.components import COMPONENTS, Dim, TensorSpec
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.pipelines import noise
from mobileo_export.pipelines.schedule import DiffusersSolver, NumpySolver, Solver
from mobileo_export.pipelines.tokens import Prompter, Tokenizer
from mobileo_export.progress import OnProgress, Progress, ignore
from mobileo_export.runtimes import registry, select
from mobileo_export.runtimes.base import LanguageModelSession, Session

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.runtimes.base import Array

Branch = Literal["conditional", "unconditional"]


@dataclass(frozen=True)
class Event:
    """Something that a pipeline took or made, for whoever records it.

    Attributes:
        stage: ``tokens``, ``photo``, ``noise``, ``solver``, ``latent``, ``pixels``, ``sampled``,
            or the component that was called.
        arrays: by name; of a component its inputs and outputs.
        branch: of guidance, where there are two.
        step: of the denoising loop or of the answer, from 0.
    """

    stage: str
    arrays: Mapping[str, Array]
    branch: Branch | None = None
    step: int | None = None


Observe = Callable[[Event], None]


@dataclass
class Model:
    """What a pipeline needs of a model. Components are loaded when asked for.

    Attributes:
        source: as the user named it.
        recipe: its numbers and texts.
        tokenizer: its tokenizer.
        signatures: the inputs of each component that it has.
        solver_kind: which of the two equal schedulers draws.
        keep: hold components in memory after use: for many short runs of a small model.
        open_component: loads a component by name.
        runtimes: what executes each component.
        used: the components that were loaded so far.
        notes: what a user should know of how the source was read, a line each.
        preview: the manifest's map from latents to colors, if it has one.
    """

    source: str
    recipe: recipes.Recipe
    tokenizer: Tokenizer
    signatures: dict[str, tuple[TensorSpec, ...]]
    solver_kind: Callable[[recipes.ImageSampling, int], Solver]
    open_component: Callable[[str], Session]
    keep: bool = False
    runtimes: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: tuple[str, ...] = ()
    preview: Mapping[str, Any] | None = None
    _sessions: dict[str, Session] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list)

    @cached_property
    def prompter(self) -> Prompter:
        """Makes the prompts of the four tasks."""
        return Prompter(self.tokenizer, self.recipe.prompts)

    @property
    def longest_conditioning(self) -> int:
        """How many tokens, image features included, can condition a picture."""
        bounds = [
            dim.high
            for name, axis in (("mcp", 2), ("dit", 1))
            for spec in self.signatures.get(name, ())
            if spec.name in {"stacked_hidden_states", "encoder_hidden_states"}
            and isinstance(dim := spec.shape[axis], Dim)
        ]
        return min(*bounds, self.longest_text)

    @property
    def longest_text(self) -> int:
        """How many tokens the language model has positions for."""
        dim = self.signatures["llm"][0].shape[1]
        return dim.high if isinstance(dim, Dim) else dim

    def rows(self, name: str) -> int:
        """How many rows a component takes in one call."""
        dim = self.signatures[name][0].shape[0]
        return dim.high if isinstance(dim, Dim) else dim

    def require(self, *names: str) -> None:
        """Raise BundleError unless all these components are there."""
        missing = [name for name in names if name not in self.signatures]
        if missing:
            raise BundleError(
                f"{self.source}: has no {' and no '.join(missing)}; export it again without --only"
            )

    @contextmanager
    def session(self, name: str, progress: OnProgress = ignore) -> Iterator[Session]:
        """A component, loaded for the time of the block (for good with ``keep``)."""
        session = self._sessions.get(name)
        if session is None:
            progress(Progress(name, "loading", 0, 1))
            session = self.open_component(name)
            self.used.add(name)
            if self.keep:
                self._sessions[name] = session
        self._running.append(name)
        try:
            yield session
        finally:
            self._running.remove(name)
            if not self.keep:
                session.close()

    @contextmanager
    def language_model(self, progress: OnProgress = ignore) -> Iterator[LanguageModelSession]:
        """:meth:`session` of the language model."""
        with self.session("llm", progress) as session:
            assert isinstance(session, LanguageModelSession)
            yield session

    @property
    def ran_on(self) -> dict[str, str]:
        """The runtime of each component that was loaded so far."""
        return {name: kind for name, kind in self.runtimes.items() if name in self.used}

    def solver(self, steps: int) -> Solver:
        """A new scheduler; raises UsageError for a number of steps it does not have."""
        return self.solver_kind(self.recipe.sampling, steps)

    @property
    def idle(self) -> tuple[str, ...]:
        """The components that are held and not in use, in the order in which they were loaded."""
        return tuple(name for name in self._sessions if name not in self._running)

    def release(self, name: str) -> None:
        """Release one component, if it is held."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Release every component that is held."""
        while self._sessions:
            self._sessions.popitem()[1].close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_model(
    source: str,
    runtime: str = "auto",
    weights: Weights = "released",
    *,
    offline: bool = False,
    keep: bool = False,
    needs: Collection[str] | None = None,
) -> Model:
    """Open a bundle, a checkpoint folder or a hub id for the pipelines.

    Args:
        source: which.
        runtime: replaces ``auto`` for the artifacts that it can run, see ``runtimes.select``.
        weights: of a checkpoint.
        offline: use the hub cache only.
        keep: see :class:`Model`.
        needs: the components that will be used; None for all that are there.

    Raises:
        UsageError: there is no such source, or the runtime does not go with it, or executes
            nothing of what is needed.
        RuntimeUnavailableError: what executes one of ``needs`` cannot run on this machine.
        BundleError, CheckpointError: it is damaged, or lacks a component.
    """
    from mobileo_export.bundle import manifest

    if (Path(source) / manifest.MANIFEST).is_file():
        if weights != "released":
            raise UsageError(f"{source}: --weights goes with a checkpoint; a bundle holds one set")
        return _open_bundle(Path(source), runtime, keep, needs)
    return _open_checkpoint(source, runtime, weights, offline, keep)


def _open_bundle(path: Path, runtime: str, keep: bool, needs: Collection[str] | None) -> Model:
    from mobileo_export.bundle import manifest

    content = manifest.read(path)
    drawn = content["recipe"]["latent"]["noise"]
    if drawn != noise.NAME:
        raise BundleError(
            f"{path}: its noise is {drawn!r}, this release draws {noise.NAME}; "
            "use the release that made it"
        )
    entries = content["components"]
    if "llm" not in entries:
        raise BundleError(f"{path}: has no llm; export it again without --only")
    links.check(path / entries["llm"]["artifacts"][0]["path"])  # its tokenizer is read here
    missing = [name for name in needs or () if name not in entries]
    if missing:
        raise BundleError(
            f"{path}: has no {' and no '.join(missing)}; export it again without --only"
        )
    runtimes = select.assign(path, content, runtime, needs, here=needs is not None)
    return Model(
        str(path),
        recipes.from_manifest(content["recipe"]),
        Tokenizer(path / entries["llm"]["artifacts"][0]["path"]),
        {
            name: tuple(map(manifest.tensor_spec, entry["inputs"]))
            for name, entry in entries.items()
        },
        NumpySolver,
        lambda name: select.open_session(str(path), COMPONENTS[name], runtime, only=False),
        keep,
        runtimes,
        preview=entries.get("vae_decoder", {}).get("preview"),
    )


def _open_checkpoint(
    source: str, runtime: str, weights: Weights, offline: bool, keep: bool
) -> Model:
    from mobileo_export.checkpoint import hub

    if runtime not in {"auto", "torch"}:
        raise UsageError(
            f"{source}: a checkpoint runs on the torch runtime only; "
            f"export it and run the bundle with --runtime {runtime}"
        )
    registry.check_available([registry.REFERENCE])
    checkpoint = hub.resolve(source, None, offline, quiet=True).checkpoint
    return of_checkpoint(checkpoint, weights, source, keep)


def of_checkpoint(
    checkpoint: Checkpoint, weights: Weights, source: str | None = None, keep: bool = False
) -> Model:
    """A checkpoint that is open, for the pipelines; ``source`` is its folder for None.

    Raises:
        UsageError: it does not have these weights.
        CheckpointError: it is damaged.
    """
    from mobileo_export.checkpoint import tokenizer_files

    checkpoint.require_weights(weights)
    model = checkpoint.model
    tokens = tokenizer_files.checked(checkpoint.path, model.llm.vocab_size).special

    def load(name: str) -> Session:
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        return TorchRuntime().load_component(checkpoint, name, weights)

    return Model(
        source or str(checkpoint.path),
        recipes.build(model, tokens),
        Tokenizer(checkpoint.path),
        {name: spec.inputs(model) for name, spec in COMPONENTS.items()},
        DiffusersSolver,
        load,
        keep,
        dict.fromkeys(COMPONENTS, registry.REFERENCE),
        notes=checkpoint.notes,
    )
