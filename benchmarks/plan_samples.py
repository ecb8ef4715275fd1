"""How many captions and directions a plan needs: plans of small samples, judged on a large one.

``python -m benchmarks.plan_samples [COMPONENT …]`` plans the miniature at the sizes of uniform 8, 6
and 4 bits, by samples of several sizes, and prints the error of each plan on all sixteen captions.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from mobileo_export import assets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.model import open_model
from mobileo_export.sensitivity import assign, importance, prompts, sample
from mobileo_export.sensitivity.study import Stand, Study
from mobileo_export.sensitivity.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Captions, and the least number of directions of a component.
SAMPLES = ((16, 128), (6, 32), (4, 32), (3, 32), (2, 32), (3, 16), (3, 8))


def main(components: Sequence[str]) -> None:
    """Print a line for each component and sample."""
    captions = {count for count, _ in SAMPLES}
    with open_model(assets.MINIATURE, keep=True) as model:
        recorded = {n: sample.record(model, prompts.CAPTIONS[:n]).calls for n in captions}
    print("| component | captions | directions | 8 | 6 | 4 bits |\n" + "|---" * 6 + "|")
    with TemporaryDirectory() as root:
        for component in components:
            _compare(component, {n: calls[component] for n, calls in recorded.items()}, root)


def _compare(component: str, recorded: dict[int, list[sample.Call]], root: str) -> None:
    def study(calls: Sequence[sample.Call]) -> Study:
        checkpoint, work = Checkpoint.open(assets.miniature()), Work(Path(mkdtemp(dir=root)))
        return Study(checkpoint, "released", COMPONENTS[component], calls, work, {})

    judged = study(recorded[max(recorded)])
    uniform = judged.uniform()
    print(f"| {component} | | uniform | {_errors(uniform.values())} |")
    for count, directions in SAMPLES:
        importance.LEAST_PROBES = directions
        table = {(component, name): made for name, made in study(recorded[count]).table.items()}
        found = []
        for stand in uniform.values():
            chosen = assign.assign(table, stand.bits)
            assert chosen is not None
            found.append(judged.stand({matrix: made for (_, matrix), made in chosen.items()}))
        print(f"| {component} | {count} | {directions} | {_errors(found)} |", flush=True)


def _errors(stands: Iterable[Stand]) -> str:
    return " | ".join(f"{math.sqrt(stand.error or 0):.2%}" for stand in stands)


if __name__ == "__main__":
    main(sys.argv[1:] or ["dit", "vae_decoder", "vision_encoder"])
