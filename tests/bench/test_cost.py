"""FLOPs and bytes that are told of a saved artifact are those of the reference and of the files."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mobileo_export import assets
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.bench import graph_cost
from mobileo_export.bench.bundle_cost import BundleCost
from mobileo_export.bench.cost import CallCost, costliest, together
from mobileo_export.bench.language_cost import LanguageCall
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.compression import plan
from mobileo_export.errors import BundleError, UsageError

from ..exports import Exports
from ..parity.packages import PACKAGES

LENGTHS = (8, 77, 300)
GRAPHS = ("vision_encoder", "mcp", "dit", "vae_decoder")
Bundles = Callable[[str], BundleCost]


@pytest.fixture(scope="module", params=["tiny", "miniature"])
def checkpoint(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint if request.param == "tiny" else assets.miniature())


@pytest.fixture(scope="module")
def bundles(checkpoint: Checkpoint, exported: Exports) -> Bundles:
    named = {"source_name": assets.MINIATURE} if checkpoint.path == assets.miniature() else {}
    return lambda target: BundleCost(exported(checkpoint.path, target=target, **named))


def counted(call: Callable[[], object]) -> int:
    """What PyTorch counts; it does not know the processor's own kernel of attention."""
    math = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), math, FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", GRAPHS)
def test_flops_are_those_of_the_reference(
    name: str, checkpoint: Checkpoint, bundles: Bundles
) -> None:
    spec = COMPONENTS[name]
    module = spec.reference(checkpoint, "released")
    for length in LENGTHS:
        arrays = spec.example_inputs(checkpoint.model, N=length)
        expected = counted(partial(module, *map(torch.from_numpy, arrays.values())))
        for target in ("ios", "jetson"):
            found = bundles(target).call(name, N=length)
            assert found.total.flops == pytest.approx(expected, rel=1e-3), (target, length)
            assert 0 < found.total.elementwise < found.total.flops


@pytest.fixture(scope="module")
def half(checkpoint: Checkpoint, exported: Exports) -> BundleCost:
    """Graphs in float16, with what their plan keeps in float32 between casts."""
    named = {"source_name": assets.MINIATURE} if checkpoint.path == assets.miniature() else {}
    return BundleCost(exported(checkpoint.path, target="jetson", precision="float16", **named))


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_of_mixed_precision_cost_what_they_compute_and_store(
    name: str, checkpoint: Checkpoint, bundles: Bundles, half: BundleCost
) -> None:
    """A cast is no arithmetic, and of a weight no weight of its own."""
    spec = COMPONENTS[name]
    module = spec.reference(checkpoint, "released")
    for length in LENGTHS:
        arrays = spec.example_inputs(checkpoint.model, N=length)
        expected = counted(partial(module, *map(torch.from_numpy, arrays.values())))
        found = half.call(name, N=length)
        assert found.total.flops == pytest.approx(expected, rel=1e-3), length
    wide = bundles("jetson").call(name, N=LENGTHS[-1])
    entry = half.content["components"][name]["artifacts"][0]
    data = (half.path / f"{entry['path']}{manifest.EXTERNAL_DATA}").stat().st_size
    assert data <= found.total.stored <= 1.02 * data + 8192
    if entry["compute_precision"] == "float32":
        assert found.as_json() == wide.as_json()
        return
    casts = [op for op in found.operations if op.kind == "Cast"]
    assert casts
    assert not any(op.flops or op.elementwise for op in casts)
    assert found.total.stored == pytest.approx(wide.total.stored / 2, rel=0.02)
    assert found.total.widened < 0.6 * wide.total.widened
    assert found.total.elementwise == pytest.approx(wide.total.elementwise, rel=0.05)
    assert wide.total.moved / 2 < found.total.moved < 1.5 * wide.total.moved
    as_planned, wide_again, narrow = half.calls(name, (None, "float32", "float16"), N=LENGTHS[-1])
    assert as_planned.as_json() == found.as_json()
    assert narrow.total.moved < found.total.moved < wide_again.total.moved


def test_the_language_model_of_mixed_precision(bundles: Bundles, half: BundleCost) -> None:
    for asked in (LanguageCall(77), LanguageCall(300, image=True), LanguageCall(1, past=77)):
        found, wide = half.read(asked), bundles("jetson").read(asked)
        assert found.total.flops == wide.total.flops
        assert found.total.stored == pytest.approx(wide.total.stored / 2, rel=0.1)


