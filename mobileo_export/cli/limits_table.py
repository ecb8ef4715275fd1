"""The floors of a bundle as tables that fit a narrow terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.cli.output import new_console, new_table
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from mobileo_export.bench.chips import Chip
    from mobileo_export.bench.limits import BundleLimits, ChipLimits, StageFloor
    from mobileo_export.bench.workload import Workload

_SHORT = {"gpu": "GPU", "gpu_matrix": "matrix", "neural_engine": "Neural"}
_SECOND = {"gpu_matrix": "units", "neural_engine": "Engine"}
_LEGEND = (
    "the least time a stage can take, whatever runs it; c: bound by computing, m: by memory, with "
    "weights read as they are stored; ±: an estimate. docs/limits.md has the definitions"
)


def show(found: BundleLimits, console: Console | None = None) -> None:
    """Print the work of every stage, and a table of floors a chip."""
    console = console or new_console()
    sizes = found.workload.sizes
    guided = " with guidance" if sizes.branches > 1 else ""
    console.print(
        f"a picture: {sizes.steps} steps{guided}, from {sizes.prompt} tokens; "
        f"a question: {sizes.question} tokens beside a picture"
    )
    console.print(_work(found.workload))
    for chip in found.chips:
        console.print()
        console.print(", ".join([chip.chip.title, *_rates(chip.chip)]))
        console.print(_floors(found.workload, chip))
    console.print()
    console.print(_LEGEND)


def time_text(floor: StageFloor) -> str:
    """``72 ms``, ``1.92 s``, or of text ``377/s``."""
    from mobileo_export.bench.measurement import digits

    if floor.stage == "decode_rate":
        return f"{digits(1 / floor.seconds)}/s"
    if floor.seconds >= 1:
        return f"{digits(floor.seconds)} s"
    return f"{digits(1e3 * floor.seconds)} ms"


def _work(work: Workload) -> Table:
    from mobileo_export.bench.stages import STAGES
    from mobileo_export.bench.workload import PRECISIONS

    table = _numbers(new_table("stage", "calls", "GFLOP", "weights"))
    for stage in work.stages:
        calls = sum(part.times for part in stage.parts)
        shared = {part.component: part.work[PRECISIONS[0]].stored for part in stage.parts}
        flops = stage.flops() / 1e9
        shown = f"{flops:,.0f}" if flops >= 10 else f"{flops:.2g}"
        table.add_row(STAGES[stage.name].title, str(calls), shown, bytes_text(sum(shared.values())))
    return table


def _floors(work: Workload, found: ChipLimits) -> Table:
    from mobileo_export.bench.stages import STAGES

    columns = [(engine, p) for engine, rates in found.chip.engines.items() for p in rates]
    heads = [f"{_SHORT[engine]}\n{_SECOND.get(engine, precision)}" for engine, precision in columns]
    table = _numbers(new_table("stage", *heads))
    for stage in work.stages:
        cells = []
        for engine, precision in columns:
            floor = found.of(stage.name, engine, precision)
            assert floor is not None  # each stage has one in each column
            cells.append(f"{time_text(floor)} {floor.bound[0]}")
        table.add_row(STAGES[stage.name].title, *cells)
    return table


def _numbers(table: Table) -> Table:
    """All columns but the first flush right."""
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    return table


def _rates(chip: Chip) -> Iterator[str]:
    from mobileo_export.bench.chips import ENGINES

    for engine, rates in chip.engines.items():
        for precision, rate in rates.items():
            guess = "" if rate.estimate is None else f" ± {rate.estimate:.0%}"
            yield f"{ENGINES[engine]} {precision} {rate.value:g} TFLOP/s{guess}"
    guess = "" if chip.bandwidth.estimate is None else f" ± {chip.bandwidth.estimate:.0%}"
    yield f"memory {chip.bandwidth.value:g} GB/s{guess}"
