"""What ``verify`` found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.cli.output import new_console, new_table
from mobileo_export.errors import printable

if TYPE_CHECKING:
    from mobileo_export.parity.findings import Findings
    from mobileo_export.parity.results import Comparison

_LOG_WIDTH = 150  # of the table where there is no terminal to measure


def show(comparison: Comparison) -> None:
    """Every figure as a row of a table, and what was skipped."""
    from mobileo_export.parity.report.write import COLUMNS, table_rows

    console, table = new_console(), new_table(*COLUMNS)
    for row in table_rows(comparison):
        table.add_row(*map(printable, row))
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    console.print(table)
    for skip in comparison.skipped:
        print(f"skipped {skip.component}: {skip.reason}")
    noticed, total = comparison.controls()
    names = {component.gate.component for component in comparison.components}
    cases = sum(len(component.cases) for component in comparison.components)
    print(
        f"{len(names)} components, {cases} cases, {len(comparison.skipped)} "
        f"skipped; of {total} outputs damaged on purpose the gates rejected {noticed}"
    )


def show_others(found: Findings) -> None:
    """A line for each chain, for the golden trace, and the mutants that deserve one."""
    from mobileo_export.parity import mutations

    if found.chain is not None and found.chain.skipped is not None:
        print(f"skipped the chain: {found.chain.skipped}")
    if found.chain is not None and found.chain.unchecked is not None:
        print(f"skipped pictures {found.chain.unchecked}")
    for chain in found.chain.chains if found.chain is not None else ():
        if chain.image is not None:
            pixels = chain.image.pixels
            print(
                f"{chain.name}: after {len(chain.steps)} steps the latent is "
                f"{chain.steps[-1].latent.relative_l2:.1e} off, the image {chain.image.psnr:.1f} "
                f"dB, {pixels.differing} of {pixels.total} pixels by at most {pixels.largest}"
            )
    if found.replay is not None:
        print(f"golden trace: {'as recorded' if found.replay.ok else 'NOT as recorded'}")
    if found.mutations is not None:
        suite = found.mutations
        console, table = new_console(), new_table(*mutations.COLUMNS)
        for mutant, row in zip(suite.mutants, mutations.table_rows(suite), strict=True):
            if mutant.verdict != "caught":
                table.add_row(*map(printable, row))
        if table.row_count:
            console.print(table)
        print(
            f"of {len(suite.mutants)} mutants {len(suite.caught)} were caught, "
            f"{len(suite.equivalent)} are equivalent, {len(suite.within_rounding)} within "
            f"rounding, {len(suite.slipped)} slipped"
        )
