"""One package under damage: its mutants, made one after the other in one copy, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.components import LAYOUTS
from mobileo_export.errors import BundleError, CheckFailedError, UsageError
from mobileo_export.parity import gates, metrics
from mobileo_export.parity.mutations import mutants
from mobileo_export.parity.mutations.base import GraphMutation, SessionMutation, Site, spread
from mobileo_export.parity.mutations.compressed import COMPRESSED_MUTATIONS
from mobileo_export.parity.mutations.graph import EditedGraph
from mobileo_export.parity.mutations.operations import OPERATION_MUTATIONS
from mobileo_export.parity.mutations.package_file import patched
from mobileo_export.parity.mutations.results import (
    Catch,
    ComponentSuite,
    Missed,
    MutantResult,
    Proof,
)
from mobileo_export.parity.mutations.sessions import SESSION_MUTATIONS, WronglyUsed
from mobileo_export.parity.mutations.weights import WEIGHT_MUTATIONS
from mobileo_export.parity.references import ReferenceRun
from mobileo_export.parity.stored_values import stored
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from mobileo_export.progress import OnProgress
from mobileo_export.runtimes import select

if TYPE_CHECKING:
    from mobileo_export.parity.results import OutputResult
    from mobileo_export.parity.stored_values.compressed import CompressedPackage
    from mobileo_export.runtimes.base import Array, Session

PACKAGE_MUTATIONS: tuple[GraphMutation, ...] = (
    *WEIGHT_MUTATIONS,
    *COMPRESSED_MUTATIONS,
    *OPERATION_MUTATIONS,
)
Judge = Callable[[gates.Gate, str, "Array", "Array"], "OutputResult"]
STORED = "stored values"  # stands for a case: nothing was run
# An inert place may move an output by rounding, measured against the artifact itself.
ROUNDING = {"float32": 1e-5, "float16": 2e-3}


@dataclass(frozen=True)
class Subject:
    """One package: the bundle's own, and the copy that mutants are made of."""

    gate: gates.Gate
    original: Path
    copied: Path
    runs: tuple[ReferenceRun, ...]
    judge: Judge
    modules: ReferenceModules | None
    compressed: CompressedPackage | None
    sites: int
    kinds: Sequence[str] | None
    progress: OnProgress

    def suite(self) -> ComponentSuite:
        """Every mutant of this package."""
        sound = self._sound()
        wrong = self._stored(self.original)
        if wrong is not None:
            raise CheckFailedError(f"{self.gate.component}: {wrong}; undamaged")
        # The cheapest first: what takes the reference least.
        ordered = tuple(sorted(self.runs, key=lambda run: _size(run.case.inputs)))
        mutations: tuple[GraphMutation | SessionMutation, ...]
        mutations = (*PACKAGE_MUTATIONS, *SESSION_MUTATIONS)
        return mutants.every(
            self.gate,
            [mutation for mutation in mutations if self._wanted(mutation)],
            self._places,
            lambda mutation, site: self._mutant(mutation, site, ordered, sound),
            self.progress,
        )

    @cached_property
    def _graph(self) -> EditedGraph:
        """Of the original, to be read; ``unedited`` makes one for edits."""
        return EditedGraph(self.original)

    def _places(self, mutation: GraphMutation | SessionMutation) -> tuple[Site, ...]:
        """Sites from the first to the last; where there are inert ones, one of them as well."""
        if isinstance(mutation, SessionMutation):
            return (Site("", mutation.title),)
        graph = self._graph
        every = tuple(mutation.sites(graph))
        chosen = spread(every, self.sites)
        inert = next((site for site in every if mutation.inert(graph, site)), None)
        return chosen if inert is None or inert in chosen else (*chosen, inert)

    def _wanted(self, mutation: GraphMutation | SessionMutation) -> bool:
        named = self.kinds is None or mutation.kind in self.kinds
        return named and self.gate.component in mutation.components

    def _sound(self) -> dict[str, dict[str, Array]]:
        """What the undamaged package computes, case by case; its gates have to hold."""
        outputs = {}
        with _session(self.original) as session:
            for run in self.runs:
                found = session.run(run.case.inputs)
                catch = self._catch(run, found)
                if catch is not None:
                    raise CheckFailedError(
                        f"{self.gate.component}, {run.case.name}: fails its gate undamaged; "
                        "let verify pass before its gates are tried"
                    )
                outputs[run.case.name] = found
        return outputs

    def _mutant(
        self,
        mutation: GraphMutation | SessionMutation,
        site: Site,
        runs: Sequence[ReferenceRun],
        sound: Mapping[str, Mapping[str, Array]],
    ) -> MutantResult:
        kind, component = mutation.kind, self.gate.component
        found: dict[str, dict[str, Array]] = {}
        try:
            with self._opened(mutation, site) as session:
                for run in runs:
                    found[run.case.name] = session.run(run.case.inputs)
                    catch = self._catch(run, found[run.case.name])
                    if catch is not None:
                        return MutantResult(kind, component, site, catch)
        except (BundleError, UsageError) as error:
            return MutantResult(kind, component, site, Catch("", "", problem=str(error)))
        if isinstance(mutation, GraphMutation):
            problem = self._inspected(mutation, site)
            if problem is not None:
                return MutantResult(kind, component, site, Catch(STORED, "", problem=problem))
            proof = self._proof(mutation, site, runs, sound, found)
            if proof is not None:
                return MutantResult(kind, component, site, proof=proof)
        return MutantResult(kind, component, site, missed=self._missed(runs, sound, found))

    @contextmanager
    def _opened(
        self, mutation: GraphMutation | SessionMutation, site: Site, exaggerated: bool = False
    ) -> Iterator[Session]:
        """A session of the mutant; the copy is sound again afterwards."""
        if isinstance(mutation, SessionMutation):
            with _session(self.original) as session:
                yield WronglyUsed(session, mutation.use)
            return
        graph = self._graph.unedited()
        edit = mutation.exaggerate if exaggerated else mutation.edit
        if edit is None:
            raise ValueError(f"{mutation.kind} cannot be exaggerated")
        edit(graph, site)
        with patched(self.copied, graph.patch()), _session(self.copied) as session:
            yield session

    def _inspected(self, mutation: GraphMutation, site: Site) -> str | None:
        """What is wrong with the mutant's stored values."""
        if self.modules is None:
            return None
        graph = self._graph.unedited()
        mutation.edit(graph, site)
        with patched(self.copied, graph.patch()):
            return self._stored(self.copied)

    def _stored(self, package: Path) -> str | None:
        """What verify says of a package's stored values, None when nothing."""
        if self.modules is None:
            return None
        operations = self.original.with_suffix(".operations.json")
        return stored.check(
            package, operations, self.modules, self.gate.precision, compressed=self.compressed
        ).problem

    def _catch(self, run: ReferenceRun, found: Mapping[str, Array]) -> Catch | None:
        for name, reference in run.outputs.items():
            if name not in found:
                return Catch(run.case.name, name, problem="the output is missing")
            result = self.judge(self.gate, name, reference, found[name])
            if catch := Catch.of(run.case.name, result):
                return catch
        return None

    def _proof(
        self,
        mutation: GraphMutation,
        site: Site,
        runs: Sequence[ReferenceRun],
        sound: Mapping[str, Mapping[str, Array]],
        found: Mapping[str, Mapping[str, Array]],
    ) -> Proof | None:
        """The graph says why, and no case contradicts it: a reason alone proves nothing."""
        reason = mutation.inert(self._graph, site)
        if reason is None or mutation.exaggerate is None:
            return None
        with self._opened(mutation, site, exaggerated=True) as session:
            wild = {run.case.name: session.run(run.case.inputs) for run in runs}
        difference, exaggerated = self._apart(sound, found), self._apart(sound, wild)
        if max(difference, exaggerated) > ROUNDING[self.gate.precision]:
            return None
        return Proof(reason, len(runs), difference, exaggerated)

    def _apart(
        self, sound: Mapping[str, Mapping[str, Array]], found: Mapping[str, Mapping[str, Array]]
    ) -> float:
        """The largest relative L2 of any output of any case."""
        return max(
            self._figures(name, sound[case][name], values)[0]
            for case, outputs in found.items()
            for name, values in outputs.items()
        )

    def _missed(
        self,
        runs: Sequence[ReferenceRun],
        sound: Mapping[str, Mapping[str, Array]],
        found: Mapping[str, Mapping[str, Array]],
    ) -> Missed:
        rows: list[tuple[float, str, str, gates.Row]] = []
        effects = [0.0]
        for run in runs:
            case = run.case.name
            for name, reference in run.outputs.items():
                result = self.judge(self.gate, name, reference, found[case][name])
                rows += [(_share(row), case, name, row) for row in result.rows]
                rounding = self._figures(name, reference, sound[case][name])
                changed = self._figures(name, sound[case][name], found[case][name])
                effects += [
                    c / r if r else np.inf for c, r in zip(changed, rounding, strict=True) if c
                ]
        _, case, name, row = max(rows, key=lambda item: item[0])
        return Missed(case, name, row.metric, row.value, row.limit, max(effects))

    def _figures(self, name: str, truth: Array, found: Array) -> tuple[float, float]:
        measured = metrics.compare(truth, found, LAYOUTS[name], self.gate.slice_floor)
        return measured.relative_l2, measured.worst_slice or 0.0


def _share(row: gates.Row) -> float:
    """How much of its bound a row uses, 1 at the bound; a PSNR's by its noise amplitude."""
    if row.metric == "finite":
        return 0.0
    if row.metric == "psnr":
        return float(10 ** ((row.limit - row.value) / 20))
    return row.value / row.limit if row.limit else 0.0


def _size(inputs: Mapping[str, Array]) -> int:
    return sum(array.size for array in inputs.values())


def _session(package: Path) -> closing[Session]:
    return closing(select.load_artifact(package, "mil", ""))
