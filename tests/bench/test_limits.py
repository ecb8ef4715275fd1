"""Floors: the published figures beside them, at full size, without weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import DynamicCache

from mobileo_export import components
from mobileo_export.bench import chips, limits, workload
from mobileo_export.bench.language_cost import LanguageCall, of_folder
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.stages import STAGES
from mobileo_export.bench.workload import CallWork, StagePart, StageWork, Workload, WorkSizes
from mobileo_export.errors import BundleError, UsageError

from . import full_size, limits_page

GPU, MATRIX, NEURAL = "gpu", "gpu_matrix", "neural_engine"


@pytest.fixture(scope="module")
def work() -> Workload:
    return full_size.work()


def floor_of(work: Workload, device: str, stage: str, engine: str, precision: str) -> float:
    (found,) = limits.on_chips(work, chips.find([device])).chips
    floor = found.of(stage, engine, precision)
    assert floor is not None
    return floor.seconds


@pytest.mark.parametrize("name", ["vision_encoder", "mcp", "dit", "vae_decoder"])
def test_full_size_flops_are_those_of_the_reference(name: str, work: Workload) -> None:
    spec = components.COMPONENTS[name]
    stage = "dit_step" if name == "dit" else name
    (part,) = next(s for s in work.stages if s.name == stage).parts
    assert part.times == (2 if name in {"mcp", "dit"} else 1)
    shapes = [i.at(N=work.sizes.prompt) for i in spec.inputs(full_size.MODEL) if not i.optional]
    expected = full_size.flops(full_size.reference(name), *shapes)
    for call in part.work.values():
        assert call.flops == pytest.approx(expected, rel=1e-3)
        assert sum(count * flops for count, flops, _ in call.profile) == call.flops


@pytest.mark.parametrize(("length", "gflop"), [(8, 260), (40, 266), (77, 273), (300, 316)])
def test_the_transformer_grows_with_its_conditioning(length: int, gflop: int) -> None:
    spec = components.COMPONENTS["dit"]
    shapes = [i.at(N=length) for i in spec.inputs(full_size.MODEL)]
    assert round(full_size.flops(full_size.reference("dit"), *shapes) / 1e9) == gflop


def test_full_size_sums_are_the_known_ones(work: Workload) -> None:
    gflop = {stage.name: round(stage.flops() / 1e9) for stage in work.stages}
    assert gflop["vision_encoder"] == 487
    assert gflop["vae_decoder"] == 2092
    assert gflop["dit_step"] == 2 * 273 + 1  # 546.7
    assert gflop["image"] == pytest.approx(13_000, rel=0.01)
    assert work.sizes == WorkSizes(prompt=77, question=32, steps=20, branches=2)


def test_the_language_model_at_full_size_is_that_of_its_reference(work: Workload) -> None:
    module, hidden = full_size.reference("llm"), full_size.MODEL.llm.hidden_size
    positions = work.sizes.question + full_size.MODEL.vision.num_tokens
    calls = {
        "prefill": LanguageCall(positions, image=True),
        "llm": LanguageCall(work.sizes.prompt, head=False),
        "decode_rate": LanguageCall(1, past=positions),
    }
    for name, asked in calls.items():
        (part,) = next(s for s in work.stages if s.name == name).parts
        counted = of_folder(full_size.folder(), asked, workload.PRECISIONS)
        assert dict(part.work) == dict(
            zip(workload.PRECISIONS, map(CallWork.of, counted), strict=True)
        )
    past = DynamicCache(config=module.language_model.config)
    expected = full_size.flops(lambda x: module._run(x, past), (1, positions, hidden))
    image = full_size.flops(module.projector, (1, 256, full_size.MODEL.vision.feature_dim))
    found = next(s for s in work.stages if s.name == "prefill").flops()
    assert found == pytest.approx(expected + image, rel=1e-3)


def test_floors_beside_the_published_figures(work: Workload) -> None:
    """Milliseconds: what bench/published.py has, and what a GPU in float32 could do."""
    for device, stage, expected in (
        ("MacBook M2 Pro", "vision_encoder", 72),
        ("iPhone 17 Pro", "vision_encoder", 196),
        ("iPhone 17 Pro", "image", 5250),
    ):
        floor = 1e3 * floor_of(work, device, stage, GPU, "float32")
        assert floor == pytest.approx(expected, rel=0.01)
        published = PAPER[device][stage].mean * (1000 if stage == "image" else 1)
        assert published < floor, "so it is no float32 on the GPU"
    # What may be float32: half of what the GPU could do.
    picture = floor_of(work, "MacBook M2 Pro", "image", GPU, "float32")
    assert picture / PAPER["MacBook M2 Pro"]["image"].mean == pytest.approx(0.48, abs=0.01)
    board = floor_of(work, "Jetson Orin Nano Super", "image", MATRIX, "float16")
    assert board / PAPER["Jetson Orin Nano"]["image"].mean == pytest.approx(0.19, abs=0.01)
    for device, figures in PAPER.items():  # but nothing beats what its chip could do at best
        (found,) = limits.on_chips(work, chips.find([device])).chips
        for stage, figure in figures.items():
            seconds = figure.mean / (1 if stage == "image" else 1000)
            assert min(f.seconds for f in found.floors if f.stage == stage) < seconds, device


def test_text_is_bound_by_memory_and_pictures_by_computing(work: Workload) -> None:
    rate = 1 / floor_of(work, "iPhone 17 Pro", "decode_rate", GPU, "float16")
    assert rate == pytest.approx(145, rel=0.01)
    assert 1 / floor_of(work, "M2 Pro", "decode_rate", GPU, "float16") == pytest.approx(
        377, rel=0.01
    )
    for found in limits.on_chips(work, chips.known()).chips:
        for floor in found.floors:
            if floor.stage == "decode_rate":
                assert floor.bound == "memory"
                assert floor.widened > 1.5 * floor.seconds
            if floor.stage == "image" and floor.engine != NEURAL:
                assert (floor.bound, floor.component) == ("compute", "dit")
                assert floor.widened < 1.05 * floor.seconds, "narrow weights draw no faster"
            assert floor.seconds <= min(floor.widened, floor.unfused)


def test_a_neural_engine_would_wait_for_the_weights_of_the_transformer(work: Workload) -> None:
    """Its products take less than reading 1.2 GB: there narrow weights would help."""
    (found,) = limits.on_chips(work, chips.find(["A17 Pro"])).chips
    floor = found.of("dit_step", NEURAL, "float16")
    assert floor is not None
    assert floor.bound == "memory"


def test_the_page_has_the_tables_of_now() -> None:
    text = limits_page.PAGE.read_text(encoding="utf-8")
    assert limits_page.render(text) == text, "run python -m tests.bench.limits_page"
    for name in limits_page.tables():
        with pytest.raises(ValueError, match=f"0 places for the table {name}"):
            limits_page.render(text.replace(f"table: {name} ", "table: other "))


def test_the_page_says_what_the_counts_say(work: Workload) -> None:
    """Of the sentences between its tables."""
    text = " ".join(limits_page.PAGE.read_text(encoding="utf-8").split())
    gflop = {stage.name: stage.flops() / 1e9 for stage in work.stages}
    share = round(100 * 20 * gflop["dit_step"] / gflop["image"])
    assert f"The transformer is {share} % of a picture, the decoder {100 - share} %" in text
    fewer = gflop["image"] - 5 * gflop["dit_step"]
    assert f"{fewer / 1e3:.1f} TFLOP, whose float32 floor is {fewer / 2490:.1f} s" in text
    bounds = {
        (found.chip.name, floor.engine)
        for found in limits.on_chips(work, chips.known()).chips
        for floor in found.floors
        if floor.stage == "dit_step" and floor.bound == "memory"
    }
    assert bounds == {("A17 Pro", NEURAL), ("A18 Pro", NEURAL)}


def a_call(flops: int = 0, stored: int = 0, widened: int = 0, moved: int = 0) -> CallWork:
    return CallWork(flops, stored, widened, moved, ((1, flops, stored + moved),))


def a_stage(*parts: tuple[str, int, CallWork]) -> StageWork:
    return StageWork(
        "some",
        tuple(StagePart(name, times, {"float32": work}) for name, times, work in parts),
    )


def test_a_floor_is_the_larger_of_computing_and_memory() -> None:
    bound = limits.floor(a_stage(("a", 3, a_call(100, 10, 40, 10))), GPU, "float32", 10, 10)
    assert (bound.seconds, bound.bound, bound.widened) == (30, "compute", 30)
    bound = limits.floor(a_stage(("a", 3, a_call(10, 10, 40, 10))), GPU, "float32", 10, 10)
    assert (bound.seconds, bound.bound, bound.widened) == (6, "memory", 15)
    # Weights that are stored wider than they are computed with are narrowed once.
    bound = limits.floor(a_stage(("a", 1, a_call(10, 40, 20, 0))), GPU, "float32", 10, 10)
    assert bound.seconds == 2


def test_a_stage_is_bound_by_what_most_of_its_time_is_bound_by() -> None:
    stage = a_stage(("a", 1, a_call(flops=30)), ("b", 2, a_call(stored=10, widened=10)))
    bound = limits.floor(stage, GPU, "float32", 10, 10)
    assert (bound.seconds, bound.bound, bound.component) == (5, "compute", "a")
    stage = a_stage(("a", 1, a_call(flops=30)), ("b", 4, a_call(stored=10, widened=10)))
    bound = limits.floor(stage, GPU, "float32", 10, 10)
    assert (bound.seconds, bound.bound, bound.component) == (7, "memory", "b")


def test_operations_one_after_another_take_longer_than_both_bounds() -> None:
    work = CallWork(100, 0, 0, 100, ((1, 100, 0), (1, 0, 100)))
    bound = limits.floor(a_stage(("a", 1, work)), GPU, "float32", 10, 10)
    assert (bound.seconds, bound.unfused) == (10, 20)


def test_limits_of_a_bundle(tiny_bundle: Path, tiny_jetson: Path) -> None:
    for bundle, calls in ((tiny_bundle, 2), (tiny_jetson, 1)):
        found = limits.limits(bundle, ["iPhone 17 Pro"])
        assert {stage.name for stage in found.workload.stages} == set(STAGES) - {
            "preprocessing",
            "loading",
        }
        step = next(s for s in found.workload.stages if s.name == "dit_step")
        assert step.parts[0].times == calls, "a board's call takes both branches"
        plain = json.loads(json.dumps(found.as_json()))
        assert [chip["name"] for chip in plain["chips"]] == ["A19 Pro"]
        assert plain["chips"][0]["bandwidth"]["source"]
        again = Workload.from_json(json.loads(json.dumps(found.workload.as_json())))
        assert again == found.workload


def test_sizes_are_those_that_are_asked_for(tiny_bundle: Path) -> None:
    content = json.loads((tiny_bundle / "manifest.json").read_text())
    content["recipe"]["sampling"]["guidance_scale"] = 1
    sizes = WorkSizes.of(content, prompt=40, question=20, steps=7)
    assert sizes == WorkSizes(40, 20, 7, 1)
    few, many = (
        workload.of(tiny_bundle, replace(sizes, steps=steps)).stages[-1] for steps in (7, 14)
    )
    times = [{part.component: part.times for part in stage.parts} for stage in (few, many)]
    assert times[0] == {"llm": 1, "mcp": 1, "dit": 7, "vae_decoder": 1}
    assert times[1]["dit"] == 14
    with pytest.raises(UsageError, match="N is 5, allowed are 8 to 768"):
        workload.of(tiny_bundle, replace(sizes, prompt=5))


def test_a_part_of_a_bundle_has_a_part_of_the_stages(
    tiny_checkpoint: Path, exported: object
) -> None:
    bundle = exported(tiny_checkpoint, "mcp,llm")  # type: ignore[operator]
    found = limits.limits(bundle, ["M4"])
    names = [stage.name for stage in found.workload.stages]
    assert names == ["prefill", "decode_rate", "llm", "mcp"]
    assert found.chips[0].of("image", GPU, "float32") is None


def test_no_bundle_and_no_chip(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        limits.limits(tmp_path)
    with pytest.raises(UsageError, match="is no chip"):
        limits.limits(tmp_path, ["Pixel"])