def test_flops_of_the_language_model_are_those_of_the_reference(
    checkpoint: Checkpoint, bundles: Bundles
) -> None:
    module: Any = COMPONENTS["llm"].reference(checkpoint, "released")
    model = checkpoint.model
    features = torch.zeros(1, model.vision.num_tokens, model.vision.feature_dim)
    image = torch.full((1, 1), module.image_token_id(), dtype=torch.int32)
    cost = bundles("ios")
    for length in LENGTHS:
        ids = torch.zeros(1, length, dtype=torch.int32)
        assert cost.read(LanguageCall(length)).total.flops == counted(partial(module, ids))
        with_image = torch.cat([ids, image], dim=1)
        positions = length + model.vision.num_tokens
        expected = counted(partial(module, with_image, features))
        assert cost.read(LanguageCall(positions, image=True)).total.flops == expected
        *_, past = module.prefill(ids)
        expected = counted(partial(module.step, ids[:, :1], past))
        assert cost.read(LanguageCall(1, past=length)).total.flops == expected


def test_graphs_of_the_language_model_compute_what_the_folder_computes(bundles: Bundles) -> None:
    folder, graphs = bundles("ios"), bundles("jetson")
    for asked in (LanguageCall(77), LanguageCall(300), LanguageCall(300, image=True)):
        expected, found = folder.read(asked), graphs.read(asked)
        # A graph attends to one empty slot besides; float32 beside packed weights.
        assert expected.total.flops <= found.total.flops <= 1.01 * expected.total.flops
        assert found.total.stored > 2 * expected.total.stored
    step, whole = graphs.read(LanguageCall(1, past=77)), graphs.read(LanguageCall(1, past=300))
    assert step.as_json() == whole.as_json(), "a graph takes keys and values of all its positions"


