"""Plans against the same bits everywhere, at equal size, on the shipped model's DiT."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export import assets
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.evaluation.run import select
from mobileo_export.pipelines import generate
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from mobileo_export.runtimes.torch_reference import TorchSession
from mobileo_export.sensitivity import choices
from mobileo_export.sensitivity.assign import assign
from mobileo_export.sensitivity.calibrate import calibrated
from mobileo_export.sensitivity.judged import JudgedComponent

from .conftest import Weigh

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.sensitivity.sample import SampledCalls

# Core ML has palettes of 8, 6, 4 and fewer bits: of 5, blocks of 4 and a scale for each.
UNIFORM = {
    6: ("palette6 rows 16", "palette6"),
    5: ("int4 block 32", "palette4 rows 16", "palette4"),
    4: ("palette4 rows 16", "palette4"),
}
STEPS = 10


class Dit:
    """The DiT, its sample, and the choices of its matrices."""

    def __init__(self, judged: JudgedComponent, sample: SampledCalls, weigh: Weigh) -> None:
        self.judged = judged
        self.calls = sample.calls["dit"]
        weighed = weigh(judged)
        self.table = {
            ("dit", name): choices.of_matrix(judged, weighed, name) for name in judged.parameters
        }

    def uniform(self, bits: int) -> dict[str, Scheme]:
        schemes = list(map(Scheme.parse, UNIFORM[bits]))
        return {
            name: next(s for s in schemes if not s.misfit(self.judged.shapes[name]))
            for name in self.judged.parameters
        }

    def planned(self, most: int) -> dict[str, Scheme]:
        found = assign(self.table, most)
        assert found is not None
        return {name: Scheme.parse(choice.name) for (_, name), choice in found.items()}

    def put(self, schemes: Mapping[str, Scheme]) -> int:
        bits = 0
        for name, scheme in schemes.items():
            stored = compress(self.judged.values(name), scheme)
            self.judged.put(name, stored.expanded())
            bits += stored.bits
        return bits

    def error(self) -> float:
        return math.sqrt(self.judged.error(self.calls))


@pytest.fixture(scope="module")
def dit(sample: SampledCalls, weigh: Weigh, tmp_path_factory: pytest.TempPathFactory) -> Dit:
    from mobileo_export.components import COMPONENTS

    folder = tmp_path_factory.mktemp("dit")
    judged = JudgedComponent(assets.miniature(), COMPONENTS["dit"], "released", folder)
    return Dit(judged, sample, weigh)


@pytest.mark.parametrize("bits", UNIFORM)
def test_a_plan_makes_little_of_the_error_of_equal_bits_everywhere(dit: Dit, bits: int) -> None:
    size = dit.put(dit.uniform(bits))
    uniform = dit.error()
    assert dit.put(dit.planned(size)) <= size
    assert dit.error() <= 0.6 * uniform


@pytest.fixture(scope="module")
def draw(dit: Dit) -> Iterator[Callable[[], list[NDArray[np.float32]]]]:
    judged = dit.judged
    with open_model(assets.MINIATURE, keep=True) as model:
        opened = model.open_component
        session = TorchSession(
            judged.module, model.signatures["dit"], judged.spec.outputs(judged.model)
        )
        model.open_component = lambda name: session if name == "dit" else opened(name)

        def pictures() -> list[NDArray[np.float32]]:
            return [
                generate.generate(
                    model, item.text, Drawing.of(model.recipe, STEPS, seed=item.seed)
                ).image
                for item in select(["draw"], 1, 0)
            ]

        yield pictures


def test_calibrated_four_bits_draw_better_pictures_by_four_decibels(
    dit: Dit, draw: Callable[[], list[NDArray[np.float32]]]
) -> None:
    for name in dit.judged.parameters:
        dit.judged.put(name, None)
    right = draw()

    def psnr() -> float:
        wrong = [np.mean(np.square(a - b)) for a, b in zip(draw(), right, strict=True)]
        return float(np.mean([10 * math.log10(4 / w) for w in wrong]))

    size = dit.put(dit.uniform(4))
    uniform = psnr()
    calibrated(dit.judged, dit.calls, dit.planned(size))
    assert psnr() >= uniform + 4
