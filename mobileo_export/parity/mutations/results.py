"""What a run of the mutation suite found, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.json_file import json_ready

if TYPE_CHECKING:
    from mobileo_export.parity.gates import Gate, Row
    from mobileo_export.parity.mutations.base import Site
    from mobileo_export.parity.results import OutputResult

Verdict = Literal["caught", "equivalent", "within rounding", "slipped"]
COLUMNS = ("mutation", "component", "site", "verdict", "caught by", "where", "worst slice")


@dataclass(frozen=True)
class Catch:
    """What noticed a mutant.

    Attributes:
        case: of the component's cases, the first that noticed; or ``stored values``.
        output: whose gate did not hold; "" when the artifact could not even be run.
        rows: the bounds that did not hold.
        worst: the worst slice, such as "channel 17", "" when there is none.
        worst_error: its error.
        problem: why there were no figures.
    """

    case: str
    output: str
    rows: tuple[Row, ...] = ()
    worst: str = ""
    worst_error: float = math.nan
    problem: str | None = None

    @classmethod
    def of(cls, case: str, output: OutputResult) -> Catch | None:
        """What of an output's gate does not hold; None when all of it does."""
        broken = tuple(row for row in output.rows if not row.holds)
        if not broken and output.problem is None:
            return None
        worst = output.metrics.worst[0] if output.metrics and output.metrics.worst else None
        place, error = (str(worst), worst.error) if worst else ("", math.nan)
        return cls(case, output.name, broken, place, error, output.problem)


@dataclass(frozen=True)
class Proof:
    """Why no output depends on what a mutation changed, and what was measured.

    Attributes:
        reason: from the graph.
        cases: how many were run, all of the component's.
        difference: largest relative L2 between the artifact with and without the mutation.
        exaggerated: the same with the place changed out of all proportion.
    """

    reason: str
    cases: int
    difference: float
    exaggerated: float


@dataclass(frozen=True)
class Missed:
    """A mutant that no bound rejected: how near it came, and how loud it is.

    Attributes:
        case: where it came nearest to a bound.
        output: likewise.
        metric: the bound.
        value: the figure.
        limit: what it would have to exceed (a PSNR: fall short of).
        effect: what the mutation changed, as a share of what rounding changes: the artifact with
            it against the artifact without, over the artifact against the reference; relative L2
            or worst slice, whichever is larger, the largest of all cases.
    """

    case: str
    output: str
    metric: str
    value: float
    limit: float
    effect: float


@dataclass(frozen=True)
class MutantResult:
    """One mutant; exactly one of ``catch``, ``proof`` and ``missed`` is set."""

    kind: str
    component: str
    site: Site
    catch: Catch | None = None
    proof: Proof | None = None
    missed: Missed | None = None

    @property
    def verdict(self) -> Verdict:
        """``within rounding``: it changes less than the artifact's own rounding does, everywhere.

        No bound on outputs can tell such a mutant from a sound artifact; only its own constants
        show it. ``slipped`` is what a bound could have noticed and did not.
        """
        if self.catch is not None:
            return "caught"
        if self.missed is not None:
            return "within rounding" if self.missed.effect <= 1 else "slipped"
        return "equivalent"

    def __str__(self) -> str:
        return f"{self.component}, {self.kind} at {self.site}: {self.verdict}"


@dataclass(frozen=True)
class ComponentSuite:
    """All mutants of one component, judged by one gate.

    Attributes:
        gate: which judged.
        mutants: one a site.
        absent: kinds of mutation that the artifact has no place for.
    """

    gate: Gate
    mutants: tuple[MutantResult, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class MutationSuite:
    """A run over a bundle."""

    components: tuple[ComponentSuite, ...]

    @property
    def mutants(self) -> tuple[MutantResult, ...]:
        """Of all components."""
        return tuple(mutant for component in self.components for mutant in component.mutants)

    @property
    def ok(self) -> bool:
        """There were mutants, and none slipped."""
        return bool(self.mutants) and not self.judged("slipped")

    def judged(self, verdict: Verdict) -> tuple[MutantResult, ...]:
        """The mutants of one verdict."""
        return tuple(mutant for mutant in self.mutants if mutant.verdict == verdict)


def as_json(suite: MutationSuite) -> dict[str, Any]:
    """The suite as JSON; what JSON has no number for is text, as in the report of a comparison."""
    components = []
    for component in suite.components:
        mutants = [{**asdict(m), "verdict": m.verdict} for m in component.mutants]
        components.append(
            {"gate": asdict(component.gate), "mutants": mutants, "absent": list(component.absent)}
        )
    document: dict[str, Any] = json_ready(
        {
            "ok": suite.ok,
            "caught": len(suite.judged("caught")),
            "equivalent": len(suite.judged("equivalent")),
            "within_rounding": len(suite.judged("within rounding")),
            "slipped": len(suite.judged("slipped")),
            "components": components,
        }
    )
    return document


def table_rows(suite: MutationSuite) -> list[tuple[str, ...]]:
    """Texts for :data:`COLUMNS`, one row a mutant."""
    return [
        (mutant.kind, mutant.component, str(mutant.site), mutant.verdict, *_texts(mutant))
        for mutant in suite.mutants
    ]


def _texts(mutant: MutantResult) -> tuple[str, str, str]:
    if mutant.catch is not None:
        catch = mutant.catch
        rows = ", ".join(f"{row.metric} {row.value:.1e} (gate {row.limit:g})" for row in catch.rows)
        where = f"{catch.case}: {catch.output}" if catch.output else catch.case
        worst = f"{catch.worst} {catch.worst_error:.1e}" if catch.worst else ""
        return catch.problem or rows, where, worst
    if mutant.proof is not None:
        proof = mutant.proof
        measured = f"{proof.difference:.1e}, exaggerated {proof.exaggerated:.1e}"
        return f"{proof.reason} (measured {measured})", f"all {proof.cases} cases", ""
    if mutant.missed is None:
        return "", "", ""
    near = mutant.missed
    text = (
        f"nothing; {near.effect:.2g} x rounding, "
        f"closest {near.metric} {near.value:.1e} (gate {near.limit:g})"
    )
    return text, f"{near.case}: {near.output}", ""
