"""``python -m tests.bench.limits_page`` writes the tables of docs/limits.md from counted work."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mobileo_export.bench import chips, limits, workload
from mobileo_export.bench.chips import ENGINES, Chip, ChipFigure
from mobileo_export.bench.language_cost import LanguageCall, of_folder
from mobileo_export.bench.limits import StageFloor
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.stages import STAGES
from mobileo_export.bench.workload import CallWork, StagePart, Workload
from mobileo_export.cli.limits_table import time_text
from mobileo_export.components import COMPONENTS
from mobileo_export.compression import plan

from . import full_size

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
PRESETS = ("w8", "small")
SHOWN = ("M2 Pro", "M4", "A17 Pro", "A18 Pro", "A19 Pro", "Orin Nano 8 GB", "Orin Nano Super")
BOUND = {"compute": "c", "memory": "m"}


def stored(preset: str) -> dict[str, int]:
    """Bytes of each component but the language model, in a preset."""
    chosen = plan.load(preset)
    found = {}
    for spec in COMPONENTS.values():
        if spec.name == "llm":
            continue
        matrices = plan.matrices(spec, full_size.MODEL)
        bits = sum(
            chosen.scheme(spec.name, name, shape).stored_bits(shape)
            for name, shape in matrices.items()
        )
        others = sum(map(math.prod, spec.tensors(full_size.MODEL).values()))
        others -= sum(map(math.prod, matrices.values()))
        found[spec.name] = (bits + 16 * others) // 8
    return found


def compressed(work: Workload, preset: str) -> Workload:
    """The same work with weights as a preset stores them."""
    sizes, bits = stored(preset), plan.load(preset).language_model
    assert bits is not None
    folder = full_size.packed(bits.bits)
    positions = work.sizes.question + full_size.MODEL.vision.num_tokens
    calls = {
        "prefill": LanguageCall(positions, image=True),
        "decode_rate": LanguageCall(1, past=positions),
        "llm": LanguageCall(work.sizes.prompt, head=False),
    }
    read = {
        name: tuple(map(CallWork.of, of_folder(folder, asked, workload.PRECISIONS)))
        for name, asked in calls.items()
    }
    stages = []
    for stage in work.stages:
        parts = []
        for part in stage.parts:
            if part.component == "llm":
                of_stage = {"time_to_first_token": "prefill", "image": "llm"}
                works = read[of_stage.get(stage.name, stage.name)]
                narrow = dict(zip(map(str, workload.PRECISIONS), works, strict=True))
            else:
                size = sizes[part.component]
                narrow = {p: replace(call, stored=size) for p, call in part.work.items()}
            parts.append(StagePart(part.component, part.times, narrow))
        stages.append(replace(stage, parts=tuple(parts)))
    return replace(work, stages=tuple(stages))


def tables() -> dict[str, str]:
    """Every table of the page by its name."""
    work = full_size.work()
    presets = {name: compressed(work, name) for name in PRESETS}
    return {
        "work": _table(_work(work, presets)),
        "chips": _table(_chips()),
        "floors": "\n\n".join(
            f"**{chip.title}**\n\n" + _table(_floors(work, presets, chip))
            for chip in chips.find(SHOWN)
        ),
        "published": _table(_published(work)),
        "unfused": _table(_unfused(work)),
    }


def render(text: str) -> str:
    """The page with its tables as they are now."""
    for name, table in tables().items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, rf"\g<1>\n{table}\n\n\g<2>", text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{PAGE}: has {count} places for the table {name}")
    return text


def _table(rows: Iterator[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _work(work: Workload, presets: dict[str, Workload]) -> Iterator[list[str]]:
    yield ["stage", "calls", "GFLOP", "exact, MB", *(f"{name}, MB" for name in PRESETS)]
    for place, stage in enumerate(work.stages):
        sizes = [
            sum({p.component: p.work["float16"].stored for p in found.stages[place].parts}.values())
            for found in (work, *presets.values())
        ]
        flops = stage.flops() / 1e9
        yield [
            STAGES[stage.name].title,
            str(sum(part.times for part in stage.parts)),
            f"{flops:,.0f}" if flops >= 10 else f"{flops:.2g}",
            *(f"{size / 1e6:,.0f}" for size in sizes),
        ]


def _chips() -> Iterator[list[str]]:
    yield ["chip", "engine", "figure", "source"]
    for chip in chips.known():
        for engine, rates in chip.engines.items():
            for precision, rate in rates.items():
                of = f"{ENGINES[engine]}, {precision}"
                yield [chip.title, of, f"{_figure(rate)} TFLOP/s", rate.source]
        for of, size, unit in (
            ("memory's bandwidth", chip.bandwidth, "GB/s"),
            ("memory", chip.memory, "GB"),
        ):
            yield [chip.title, of, f"{_figure(size)} {unit}", size.source]


def _figure(figure: ChipFigure) -> str:
    guess = "" if figure.estimate is None else f" ± {figure.estimate:.0%}"
    return f"{figure.value:g}{guess}"


def _fastest(chip: Chip) -> str:
    """The engine with most float16."""
    ways = {e: rates["float16"].value for e, rates in chip.engines.items() if "float16" in rates}
    return max(ways, key=ways.__getitem__)


def _floors(work: Workload, presets: dict[str, Workload], chip: Chip) -> Iterator[list[str]]:
    columns = [(engine, p) for engine, rates in chip.engines.items() for p in rates]
    fastest = _fastest(chip)
    named = {"gpu": "GPU", "gpu_matrix": "matrix units", "neural_engine": "Neural Engine"}
    yield [
        "stage",
        *(f"{named[engine]} {precision}" for engine, precision in columns),
        *(f"{preset}, {named[fastest]} float16" for preset in presets),
    ]
    plain, *narrow = (
        limits.on_chips(found, [chip]).chips[0] for found in (work, *presets.values())
    )
    for stage in work.stages:
        found = [plain.of(stage.name, *column) for column in columns]
        found += [chip_floors.of(stage.name, fastest, "float16") for chip_floors in narrow]
        yield [STAGES[stage.name].title, *map(_cell, found)]


def _cell(floor: StageFloor | None) -> str:
    return "" if floor is None else f"{time_text(floor)} {BOUND[floor.bound]}"


def _published(work: Workload) -> Iterator[list[str]]:
    ways = {
        "GPU float32": ("gpu", "float32"),
        "GPU float16": ("gpu", "float16"),
        "matrix units": ("gpu_matrix", "float16"),
        "Neural Engine": ("neural_engine", "float16"),
    }
    yield ["device", "stage", "paper", *ways, "float32's share"]
    for device, figures in PAPER.items():
        (found,) = limits.on_chips(work, chips.find([device])).chips
        for stage, figure in figures.items():
            wide = found.of(stage, "gpu", "float32")
            cells = [found.of(stage, *way) for way in ways.values()]
            seconds = figure.mean / (1 if stage == "image" else 1000)
            assert wide is not None
            unit = "s" if stage == "image" else "ms"
            yield [
                device,
                STAGES[stage].title,
                f"{figure.mean:g} {unit}",
                *("" if cell is None else time_text(cell) for cell in cells),
                f"{wide.seconds / seconds:.0%}",
            ]


def _unfused(work: Workload) -> Iterator[list[str]]:
    shown = [
        (chip, engine, precision)
        for chip in chips.find(["M2 Pro", "A19 Pro"])
        for engine, precision in (("gpu", "float32"), ("gpu", "float16"))
    ]
    yield ["stage", *(f"{chip.name}, {precision}" for chip, _, precision in shown)]
    for stage in work.stages:
        cells = []
        for chip, engine, precision in shown:
            (found,) = limits.on_chips(work, [chip]).chips
            floor = found.of(stage.name, engine, precision)
            assert floor is not None
            apart = replace(floor, seconds=floor.unfused)
            more = floor.unfused / floor.seconds - 1
            cells.append(f"{time_text(apart)}, {more:+.0%}")
        yield [STAGES[stage.name].title, *cells]


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
