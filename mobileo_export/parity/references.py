"""The PyTorch side of a comparison: each case computed once, one component in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export.components import COMPONENTS
from mobileo_export.parity.cases import NEEDS, Case, cases

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.runtimes.base import Array

Progress = Callable[[str, int, int], None]  # component, done, total


@dataclass(frozen=True)
class ReferenceRun:
    """A case with what the reference makes of it, and how long that took."""

    case: Case
    outputs: dict[str, Array]
    seconds: float


class References:
    """Reference outputs of a checkpoint, made when they are asked for and kept."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        weights: Weights,
        progress: Progress = lambda component, done, total: None,
    ) -> None:
        self.checkpoint = checkpoint
        self.weights: Weights = weights
        self._progress = progress
        self._cases: dict[str, tuple[Case, ...]] = {}
        self._runs: dict[tuple[str, str], ReferenceRun] = {}

    def cases(self, component: str) -> tuple[Case, ...]:
        """The cases of a component; runs the components before it as far as they need it."""
        if component not in self._cases:
            need = NEEDS.get(component)
            earlier = (
                {run.case.name: run.outputs for run in self.runs(need.component, need.cases)}
                if need
                else {}
            )
            self._cases[component] = tuple(cases(component, self.checkpoint, earlier))
        return self._cases[component]

    def runs(self, component: str, names: tuple[str, ...] | None = None) -> list[ReferenceRun]:
        """The cases called ``names`` (all of them for None) with their reference outputs.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
        """
        chosen = [c for c in self.cases(component) if names is None or c.name in names]
        missing = [c for c in chosen if (component, c.name) not in self._runs]
        if missing:
            self._run(component, missing)
        return [self._runs[component, case.name] for case in chosen]

    def _run(self, component: str, missing: list[Case]) -> None:
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        COMPONENTS[component].check(self.checkpoint)
        self._progress(component, 0, len(missing))
        session = TorchRuntime().load_component(self.checkpoint, component, self.weights)
        try:
            for done, case in enumerate(missing, 1):
                started = time.perf_counter()
                outputs = session.run(case.inputs)
                seconds = time.perf_counter() - started
                self._runs[component, case.name] = ReferenceRun(case, outputs, seconds)
                self._progress(component, done, len(missing))
        finally:
            session.close()