def records(package: Path) -> int:
    """Bytes of all data in a package's weight file, without headers and padding."""
    found = open_package(package)
    content = found.blob("@model_path/weights/weight.bin").read_bytes()
    count, at, total = struct.unpack_from("<I", content)[0], 64, 0
    for _ in range(count):
        sentinel, _, size, start = struct.unpack_from("<IIQQ", content, at)
        assert sentinel == 0xDEADBEEF
        total += size
        at = -(-(start + size) // 64) * 64
    return total


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_bytes_of_weights_are_those_of_the_files(
    precision: str, tiny_checkpoint: Path, tiny_bundle: Path, exported: Exports
) -> None:
    wide = precision == "float32"
    check_files(
        BundleCost(
            tiny_bundle if wide else exported(tiny_checkpoint, PACKAGES, precision=precision)
        )
    )


@pytest.mark.parametrize("preset", ["none", "w8", "small"])
def test_bytes_of_compressed_weights_are_those_of_the_files(
    preset: str, tiny_checkpoint: Path, exported: Exports
) -> None:
    only = "mcp,dit" if preset == "none" else PACKAGES  # that others look at, too
    chosen = exported(tiny_checkpoint, only, compression=plan.load(preset))
    cost = BundleCost(chosen)
    check_files(cost)
    call = cost.call("dit")
    if preset == "none":
        assert call.total.stored == call.total.widened
    else:
        assert call.total.stored < {"w8": 0.5, "small": 0.4}[preset] * call.total.widened
    assert call.total.flops > 0


def check_files(cost: BundleCost) -> None:
    """Bytes of a package's weights are those of its weight file, and a few in its graph."""
    for name in cost.names:
        if name == "llm":
            continue
        package = cost.path / cost.content["components"][name]["artifacts"][0]["path"]
        found, filed = cost.call(name), records(package)
        assert filed <= found.total.stored <= 1.02 * filed + 4096, name


def test_bytes_of_graphs_and_folders_are_those_of_the_files(
    bundles: Bundles, checkpoint: Checkpoint
) -> None:
    graphs = bundles("jetson")
    for name in GRAPHS:
        entry = graphs.content["components"][name]["artifacts"][0]
        data = (graphs.path / f"{entry['path']}{manifest.EXTERNAL_DATA}").stat().st_size
        assert data <= graphs.call(name).total.stored <= 1.02 * data + 8192, name
    folder = bundles("ios")
    positions = checkpoint.model.vision.num_tokens + 20
    call = folder.read(LanguageCall(positions, image=True))
    stored = (folder.path / "llm/model.safetensors").stat().st_size
    table = next(w for w in call.total.weights if w.key == "model.embed_tokens.weight")
    rows = checkpoint.model.llm.vocab_size
    tied = checkpoint.model.llm.tie_word_embeddings
    found = call.total.stored
    whole = found if tied else found - table.stored + table.stored // 20 * rows
    assert stored - 40_000 < whole < stored  # its header


def test_a_precision_chooses_the_width_of_floats_and_changes_no_flop(bundles: Bundles) -> None:
    cost = bundles("ios")
    wide, narrow = cost.calls("dit", ("float32", "float16"), N=40)
    assert wide.total.flops == narrow.total.flops
    assert wide.total.stored == narrow.total.stored
    for name in ("widened", "activations", "inputs", "outputs", "peak"):
        halved, whole = (call.as_json()[name] for call in (narrow, wide))
        assert halved == pytest.approx(whole / 2, rel=0.01), name
    assert cost.call("dit", N=40).as_json() == wide.as_json()


def test_rows_share_the_weights(bundles: Bundles) -> None:
    for target in ("ios", "jetson"):
        one, two = (bundles(target).call("dit", rows=rows, N=40) for rows in (1, 2))
        assert two.total.flops == 2 * one.total.flops
        assert two.total.stored == one.total.stored
        assert two.inputs == 2 * one.inputs
        assert two.peak > 1.5 * one.peak
        assert together([one, one]).total.stored == one.total.stored


def test_sums_by_module_are_the_whole(bundles: Bundles) -> None:
    for target in ("ios", "jetson"):
        call = bundles(target).call("dit", N=40)
        for depth in (1, 2, None):
            parts = call.by_module(depth)
            assert sum(part.flops for part in parts.values()) == call.total.flops
        blocks = [name for name in call.by_module(3) if "transformer_blocks." in name]
        assert len(blocks) > 1
        named = sum(op.flops for op in call.operations if op.module)
        assert named == call.total.flops, "every product has a module"


def test_activations_live_as_long_as_they_are_needed(bundles: Bundles) -> None:
    for name in GRAPHS:
        call = bundles("ios").call(name)
        largest = max(op.read + op.written for op in call.operations)
        assert call.outputs <= call.peak < call.total.moved
        assert call.peak >= largest / 3
        assert call.inputs <= call.peak


def test_the_costliest_come_first_and_repeated_blocks_together(bundles: Bundles) -> None:
    call = bundles("ios").call("dit", N=77)
    rows = costliest(call)
    assert [row["flops"] for row in rows] == sorted((row["flops"] for row in rows), reverse=True)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert sum(row["flops"] for row in rows) == call.total.flops
    assert sum(row["count"] for row in rows) == len(call.operations)
    assert sorted(name for row in rows for name in row["names"]) == sorted(
        op.name for op in call.operations
    )
    blocks = next(row for row in rows if row["module"].endswith("ff.conv_inverted"))
    assert blocks["module"] == "transformer.transformer_blocks.*.ff.conv_inverted"
    assert blocks["count"] == len(blocks["names"]) > 1
    assert len(costliest(call, 5)) == 5
    assert costliest(CallCost((), 0, 0, 0)) == []


def test_sizes_out_of_bounds_are_refused(bundles: Bundles) -> None:
    cost = bundles("ios")
    with pytest.raises(UsageError, match="N is 7, allowed are 8 to 768"):
        cost.call("dit", N=7)
    with pytest.raises(UsageError, match="input_ids: T is"):
        cost.read(LanguageCall(1 << 30))
    package = cost.path / "transformer.mlpackage"
    with pytest.raises(UsageError, match="'latent' is missing"):
        graph_cost.of_package(package, {})


def test_a_lone_package_is_counted_at_its_default_size(bundles: Bundles) -> None:
    cost = bundles("ios")
    alone = graph_cost.of_package(cost.path / "transformer.mlpackage")[0]
    assert alone.total.flops == cost.call("dit", N=77).total.flops
    assert {op.module for op in alone.operations} == {""}


def test_what_is_missing_or_damaged_gives_a_line(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (bundle / "vision_encoder.operations.json").write_text("{")
    with pytest.raises(BundleError, match="not an operation map; export again"):
        BundleCost(bundle).call("vision_encoder")
    (bundle / "transformer.mlpackage/Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff" * 9)
    with pytest.raises(BundleError, match="is not a Core ML model"):
        BundleCost(bundle).call("dit")
    shutil.rmtree(bundle / "vae_decoder.mlpackage")
    with pytest.raises(UsageError, match="no such package"):
        BundleCost(bundle).call("vae_decoder")
    with pytest.raises(BundleError, match="not a bundle"):
        BundleCost(tmp_path)
