"""What a user should know of an export that went well: warnings, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.converters import registry

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.converters.options import Options
    from mobileo_export.export.plan import Plan


def of_export(
    checkpoint: Checkpoint, options: Options, planned: Plan, nested: NestedCopies | None
) -> tuple[str, ...]:
    """All warnings of an export with ``options``; those of ``planned`` among them."""
    return (
        *checkpoint.model.warnings,
        *planned.warnings,
        *nested_warnings(nested, options),
        *(
            warning
            for converter, _ in registry.taking_part(options.components, options.target)
            for warning in converter.warnings(checkpoint, options)
        ),
    )


def nested_warnings(nested: NestedCopies | None, options: Options) -> tuple[str, ...]:
    """That two sets of weights differ, and which was taken."""
    if nested is None or not nested.differing:
        return ()
    found = (
        f"{nested.differing} of {nested.count} nested copies (base_model.model.*) differ from the "
        f"top-level weights, by up to {nested.largest_difference:.2%} ({nested.largest_name})"
    )
    if options.weights == "released":
        return (f"{found}; the top-level ones were exported; --weights post-trained for others",)
    return (f"{found}; the nested ones were exported",)
