"""A bundle against its checkpoint: as it is, and with real damage in the files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import select
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.compare import check_units, compare_bundle
from mobileo_export.parity.references import References
from mobileo_export.parity.results import Comparison
from mobileo_export.random_checkpoint import write as random_checkpoint

from .conftest import damage_weight, reseal

MCP = "model.diffusion_connector.fusion."


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="module")
def comparison(sealed: Path, checkpoint: Checkpoint, references: References) -> Comparison:
    return compare_bundle(sealed, checkpoint, runtime="mil", references=references)


def test_an_export_computes_what_its_checkpoint_computes(comparison: Comparison) -> None:
    assert comparison.failures() == []
    assert comparison.ok
    assert [result.gate.component for result in comparison.components] == [
        "mcp",
        "dit",
        *["llm"] * 4,
    ]
    assert all(case.artifact_seconds for result in comparison.components for case in result.cases)


def test_every_control_is_noticed(comparison: Comparison) -> None:
    noticed, total = comparison.controls()
    assert noticed == total > 60
    dit = comparison.components[1]
    assert len(dit.controls) == 4


def test_what_the_bundle_lacks_is_counted_as_skipped(
    comparison: Comparison, sealed: Path, checkpoint: Checkpoint
) -> None:
    assert [(skip.component, skip.reason) for skip in comparison.skipped] == [
        (name, f"the bundle has no {name}") for name in ("vision_encoder", "vae_decoder")
    ]
    asked = compare_bundle(sealed, checkpoint, select("mcp"), runtime="mil")
    assert asked.skipped == ()  # nobody asked for more


def test_nothing_compared_is_no_pass(comparison: Comparison) -> None:
    assert not replace(comparison, components=()).ok


def test_one_component_on_a_runtime_that_cannot_run_it(
    sealed: Path, checkpoint: Checkpoint
) -> None:
    for component, runtime in (("llm", "mil"), ("mcp", "mlx")):
        with pytest.raises(UsageError, match=f"{runtime} runtime does not execute"):
            compare_bundle(sealed, checkpoint, select(component), runtime=runtime)


def test_every_stored_value_is_compared(comparison: Comparison) -> None:
    for result in comparison.components:
        if result.gate.component == "llm":
            assert result.stored is None  # its tensors are compared one by one elsewhere
        else:
            assert result.stored is not None
            assert result.stored.compared == result.stored.equal > 20
            assert result.stored.settings == result.stored.settings_equal > 5


def test_without_its_map_a_package_fails(
    copied: Path, checkpoint: Checkpoint, references: References
) -> None:
    (copied / "connector.operations.json").unlink()
    reseal(copied)
    found = compare_bundle(copied, checkpoint, select("mcp"), "mil", references=references)
    assert not found.ok
    assert "export again" in found.failures()[0]


def swap_channels(values: np.ndarray) -> None:
    values[[3, 8]] = values[[8, 3]]


def zero(values: np.ndarray) -> None:
    values[...] = 0


def flip_exponent_bit(values: np.ndarray) -> None:
    values.view(np.uint32)[5, 7] ^= 1 << 24  # four times as large or as small


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        ("output_proj.0.weight", swap_channels),
        ("output_proj.1.bias", zero),
        ("input_compress.0.weight", flip_exponent_bit),
    ],
)
def test_a_damaged_weight_fails_where_it_is(
    copied: Path,
    checkpoint: Checkpoint,
    references: References,
    tensor: str,
    change: Callable[[np.ndarray], None],
) -> None:
    damage_weight(copied, "connector.mlpackage", checkpoint, MCP + tensor, change)
    found = compare_bundle(copied, checkpoint, select("mcp"), "mil", references=references)
    assert not found.ok
    stored, *outputs = found.failures()
    assert stored.startswith(f"mcp: {tensor.rpartition('.')[0]} (")
    assert f"is not what {MCP}{tensor} becomes: " in stored
    assert all(line.startswith("mcp, ") and "conditioning" in line for line in outputs)
    assert len({line.split(",")[1] for line in outputs}) >= 5  # of six cases


def test_the_worst_channel_is_the_damaged_one(
    copied: Path, checkpoint: Checkpoint, references: References
) -> None:
    damage_weight(
        copied, "connector.mlpackage", checkpoint, MCP + "output_proj.0.weight", swap_channels
    )
    found = compare_bundle(copied, checkpoint, select("mcp"), "mil", references=references)
    (noise,) = (case for case in found.components[0].cases if case.name == "noise")
    metrics = noise.outputs[0].metrics
    assert metrics is not None
    channel = next(item for item in metrics.worst if item.family == "channel")
    assert channel.index in {(3,), (8,)}


def test_a_broken_package_is_a_finding(
    copied: Path, checkpoint: Checkpoint, references: References
) -> None:
    model = copied / "connector.mlpackage" / "Data" / "com.apple.CoreML" / "model.mlmodel"
    model.write_bytes(b"\x00" * 64)
    reseal(copied)
    found = compare_bundle(copied, checkpoint, select("mcp,dit"), "mil", references=references)
    assert not found.ok
    assert [result.ok for result in found.components] == [False, True]
    assert found.failures()[0].startswith("mcp: ")


def test_another_components_package_is_a_finding(
    copied: Path, checkpoint: Checkpoint, references: References
) -> None:
    shutil.rmtree(copied / "connector.mlpackage")
    shutil.copytree(copied / "transformer.mlpackage", copied / "connector.mlpackage")
    reseal(copied)
    found = compare_bundle(copied, checkpoint, select("mcp"), "mil", references=references)
    assert not found.ok
    assert any("latent" in line for line in found.failures())


def test_other_weights_are_refused_by_name(sealed: Path, tmp_path: Path) -> None:
    other = Checkpoint.open(random_checkpoint.write(tmp_path / "other", "tiny", seed=5))
    with pytest.raises(BundleError, match="its mcp was made from other weights"):
        compare_bundle(sealed, other, runtime="mil")


def test_the_manifest_says_which_weights(copied: Path, checkpoint: Checkpoint) -> None:
    path = copied / manifest.MANIFEST
    content = json.loads(path.read_text())
    content["source"]["weights"] = "post-trained"
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="than the post-trained ones of"):
        compare_bundle(copied, checkpoint, runtime="mil")


def test_a_component_that_is_not_there_is_refused(sealed: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(BundleError, match="has no vae_decoder"):
        compare_bundle(sealed, checkpoint, select("vae_decoder"), runtime="mil")


def test_compute_units_are_core_mls(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--runtime coreml only"):
        check_units("all", ["mil"])
    check_units("cpu_only", ["coreml", "mlx"])
    check_units(None, ["mil"])
