"""What a function takes and returns, and whether given arrays fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.program import Function, Program, StateType, TensorType
from mobileo_export.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Size = tuple[int, int | None]
"""Smallest and largest size of an axis; no largest if unbounded."""
Described = tuple[list[Size], tuple[tuple[int, ...], ...], tuple[int, ...]]
# ``ImageFeatureType.ColorSpace`` of FeatureTypes.proto.
_COLORS = {10: "grayscale", 20: "RGB", 30: "BGR", 40: "grayscale float16"}


@dataclass(frozen=True)
class Feature:
    """One named array.

    Attributes:
        name: its name.
        dtype: NumPy type name.
        sizes: allowed range of every axis; of an output of unknown rank there are none.
        shapes: the only allowed shapes, if the package enumerates them.
        default: the size that the package states of each axis, if it does.
        image: ``RGB``, ``BGR``, ``grayscale`` or ``grayscale float16`` if Core ML takes a picture
            or gives one; the graph computes with an array all the same.
        optional: whether Core ML lets it be left out.
        description: the author's words.
    """

    name: str
    dtype: str
    sizes: tuple[Size, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    default: tuple[int, ...] = ()
    image: str | None = None
    optional: bool = False
    description: str = ""

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(_size, self.sizes))}]"

    def check(self, array: Any) -> None:
        """Refuse an array that does not fit.

        Raises:
            UsageError: the type, rank or a size is wrong.
        """
        if not isinstance(array, np.ndarray):
            raise UsageError(f"input {self.name!r} is a {type(array).__name__}, not a NumPy array")
        if array.dtype != np.dtype(self.dtype):
            raise UsageError(f"input {self.name!r} has type {array.dtype}, expected {self.dtype}")
        if array.ndim != len(self.sizes):
            raise UsageError(f"input {self.name!r} has shape {array.shape}, expected {self}")
        for axis, (size, (low, high)) in enumerate(zip(array.shape, self.sizes, strict=True)):
            if size < low or (high is not None and size > high):
                raise UsageError(
                    f"input {self.name!r} has size {size} on axis {axis}, "
                    f"expected {_size((low, high))}"
                )
        if self.shapes and array.shape not in self.shapes:
            raise UsageError(
                f"input {self.name!r} has shape {array.shape}, "
                f"expected one of {', '.join(map(str, self.shapes))}"
            )


def _size(size: Size) -> str:
    low, high = size
    if high is None:
        return f"{low}.."
    return str(low) if low == high else f"{low}..{high}"


@dataclass(frozen=True)
class Signature:
    """Inputs (without states), states and outputs of a function, in the order it declares them."""

    inputs: tuple[Feature, ...]
    states: tuple[Feature, ...]
    outputs: tuple[Feature, ...]

    def check(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Refuse arrays that are not exactly the inputs.

        Raises:
            UsageError: an input is missing, unknown, or does not fit.
        """
        expected = ", ".join(repr(feature.name) for feature in self.inputs) or "none"
        for feature in self.inputs:
            if feature.name not in arrays:
                raise UsageError(f"input {feature.name!r} is missing (inputs: {expected})")
        for name in arrays:
            if all(feature.name != name for feature in self.inputs):
                raise UsageError(f"there is no input {name!r} (inputs: {expected})")
        for feature in self.inputs:
            feature.check(arrays[feature.name])


def describe(program: Program, function: Function) -> Signature:
    """The signature of ``function``: types of the graph, ranges of the model description."""
    description = _description(program, function.name)
    described = {feature.name: feature for feature in description.input}
    given = {feature.name: feature for feature in description.output}
    held = {feature.name: feature for feature in description.state}
    inputs, states = [], []
    for value in function.inputs:
        declared = value.type
        if isinstance(declared, TensorType) and declared.shape is not None:
            inputs.append(_feature(value.name, declared, described.get(value.name)))
        elif isinstance(declared, StateType):
            states.append(_feature(value.name, declared.wrapped, held.get(value.name)))
        else:
            raise BundleError(
                f"{program.package}, function {function.name!r}: "
                f"input {value.name!r} is neither a tensor nor a state"
            )
    types = {value.name: value.type for op in function.block.ops for value in op.outputs}
    types.update({value.name: value.type for value in function.inputs})
    outputs = []
    for name in function.block.outputs:
        declared = types[name]
        if not isinstance(declared, TensorType):
            raise BundleError(
                f"{program.package}, function {function.name!r}: output {name!r} is no tensor"
            )
        outputs.append(_feature(name, declared, given.get(name)))
    return Signature(tuple(inputs), tuple(states), tuple(outputs))


def _description(program: Program, function: str) -> Any:
    """What describes the function: an entry of its own, or the whole model's."""
    description = program.description
    return next((e for e in description.functions if e.name == function), description)


def _feature(name: str, declared: TensorType, described: Any) -> Feature:
    sizes = [_static(size) for size in declared.shape or ()]
    feature = Feature(name, declared.dtype.storage, tuple(sizes))
    if described is None:
        return feature
    kind, image = described.type, None
    shapes: tuple[tuple[int, ...], ...] = ()
    default: tuple[int, ...] = ()
    match kind.WhichOneof("Type"):
        case "multiArrayType":
            sizes, shapes, default = _array(kind.multiArrayType, sizes)
        case "stateType":
            sizes, shapes, default = _array(kind.stateType.arrayType, sizes)
        case "imageType":
            sizes, shapes, default = _picture(kind.imageType, sizes)
            image = _COLORS.get(kind.imageType.colorSpace, "unknown colors")
    return replace(
        feature,
        sizes=tuple(sizes),
        shapes=shapes,
        default=default if len(default) == len(sizes) else (),
        image=image,
        optional=bool(kind.isOptional),
        description=described.shortDescription,
    )


def _array(array: Any, sizes: list[Size]) -> Described:
    """Sizes, enumerated shapes and default of a described array."""
    shapes: tuple[tuple[int, ...], ...] = ()
    match array.WhichOneof("ShapeFlexibility"):
        case "shapeRange":
            ranges = array.shapeRange.sizeRanges
            if len(ranges) == len(sizes):
                sizes = [_narrowed(*pair) for pair in zip(sizes, ranges, strict=True)]
        case "enumeratedShapes":
            shapes = tuple(
                tuple(int(size) for size in item.shape) for item in array.enumeratedShapes.shapes
            )
    return sizes, shapes, tuple(int(size) for size in array.shape)


def _picture(image: Any, sizes: list[Size]) -> Described:
    """The same of a picture; it is an array [1, C, H, W] in the graph."""
    if len(sizes) != 4:
        return sizes, (), ()
    shapes: tuple[tuple[int, ...], ...] = ()
    lead = [low for low, _ in sizes[:2]]
    match image.WhichOneof("SizeFlexibility"):
        case "imageSizeRange":
            flexible = image.imageSizeRange
            ranges = (flexible.heightRange, flexible.widthRange)
            narrowed = [_narrowed(*pair) for pair in zip(sizes[2:], ranges, strict=True)]
            sizes = [*sizes[:2], *narrowed]
        case "enumeratedSizes":
            shapes = tuple(
                (*lead, int(size.height), int(size.width)) for size in image.enumeratedSizes.sizes
            )
    return sizes, shapes, (*lead, int(image.height), int(image.width))


def _static(size: int | None) -> Size:
    """What the graph says of a size."""
    return (0, None) if size is None else (size, size)


def _narrowed(size: Size, described: Any) -> Size:
    """A size the graph leaves open, within the described range (negative: no upper bound)."""
    if size != (0, None):
        return size
    high = int(described.upperBound)
    return int(described.lowerBound), None if high < 0 else high
