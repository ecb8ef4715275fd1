"""The structural checks hold for what we make, and each catches the damage it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml import structure
from mobileo_export.errors import ConversionError

from .conftest import PACKAGES, Converted


def load(converted: Converted, name: str) -> tuple[Any, Path]:
    import coremltools as ct

    package = converted.results[name].package
    return ct.utils.load_spec(str(package)), package / "Data/com.apple.CoreML/weights/weight.bin"


@pytest.mark.parametrize("name", PACKAGES)
def test_our_own_packages_pass(name: str, converted: Converted) -> None:
    protobuf, weights = load(converted, name)
    structure.check(protobuf, weights, COMPONENTS[name], converted.checkpoint.model, "float32")


def block(protobuf: Any) -> Any:
    return protobuf.mlProgram.functions["main"].block_specializations["CoreML8"]


def rename_output(protobuf: Any) -> None:
    protobuf.description.output[0].name = "var_1279"


def swap_inputs(protobuf: Any) -> None:
    first, second = protobuf.description.input[0], protobuf.description.input[1]
    first.name, second.name = second.name, first.name


def narrow_input(protobuf: Any) -> None:
    protobuf.description.input[0].type.multiArrayType.dataType = 65552


def fix_length(protobuf: Any) -> None:
    protobuf.description.input[2].type.multiArrayType.ClearField("ShapeFlexibility")


def shorten_range(protobuf: Any) -> None:
    array = protobuf.description.input[2].type.multiArrayType
    array.shapeRange.sizeRanges[1].lowerBound = 77


def wrong_default(protobuf: Any) -> None:
    protobuf.description.input[0].type.multiArrayType.shape[1] = 4


def foreign_operation(protobuf: Any) -> None:
    block(protobuf).operations[-1].type = "custom_layer"


def wrong_output_shape(protobuf: Any) -> None:
    for operation in block(protobuf).operations:
        for output in operation.outputs:
            if output.name == "velocity":
                output.type.tensorType.dimensions[1].constant.size = 7


def weight_behind_the_file(protobuf: Any) -> None:
    for operation in block(protobuf).operations:
        if operation.type == "const" and operation.attributes["val"].HasField("blobFileValue"):
            operation.attributes["val"].blobFileValue.offset = 1 << 40
            return


@pytest.mark.parametrize(
    "damage",
    [
        rename_output,
        swap_inputs,
        narrow_input,
        fix_length,
        shorten_range,
        wrong_default,
        foreign_operation,
        wrong_output_shape,
        weight_behind_the_file,
    ],
)
def test_damage_is_named(damage: Callable[[Any], None], converted: Converted) -> None:
    protobuf, weights = load(converted, "dit")
    damage(protobuf)
    with pytest.raises(ConversionError, match=r"^dit: the converted graph is not usable: "):
        structure.check(protobuf, weights, COMPONENTS["dit"], converted.checkpoint.model, "float32")


def test_half_weights_in_a_float32_build_are_noticed(converted_half: Converted) -> None:
    protobuf, weights = load(converted_half, "dit")
    spec, model = COMPONENTS["dit"], converted_half.checkpoint.model
    structure.check(protobuf, weights, spec, model, "float16")
    with pytest.raises(ConversionError, match="float16 weights"):
        structure.check(protobuf, weights, spec, model, "float32")


def test_the_operations_are_exactly_these(converted: Converted) -> None:
    """A new coremltools that lowers to something else shows up here first."""
    found = {
        name: sorted(result.operations.keys() - {"const", "constexpr_blockwise_shift_scale"})
        for name, result in converted.results.items()
    }
    assert found == {
        "vision_encoder": [
            "add", "conv", "gelu", "layer_norm", "linear", "mul", "reduce_mean", "relu", "reshape",
            "scaled_dot_product_attention", "sigmoid", "split", "squeeze", "transpose",
        ],
        "mcp": [
            "add", "conv", "layer_norm", "linear", "mul", "reduce_mean", "reduce_sum",
            "sigmoid_hard", "thresholded_relu", "transpose",
        ],
        "dit": [
            "add", "concat", "conv", "cos", "expand_dims", "gelu", "layer_norm", "linear", "matmul",
            "mul", "pad", "pow", "real_div", "reduce_mean", "relu", "reshape", "rsqrt",
            "scaled_dot_product_attention", "silu", "sin", "slice_by_index", "split", "sub", "tile",
            "transpose",
        ],
        "vae_decoder": [
            "add", "concat", "conv", "linear", "matmul", "mul", "pad",
            "pixel_shuffle", "pow", "real_div", "reduce_mean", "relu", "reshape", "rsqrt", "silu",
            "slice_by_index", "split", "tile", "transpose", "upsample_nearest_neighbor",
        ],
    }  # fmt: skip
