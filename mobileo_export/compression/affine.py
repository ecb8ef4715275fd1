"""What a scheme of a plan is where MLX stores the matrix: so many bits, in groups of a row."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mobileo_export.artifacts.mlx.component_plan import FolderPlan
from mobileo_export.artifacts.mlx.component_plan import plan as plan_component
from mobileo_export.artifacts.mlx.models import MODELS
from mobileo_export.artifacts.mlx.packed import GROUP_SIZES, QUANTIZED_BITS
from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.plan import GROUP_SIZE, matrices
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.checkpoint.safetensors_file import Shape
    from mobileo_export.components import ComponentSpec, Precision
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.compression.schemes import Scheme


def width(scheme: Scheme) -> tuple[int, int] | None:
    """Bits and group size of a matrix; None where it is stored as it is computed with.

    MLX has one form, an integer with a scale and a bias for each group, so that of a scheme its
    bits count, and its block where it states one.

    Raises:
        UsageError: MLX has no such bits or groups.
    """
    if not scheme.bits:
        return None
    group = scheme.block or GROUP_SIZE
    if scheme.bits not in QUANTIZED_BITS or group not in GROUP_SIZES:
        raise UsageError(
            f"{scheme}: MLX has {_listed(QUANTIZED_BITS)} bits in groups of {_listed(GROUP_SIZES)}"
        )
    return scheme.bits, group


def planned(
    model: ModelConfig, spec: ComponentSpec, compression: CompressionPlan, precision: Precision
) -> FolderPlan:
    """How every tensor of ``spec`` is stored by a plan, in a build of ``precision``.

    Raises:
        UsageError: MLX does not have a scheme of the plan.
    """
    made = MODELS[spec.name]

    def bits(module: str, shape: Shape) -> tuple[int, int] | None:
        if prod(shape) < LEAST_ELEMENTS:
            return None
        return width(compression.asked(spec.name, module))

    return plan_component(made, made.of(model), spec.precision(precision), bits)


def check(plan: CompressionPlan, spec: ComponentSpec, model: ModelConfig) -> None:
    """Refuse a plan of which MLX cannot store a matrix of ``spec``.

    Raises:
        UsageError: a scheme has bits or groups that MLX does not have, or matrices lie ready in a
            form that is Core ML's.
    """
    if plan.rounded_for(spec.name):
        raise UsageError(
            f"compression plan {plan.name}: {spec.name}: its matrices are rounded for the forms of "
            "Core ML, which MLX does not have; make the plan without --calibrate"
        )
    for name in matrices(spec, model):
        scheme = plan.asked(spec.name, name)
        try:
            width(scheme)
        except UsageError as error:
            raise UsageError(
                f"compression plan {plan.name}: {spec.name}: {name}: {error}"
            ) from None


def told(plan: CompressionPlan, spec: ComponentSpec, model: ModelConfig) -> Iterator[str]:
    """One line a scheme of a user's plan of which MLX takes the bits alone."""
    if plan.path is None:
        return
    found = {plan.asked(spec.name, name) for name in matrices(spec, model)}
    for scheme in sorted(found, key=str):
        made = width(scheme)
        if made is not None and scheme.form != "int":
            yield (
                f"{spec.name}: {scheme} is stored as MLX stores {made[0]} bits, with a scale and a "
                f"bias for each {made[1]} of a row"
            )


def _listed(numbers: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"
