"""What a user should know of an export that went well: warnings, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export import targets
from mobileo_export.artifacts.mlx.plan import plan as mlx_plan
from mobileo_export.checkpoint import tokenizer_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.export.options import Options


def of_export(
    checkpoint: Checkpoint, options: Options, nested: NestedCopies | None
) -> tuple[str, ...]:
    """All warnings of an export with ``options``."""
    return (
        *checkpoint.model.warnings,
        *tokenizer_files.check(checkpoint.path, checkpoint.model.llm.vocab_size),
        *nested_warnings(nested, options),
        *unquantized_warnings(_unquantized(checkpoint, options), options),
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


def _unquantized(checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
    """Layers of the language model that keep float16 although fewer bits were asked for."""
    if not any(targets.form(spec, options.target).kind == "mlx" for spec in options.components):
        return ()
    bits, size = options.llm_bits, options.llm_group_size
    return mlx_plan(checkpoint.model, bits, size, options.llm_exceptions).unquantized


def unquantized_warnings(left: Sequence[str], options: Options) -> tuple[str, ...]:
    """That the layers ``left`` are not quantized, and why."""
    if not left:
        return ()
    return (
        f"llm: {len(left)} layer(s) stay float16, their inputs are no multiple of the group size "
        f"{options.llm_group_size} ({left[0]}); a smaller --llm-group-size may fit",
    )
