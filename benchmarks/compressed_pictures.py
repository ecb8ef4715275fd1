"""What a DiT of few bits draws: plans by measured sensitivity beside uniform bits of equal size.

``python -m benchmarks.compressed_pictures PLAN.work [PICTURES]`` takes what ``compress-plan``
measured of the miniature, and prints the figures of docs/compress-plan.md: the velocity's error, as
the plan counts it and plain, and the PSNR of pictures after 20 steps.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export import assets
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.evaluation.run import select
from mobileo_export.pipelines import generate
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model
from mobileo_export.runtimes.torch_reference import TorchSession
from mobileo_export.sensitivity import assign, choices
from mobileo_export.sensitivity.calibrate import calibrated
from mobileo_export.sensitivity.judged import JudgedComponent
from mobileo_export.sensitivity.work import Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.sensitivity.sample import Call

    Schemes = Mapping[str, Scheme]

# One scheme for all matrices, and what stands in where it does not fit. Core ML has no five bits.
UNIFORM = {
    "6": ("palette6 rows 16", "palette6"),
    "5": ("int4 block 32", "palette4 rows 16", "palette4"),
    "4": ("palette4 rows 16", "palette4"),
}
_CATEGORIES = 6


def main(work: Path, pictures: int = 24) -> None:
    """Print a line for each way to store the DiT."""
    spec = COMPONENTS["dit"]
    measured = Work(work)
    calls = measured.recorded().calls[spec.name]
    table = choices.from_json(measured.load(spec.name))
    with (
        TemporaryDirectory() as folder,
        open_model(assets.MINIATURE, keep=True) as model,
    ):
        judged = JudgedComponent(assets.miniature(), spec, "released", Path(folder))
        dit = TorchSession(judged.module, model.signatures[spec.name], spec.outputs(judged.model))
        opened = model.open_component
        model.open_component = lambda name: dit if name == spec.name else opened(name)
        right = _drawn(model, pictures)
        print("| stored | bits | error | plain | PSNR | median | tenth |\n" + "|---" * 7 + "|")
        for name, bits in _ways(judged, calls, table):
            found = [_psnr(*pair) for pair in zip(_drawn(model, pictures), right, strict=True)]
            print(
                f"| {name} | {bits:.2f} | {math.sqrt(judged.error(calls)):.2%} | "
                f"{_plain(judged, calls):.2%} | {np.mean(found):.1f} | {np.median(found):.1f} | "
                f"{np.percentile(found, 10):.1f} |",
                flush=True,
            )


def _ways(
    judged: JudgedComponent, calls: list[Call], table: Mapping[str, list[choices.Choice]]
) -> Iterator[tuple[str, float]]:
    """Puts each way to store it in place, and says its name and bits a weight."""
    weights = sum(math.prod(judged.shapes[name]) for name in judged.parameters)
    for bits, names in UNIFORM.items():
        uniform = {name: _fitting(judged, name, names) for name in judged.parameters}
        taken = _put(judged, uniform)
        yield f"uniform {bits}", taken / weights
        chosen = assign.assign({("dit", name): made for name, made in table.items()}, taken)
        assert chosen is not None
        planned = {name: Scheme.parse(choice.name) for (_, name), choice in chosen.items()}
        yield f"planned {bits}", _put(judged, planned) / weights
        if bits != "6":
            for name, schemes in (("uniform", uniform), ("planned", planned)):
                calibrated(judged, calls, schemes)
                yield f"{name} {bits}, calibrated", taken / weights


def _fitting(judged: JudgedComponent, matrix: str, names: tuple[str, ...]) -> Scheme:
    schemes = map(Scheme.parse, names)
    return next(scheme for scheme in schemes if not scheme.misfit(judged.shapes[matrix]))


def _put(judged: JudgedComponent, schemes: Schemes) -> int:
    bits = 0
    for name, scheme in schemes.items():
        stored = compress(judged.values(name), scheme)
        judged.put(name, stored.expanded())
        bits += stored.bits
    return bits


def _drawn(model: Model, pictures: int) -> list[NDArray[np.float32]]:
    items = select(["draw"], -(-pictures // _CATEGORIES), 0)[:pictures]
    return [
        generate.generate(model, item.text, Drawing.of(model.recipe, seed=item.seed)).image
        for item in items
    ]


def _psnr(found: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Of what is shown, −1 to 1: dB of the peak 2."""
    wrong = np.clip(found, -1, 1).astype(np.float64) - np.clip(right, -1, 1)
    return 10 * math.log10(4 / max(float(np.mean(wrong**2)), 1e-12))


def _plain(judged: JudgedComponent, calls: list[Call]) -> float:
    """The velocity's relative error, every call counting alike."""
    from dataclasses import replace

    return math.sqrt(judged.error([replace(call, weight=1.0) for call in calls]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
