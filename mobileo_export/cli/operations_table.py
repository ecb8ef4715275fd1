"""The costliest operations as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mobileo_export.cli.output import new_console, new_table
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from rich.console import Console


def show(report: dict[str, Any], console: Console | None = None) -> None:
    """Print a line and a table an artifact."""
    console = console or new_console()
    if "tokens" in report:
        console.print(f"{report['path']}: one call each, prompts of {report['tokens']} tokens")
    for artifact in report["artifacts"]:
        console.print()
        _artifact(artifact, console)
    console.print()
    console.print(
        "FLOP: of products, 2 a multiply-add; share: of the artifact's; moved: activations that "
        "are read and written"
    )


def _artifact(artifact: dict[str, Any], console: Console) -> None:
    named = " ".join(filter(None, (artifact["component"], artifact["path"])))
    console.print(
        f"{named}: {flops_text(artifact['flops'])}, weights {bytes_text(artifact['stored'])}, "
        f"activations {bytes_text(artifact['activations'])}, of which at most "
        f"{bytes_text(artifact['peak'])} live at once; {artifact['count']} operations"
    )
    table = new_table("operation", "FLOP", "weights", "moved", "share")
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for row in artifact["operations"]:
        count = f" × {row['count']}" if row["count"] > 1 else ""
        table.add_row(
            f"{row['module'] or row['names'][0]} ({row['kind']}{count})",
            flops_text(row["flops"]).removesuffix("FLOP").rstrip(),
            bytes_text(row["stored"]) if row["stored"] else "",
            bytes_text(row["read"] + row["written"]),
            f"{row['share']:.1%}",
        )
    console.print(table)


def flops_text(count: float) -> str:
    """``486707822592`` as ``487 GFLOP``."""
    for unit in ("", "k", "M", "G"):
        if count < 999.5:
            return f"{count:.3g} {unit}FLOP"
        count /= 1000
    return f"{count:.3g} TFLOP"
