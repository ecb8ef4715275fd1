"""The estimate of an export, compared with what the export then writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import assets, components
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.safetensors_file import TensorInfo, tensor_bytes
from mobileo_export.compression.plan import load
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.export import plan as estimate
from mobileo_export.export import run as export
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

    from tests.exports import Exports


def plan(path: Path, only: str | None = None, **options: object) -> estimate.Plan:
    selected = export.Options(components.select(only), **options)  # type: ignore[arg-type]
    return estimate.plan(Checkpoint.open(path), selected)


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_bytes_are_within_three_percent(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    planned = plan(tiny_checkpoint)
    assert planned.bytes == pytest.approx(size(tiny_bundle), rel=0.03)
    for item in planned.components:
        written = size(tiny_bundle / item.artifact)
        if item.artifact.endswith(".mlpackage"):
            name = item.artifact.replace(".mlpackage", ".operations.json")
            written += (tiny_bundle / name).stat().st_size
        assert item.bytes == pytest.approx(written, rel=0.03), item.component


@pytest.mark.parametrize("stored", ["none", "exact", "small"])
def test_a_bundle_takes_no_more_than_was_said(stored: str, exported: Exports) -> None:
    compression = load(stored)
    bits = compression.language_model.bits if compression.language_model else 8
    chosen: dict[str, Any] = {
        "compression": compression,
        "llm_bits": bits,
        "source_name": assets.MINIATURE,  # as others have theirs
    }
    bundle = exported(assets.miniature(), **chosen)
    planned = plan(assets.miniature(), **chosen)
    assert 0.99 * planned.bytes <= size(bundle) <= planned.bytes


def test_released_dimensions_give_the_released_sizes(tiny_checkpoint: Path) -> None:
    """The weights of the 0.5B packages as computed from the paper's and the checkpoint's sizes."""
    model = models.model("0.5b")
    infos = {
        name: TensorInfo(name, dtype, shape, tiny_checkpoint, 0, tensor_bytes(dtype, shape))
        for name, (dtype, shape) in random_checkpoint.tensors(model).items()
    }
    config = random_checkpoint.config(model)
    checkpoint = Checkpoint(tiny_checkpoint, config, infos)  # only headers are asked for

    def sizes(compression: str) -> dict[str, int]:
        options = export.Options(components.select(None), compression=load(compression))
        planned = estimate.plan(checkpoint, options)
        return {item.component: item.bytes for item in planned.components}

    plain = sizes("none")
    assert plain == pytest.approx(
        {
            "vision_encoder": 490_856_832,
            "mcp": 9_761_808,
            "dit": 2_366_991_488,
            "vae_decoder": 636_892_684,
            "llm": 673e6,
        },
        rel=0.01,
    )
    halves = sizes("exact")
    assert halves["llm"] == plain["llm"]
    for name in ("mcp", "dit", "vae_decoder"):
        assert halves[name] == pytest.approx(plain[name] / 2, rel=0.01)
    assert halves["vision_encoder"] == pytest.approx(0.685 * plain["vision_encoder"], rel=0.01)
    # As they were written of random weights.
    w8 = {"vision_encoder": 124_926_531, "dit": 606_442_934, "vae_decoder": 161_704_368}
    for name, written in (("w8", w8), ("small", {**w8, "dit": 316_471_248})):
        found = {component: size for component, size in sizes(name).items() if component in written}
        assert found == pytest.approx(written, rel=0.002)


@pytest.mark.parametrize("preset", ["w8", "small"])
def test_a_preset_takes_what_was_written_of_it(preset: str, exported: Exports) -> None:
    bundle = exported(assets.miniature(), "mcp,vae_decoder", compression=load(preset))
    planned = plan(assets.miniature(), "mcp,vae_decoder", compression=load(preset))
    for item in planned.components:
        stem = item.artifact.removesuffix(".mlpackage")
        beside = [*bundle.glob(f"{stem}.*.json")]
        written = size(bundle / item.artifact) + sum(path.stat().st_size for path in beside)
        assert item.bytes == pytest.approx(written, rel=0.03), item.component
        assert len(beside) == (2 if item.component == "vae_decoder" else 1)


def test_palettes_take_their_time(tiny_checkpoint: Path) -> None:
    w8, small = (plan(tiny_checkpoint, "dit", compression=load(name)) for name in ("w8", "small"))
    assert w8.seconds < small.seconds


def test_what_is_halved_needs_room_beside_what_it_is_made_of(tiny_checkpoint: Path) -> None:
    plain, exact = (
        plan(tiny_checkpoint, "dit", compression=load(name)).components[0].temporary_bytes
        for name in ("none", "exact")
    )
    assert exact == pytest.approx(1.5 * plain, abs=1)


def test_half_precision_halves_the_packages(tiny_checkpoint: Path) -> None:
    full, half = (
        plan(tiny_checkpoint, "dit", precision=p, compression=load("none")).bytes
        for p in ("float32", "float16")
    )
    assert 0.5 < half / full < 0.6


def test_fewer_bits_make_a_smaller_language_model(tiny_checkpoint: Path) -> None:
    sizes = [plan(tiny_checkpoint, "llm", llm_bits=bits).bytes for bits in (16, 8, 4)]
    assert sizes == sorted(sizes, reverse=True)


def test_components_come_in_order_and_memory_counts_what_runs_together(
    tiny_checkpoint: Path,
) -> None:
    planned = plan(tiny_checkpoint)
    assert [item.component for item in planned.components] == list(components.COMPONENTS)
    memory = {item.component: item.peak_memory for item in planned.components}
    packages = [memory[name] for name in ("vision_encoder", "mcp", "dit", "vae_decoder")]
    assert (planned.slots, planned.beside) == (1, True)
    assert planned.peak_memory == max(packages) + memory["llm"]


def component(name: str, own: int, seconds: float, imported: int = 100) -> estimate.ComponentPlan:
    return estimate.ComponentPlan(
        10, imported + own, seconds, imported, 7, component=name, artifact=name
    )


PLANS = (component("a", 50, 10), component("b", 30, 20), component("c", 20, 30))
LIGHT = component("d", 5, 8, imported=0)


@pytest.mark.parametrize(
    ("budget", "slots", "beside", "peak"),
    [
        (None, 3, True, 205),
        (205, 3, True, 205),
        (204, 3, False, 200),
        (199, 2, True, 185),
        (184, 2, False, 180),
        (155, 1, True, 155),
        (150, 1, False, 150),
        (10, 1, False, 150),  # told, and for others to refuse
    ],
)
def test_as_much_runs_together_as_memory_allows(
    budget: int | None, slots: int, beside: bool, peak: int
) -> None:
    planned = estimate.together([*PLANS, LIGHT], budget, cores=8)
    assert (planned.slots, planned.beside, planned.peak_memory) == (slots, beside, peak)
    assert planned.temporary_bytes == 7 * slots


def test_no_more_runs_together_than_there_are_cores() -> None:
    planned = estimate.together([*PLANS, LIGHT], None, cores=2)
    assert planned.slots == 2
    assert planned.seconds == 9 + 30  # c beside b and a
    assert estimate.together([*PLANS, LIGHT], None, cores=1).seconds == 9 + 60


def test_what_is_kept_costs_nothing() -> None:
    every = estimate.together([*PLANS, LIGHT], None, cores=1)
    planned = estimate.together([*PLANS, LIGHT], None, cores=1, reused=["a", "c"])
    assert planned.reused == ("a", "c")
    assert planned.seconds == 9 + 20
    assert planned.peak_memory == 130 + 5
    assert planned.bytes == every.bytes  # of the bundle


def test_the_longest_is_begun_first() -> None:
    assert [item.component for item in estimate.longest_first(PLANS)] == ["c", "b", "a"]


def test_a_plan_needs_no_tensor_data(tiny_copy: Path) -> None:
    """All zeros where the weights were: the headers alone decide."""
    path = tiny_copy / "model.safetensors"
    header, data = surgery.split(path)
    surgery.join(path, header, bytes(len(data)))
    assert plan(tiny_copy).bytes > 0


def test_what_headers_show_is_found(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {"model.dit.proj_out.bias": None})
    with pytest.raises(CheckpointError, match=r"model\.dit\.proj_out\.bias is missing"):
        plan(tiny_copy)
    assert plan(tiny_copy, "mcp").bytes > 0


def test_options_that_do_not_go_with_the_checkpoint(tiny_copy: Path) -> None:
    tensors = surgery.load(tiny_copy / "model.safetensors")
    surgery.change(tiny_copy, {name: None for name in tensors if name.startswith("base_model.")})
    with pytest.raises(UsageError, match="nested"):
        plan(tiny_copy, weights="post-trained")
    with pytest.raises(UsageError, match="nothing_like_this"):
        plan(tiny_copy, "llm", llm_exceptions={"nothing_like_this": 8})
