"""The PyTorch side of a comparison: each case computed once, one large component at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.components import COMPONENTS
from mobileo_export.parity.cases import NEEDS, Case, Outputs, cases
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.parity.gates import Values
    from mobileo_export.runtimes.base import Array, Session

# Bytes of float32 weights up to which a component stays in memory once it is built: those of the
# projector at full size, and of every component of a miniature.
SMALL = 64_000_000


def random_or_trained(checkpoint: Checkpoint) -> Values:
    """What ``random-checkpoint`` has written into the configuration; without it: trained."""
    marker = checkpoint.config.get("mobileo_export")
    random = isinstance(marker, dict) and marker.get("random_weights") is True
    return "random" if random else "trained"


@dataclass(frozen=True)
class ReferenceRun:
    """A case with what the reference makes of it, and how long that took."""

    case: Case
    outputs: dict[str, Array]
    seconds: float


@dataclass(frozen=True)
class _Lent:
    """A session that outlives whoever closes it."""

    session: Session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session."""
        return self.session.run(inputs)

    def close(self) -> None:
        """Leave it open."""


class References:
    """Reference outputs of a checkpoint, made when they are asked for and kept."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: Weights,
        progress: OnProgress = ignore,
        stage: str = "torch",
    ) -> None:
        self.checkpoint = checkpoint
        self.weights: Weights = weights
        self._progress = progress
        self._stage = stage
        self._cases: dict[str, dict[str, Case]] = {}
        self._complete: set[str] = set()  # of the components, those whose cases are all there
        self._runs: dict[tuple[str, str], ReferenceRun] = {}
        self._others: dict[tuple[str, str], tuple[ReferenceRun, ...]] = {}
        self._small: dict[str, Session] = {}
        self._expected: set[str] = set()
        self._names: frozenset[str] | None = None  # of the cases that are seen; None for all

    def expect(self, components: Iterable[str]) -> None:
        """All runs of these will be asked for: whichever need comes first, all are made then."""
        self._expected.update(components)

    def only(self, names: Iterable[str]) -> References:
        """These with the cases called ``names`` alone, and no controls; what is made is shared."""
        few = copy(self)
        few._names = frozenset(names)
        return few

    def open(self, component: str) -> Session:
        """The reference of a component, to be closed after use; a small one is built once.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
        """
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        if component in self._small:
            return _Lent(self._small[component])
        session = TorchRuntime().load_component(self.checkpoint, component, self.weights)
        shapes = COMPONENTS[component].tensors(self.checkpoint.model).values()
        if 4 * sum(map(math.prod, shapes)) > SMALL:
            return session
        self._small[component] = session
        return _Lent(session)

    def cases(self, component: str, names: tuple[str, ...] | None = None) -> tuple[Case, ...]:
        """The cases called ``names``, for None all of them and the controls.

        Of the components before it what these are made from is run, and nothing else.
        """
        return tuple(case for case in self._known(component, names) if self._seen(case))

    def runs(self, component: str, names: tuple[str, ...] | None = None) -> list[ReferenceRun]:
        """The cases called ``names`` (all of them for None) with their reference outputs.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
        """
        return [run for run in self._made(component, names) if self._seen(run.case)]

    def runs_of(
        self, component: str, key: str, opened: Callable[[], Session]
    ) -> list[ReferenceRun]:
        """The same cases, run by another module of the same signature; ``key`` says which."""
        if (component, key) not in self._others:
            made = tuple(self._ran(component, self._known(component), opened))
            self._others[component, key] = made
        return [run for run in self._others[component, key] if self._seen(run.case)]

    def _seen(self, case: Case) -> bool:
        return self._names is None or (case.name in self._names and case.changes is None)

    def _known(self, component: str, names: tuple[str, ...] | None = None) -> tuple[Case, ...]:
        known = self._cases.get(component, {})
        if component not in self._complete and (names is None or not known.keys() >= {*names}):
            wanted = None if names is None or component in self._expected else (*known, *names)
            made = cases(component, self.checkpoint, self._earlier(component, wanted), wanted)
            known = self._cases[component] = {c.name: known.get(c.name, c) for c in made}
            if wanted is None:
                self._complete.add(component)
        return tuple(case for case in known.values() if names is None or case.name in names)

    def _earlier(self, component: str, names: tuple[str, ...] | None) -> Outputs:
        """The reference outputs that the cases ``names`` of a component are made from."""
        need = NEEDS.get(component)
        if need is None:
            return {}
        return {run.case.name: run.outputs for run in self._made(need.component, need.of(names))}

    def _made(self, component: str, names: tuple[str, ...] | None) -> list[ReferenceRun]:
        chosen = self._known(component, names)
        if any((component, c.name) not in self._runs for c in chosen):
            wanted = self._known(component) if component in self._expected else chosen
            missing = [c for c in wanted if (component, c.name) not in self._runs]
            self._run(component, missing)
        return [self._runs[component, case.name] for case in chosen]

    def _run(self, component: str, missing: list[Case]) -> None:
        COMPONENTS[component].check(self.checkpoint)
        for run in self._ran(component, missing, lambda: self.open(component)):
            self._runs[component, run.case.name] = run

    def _ran(
        self, component: str, cases: Sequence[Case], opened: Callable[[], Session]
    ) -> Iterator[ReferenceRun]:
        self._progress(Progress(component, self._stage, 0, len(cases)))
        with closing(opened()) as session:
            for done, case in enumerate(cases, 1):
                started = time.perf_counter()
                outputs = session.run(case.inputs)
                yield ReferenceRun(case, outputs, time.perf_counter() - started)
                self._progress(Progress(component, self._stage, done, len(cases)))
