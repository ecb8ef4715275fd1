"""What ``verify`` found, on the terminal: a line a component; its figures where one fails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mobileo_export.cli.output import new_console, new_table, print_error, say
from mobileo_export.cli.stages import NAMES
from mobileo_export.errors import CheckFailedError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.parity.findings import Findings
    from mobileo_export.parity.golden.replay import Replay
    from mobileo_export.parity.results import Comparison, ComponentResult

_LOG_WIDTH = 150  # of the table where there is no terminal to measure
_STYLES = {"holds": "green", "FAILS": "bold red", "skipped": "yellow"}
# Metrics that a bound limits from above; a cosine or a PSNR is limited from below.
_ERRORS = {"relative_l2", "worst_slice", "worst_token", "kl"}
_NAME = 14  # columns, of the longest component


def show(comparison: Comparison, verbose: bool) -> None:
    """A line a component, then every figure of those that fail; of all of them if ``verbose``."""
    by_name: dict[str, list[ComponentResult]] = {}
    for result in comparison.components:
        by_name.setdefault(result.gate.component, []).append(result)
    for name, results in by_name.items():
        _line(name, all(result.ok for result in results), _summary(results))
    for skip in comparison.skipped:
        _line(skip.component, None, skip.reason)
    failed = [result for result in comparison.components if not result.ok]
    if verbose or failed:
        _table(comparison, {result.gate.component for result in failed} if not verbose else by_name)
    noticed, total = comparison.controls()
    if total:
        say(f"of {total} outputs damaged on purpose the gates rejected {noticed}")


def show_others(found: Findings, verbose: bool) -> None:
    """A line for the pictures, the golden trace and the mutants; more of what deserves it."""
    from mobileo_export.parity import mutations

    if found.chain is not None and found.chain.skipped is not None:
        _line(NAMES["chain"], None, found.chain.skipped)
    elif found.chain is not None:
        _line(NAMES["chain"], found.chain.ok, f"{len(found.chain.chains)} drawn on both sides")
    if found.chain is not None and found.chain.unchecked is not None:
        _line(NAMES["chain"], None, found.chain.unchecked)
    for chain in found.chain.chains if found.chain is not None else ():
        if chain.image is not None and (verbose or not chain.ok):
            pixels = chain.image.pixels
            say(
                f"{chain.name}: after {len(chain.steps)} steps the latent is "
                f"{chain.steps[-1].latent.relative_l2:.1e} off, the image {chain.image.psnr:.1f} "
                f"dB, {pixels.differing} of {pixels.total} pixels by at most {pixels.largest}"
            )
    if found.replay is not None:
        _line("golden trace", found.replay.ok, _replayed(found.replay))
    if found.mutations is not None:
        suite = found.mutations
        table = new_table(*mutations.COLUMNS)
        for mutant, row in zip(suite.mutants, mutations.table_rows(suite), strict=True):
            if mutant.verdict == "slipped" or (verbose and mutant.verdict != "caught"):
                table.add_row(*map(printable, row))
        _line(
            "damaged copies",
            suite.ok,
            f"of {len(suite.mutants)} mutants {len(suite.judged('caught'))} were caught, "
            f"{len(suite.judged('equivalent'))} are equivalent, "
            f"{len(suite.judged('within rounding'))} within rounding, "
            f"{len(suite.judged('slipped'))} slipped",
        )
        if table.row_count:
            new_console().print(table)


def conclude_replay(bundle: str, replay: Replay, verbose: bool, json: bool) -> None:
    """The same of a replay alone, its verdict last; nothing but an error where JSON was printed.

    Raises:
        CheckFailedError: something is not within its gate.
    """
    failures = replay.failures()
    if not json:
        show(replay.comparison, verbose)
        _line("golden trace", replay.ok, _replayed(replay))
        for line in failures:
            print_error(line)
    if not replay.ok:
        raise CheckFailedError(
            f"The replay does not hold: {bundle} does not compute what was recorded "
            f"({len(failures)} checks failed)."
        )
    if not json:
        say(f"The replay holds: {bundle} computes what was recorded.", "bold green")


def verdict(bundle: str, found: Findings) -> str:
    """One sentence for a bundle whose every check holds: what was compared, and what was not."""
    comparison = found.comparison
    components = {component.gate.component for component in comparison.components}
    cases = sum(len(component.cases) for component in comparison.components)
    parts = [_counted(len(components), "component"), _counted(cases, "case")]
    if found.chain is not None and found.chain.skipped is None:
        parts.append(_counted(len(found.chain.chains), "picture"))
    if found.replay is not None:
        parts.append("the golden trace")
    if found.mutations is not None:
        parts.append(_counted(len(found.mutations.mutants), "damaged copy", "damaged copies"))
    # Of compressed weights one of two rows may be missing: what holds is told from what was left.
    left = [
        f"{skip.component} with the checkpoint" if skip.component in components else skip.component
        for skip in comparison.skipped
    ]
    but = f"; not compared: {', '.join(left)}" if left else ""
    what = "Parity holds for what was compared" if left else "Parity holds"
    return (
        f"{what}: {bundle} computes what {comparison.checkpoint} computes "
        f"({', '.join(parts)}{but})."
    )


def _summary(results: list[ComponentResult]) -> str:
    """How many cases, and how near to a bound the nearest of them comes."""
    cases = [case for result in results for case in result.cases]
    failed = sum(not case.ok for case in cases)
    if failed:
        return f"{failed} of {_counted(len(cases), 'case')}"
    problem = next((result.problem for result in results if result.problem is not None), None)
    if problem is not None:
        return problem
    rows = (row for case in cases for output in case.outputs for row in output.rows)
    shares = [row.value / row.limit for row in rows if row.metric in _ERRORS and row.limit > 0]
    nearest = max((share for share in shares if math.isfinite(share)), default=None)
    near = f", at most {nearest:.0%} of a bound" if nearest is not None else ""
    return f"{_counted(len(cases), 'case')}{near}"


def _table(comparison: Comparison, names: Iterable[str]) -> None:
    from mobileo_export.parity.report.write import COLUMNS, table_rows

    console, table = new_console(), new_table(*COLUMNS)
    for row in table_rows(comparison):
        if row[0] in names:
            table.add_row(*map(printable, row))
    if not console.is_terminal:
        console.width = min(console.width, _LOG_WIDTH)
    console.print(table)


def _replayed(replay: Replay) -> str:
    same = sum(check.problem is None for check in replay.checks)
    return f"of {len(replay.checks)} steps and small parts between them {same} are as recorded"


def _line(name: str, holds: bool | None, text: str) -> None:
    state = "skipped" if holds is None else "holds" if holds else "FAILS"
    before = f"{name:<{_NAME}}  {state:<7}  "
    say(before + text, _STYLES[state], part=state, hanging=len(before))


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"
