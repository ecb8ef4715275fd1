"""Packages are what coremltools and Core ML read, and equal inputs give equal bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mobileo_export import targets
from mobileo_export.components import COMPONENTS, Dim
from mobileo_export.converters.coreml.convert import convert
from mobileo_export.errors import CheckpointError

from .conftest import PACKAGES, Converted
from .test_tracing import same_package


@pytest.mark.parametrize("name", PACKAGES)
def test_coremltools_reads_the_package_with_the_component_signature(
    name: str, converted: Converted
) -> None:
    import coremltools as ct

    result, spec = converted.results[name], COMPONENTS[name]
    model = converted.checkpoint.model
    loaded = ct.models.MLModel(str(result.package), skip_model_load=True)
    description = loaded.get_spec().description
    assert [feature.name for feature in description.input] == [t.name for t in spec.inputs(model)]
    assert [feature.name for feature in description.output] == [t.name for t in spec.outputs(model)]
    assert all(f.shortDescription for f in (*description.input, *description.output))
    assert loaded.get_spec().specificationVersion == 9
    assert description.metadata.license == "Random weights, no licence"
    defined = dict(description.metadata.userDefined)
    assert defined["mobileo_export.component"] == name
    assert defined["com.github.apple.coremltools.version"] == ct.__version__


def test_sequence_lengths_are_a_range_from_8_to_768(converted: Converted) -> None:
    import coremltools as ct

    for name in ("mcp", "dit"):
        spec = ct.utils.load_spec(str(converted.results[name].package))
        tensors = COMPONENTS[name].inputs(converted.checkpoint.model)
        for feature, tensor in zip(spec.description.input, tensors, strict=True):
            ranges = feature.type.multiArrayType.shapeRange.sizeRanges
            for dim, found in zip(tensor.shape, ranges, strict=False):
                low, high = (dim.low, dim.high) if isinstance(dim, Dim) else (dim, dim)
                assert (found.lowerBound, found.upperBound) == (low, high)
            assert bool(ranges) == any(isinstance(dim, Dim) for dim in tensor.shape)


def test_weights_are_the_checkpoint_values_exactly(converted: Converted) -> None:
    """bfloat16 → float32 is exact, so a weight in the package is the checkpoint's own number."""
    import numpy as np

    expected = converted.checkpoint.read("model.dit.proj_out.weight", "released")
    weights = (
        converted.results["dit"].package / "Data/com.apple.CoreML/weights/weight.bin"
    ).read_bytes()
    assert np.ascontiguousarray(expected).tobytes() in weights


def test_nothing_in_a_package_tells_a_time_or_a_place(converted: Converted) -> None:
    for result in converted.results.values():
        manifest = json.loads((result.package / "Manifest.json").read_text())
        assert set(manifest) == {"fileFormatVersion", "itemInfoEntries", "rootModelIdentifier"}
        content = (result.package / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
        assert b"conversion_date" not in content
        assert str(result.package.parent).encode() not in content


def test_what_a_process_did_before_does_not_show_in_the_bytes(
    converted: Converted, tmp_path: Path
) -> None:
    """coremltools numbers names through the process, here of a program that became no package."""
    from coremltools.converters.mil.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(2, 3))])  # type: ignore[untyped-decorator]
    def other(x: object) -> object:
        return Builder.transpose(x=x, perm=(1, 0))

    assert Builder.name_count
    spec = COMPONENTS["vision_encoder"]
    again = convert(converted.checkpoint, spec, tmp_path / targets.form(spec, "ios").path)
    assert same_package(again.package, converted.results["vision_encoder"].package)


def test_converting_twice_gives_the_same_bytes(converted: Converted, tmp_path: Path) -> None:
    spec = COMPONENTS["mcp"]
    again = convert(converted.checkpoint, spec, tmp_path / targets.form(spec, "ios").path)
    assert same_package(again.package, converted.results["mcp"].package)


def test_a_failed_conversion_leaves_nothing(
    converted: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise CheckpointError("cut short")

    monkeypatch.setattr("mobileo_export.converters.coreml.structure.check", broken)
    spec = COMPONENTS["mcp"]
    with pytest.raises(CheckpointError, match="cut short"):
        convert(converted.checkpoint, spec, tmp_path / targets.form(spec, "ios").path)
    assert list(tmp_path.iterdir()) == []
