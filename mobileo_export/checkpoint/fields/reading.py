"""Fields of ``config.json`` and ``generation_config.json`` that are read by a rule.

What is absent or contradicts itself is taken as transformers' ``Qwen2Config`` takes it, or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mobileo_export.checkpoint.fields.table import Field, check, irrelevant, only, shown
from mobileo_export.errors import CheckpointError

CONFIG, GENERATION = "config.json", "generation_config.json"
RELEASED_THETA, DEFAULT_THETA = 1e6, 1e4
# Older files say attention where newer ones say full_attention.
_WHOLE, _WINDOW = ("full_attention", "attention"), "sliding_attention"

_TYPE = only("no converter scales rotary frequencies", "default", cure="export a model without it")
_ROTARY: dict[str, Field] = {
    "rope_type": _TYPE,
    "type": _TYPE,
    "partial_rotary_factor": only("a part of each head would not be rotated", 1.0, None),
    **irrelevant("read by rope_theta", "rope_theta"),
}


def integer(config: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A positive number below 2³¹; raises CheckpointError for anything else."""
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
        raise CheckpointError(f"{CONFIG}: {key} is {shown(value)}, expected a positive integer")
    return value


def number(config: Mapping[str, Any], key: str, default: float) -> float:
    """A positive number; raises CheckpointError for anything else."""
    return _positive(config.get(key, default), key)


def boolean(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """A flag, ``default`` for null; raises CheckpointError for anything else."""
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        raise CheckpointError(f"{CONFIG}: {key} is {shown(value)}, expected true or false")
    return default if value is None else value


def rope_theta(config: Mapping[str, Any], warnings: list[str]) -> float:
    """The base of the rotary embedding, from wherever it stands.

    Raises:
        CheckpointError: two places disagree, one holds no number, or the embedding is scaled.
    """
    places: dict[str, Any] = {}
    if "rope_theta" in config:
        places["rope_theta"] = config["rope_theta"]
    for name in ("rope_parameters", "rope_scaling"):
        nested = _rotary(config, name, warnings)
        if "rope_theta" in nested:
            places[f"{name}.rope_theta"] = nested["rope_theta"]
    given = {at: _positive(value, at) for at, value in places.items() if value is not None}
    if not given:
        for place in places:
            _positive(None, place)  # which transformers cannot use either
        warnings.append(
            f"{CONFIG} has no rope_theta; {DEFAULT_THETA:,.0f} is taken, as transformers does, "
            f"where the released models have {RELEASED_THETA:,.0f}"
        )
        return DEFAULT_THETA
    (first, theta), *others = given.items()
    for other, value in others:
        if value != theta:
            raise CheckpointError(
                f"{CONFIG}: {first} is {shown(places[first])}, but {other} is "
                f"{shown(places[other])}; correct the one that the weights were not trained with"
            )
    return theta


def check_windows(config: Mapping[str, Any], layers: int, longest: int) -> None:
    """Refuse layers that see less than ``longest`` positions.

    As ``Qwen2Config`` has it: with ``use_sliding_window``, the layers from ``max_window_layers``
    on slide, unless ``layer_types`` says which.

    Raises:
        CheckpointError: a layer slides, or the fields cannot be read.
    """
    slides = boolean(config, "use_sliding_window", default=False)
    window = None
    if config.get("sliding_window", 4096) is not None:
        window = integer(config, "sliding_window", 4096)
    types = config.get("layer_types")
    if types is not None:
        _check_types(types, layers)
    else:
        first = config.get("max_window_layers", 28)
        if isinstance(first, bool) or not isinstance(first, int) or first < 0:
            raise CheckpointError(
                f"{CONFIG}: max_window_layers is {shown(first)}, expected a number of layers"
            )
        from_there = slides and window is not None
        types = [_WINDOW if from_there and index >= first else _WHOLE[0] for index in range(layers)]
    sliding = [index for index, kind in enumerate(types) if kind == _WINDOW]
    if not sliding or (slides and window is not None and window >= longest):
        return
    cause = "use_sliding_window" if config.get("layer_types") is None else "layer_types"
    part = f"{window} of up to {longest} positions" if slides else "a window only"
    raise CheckpointError(
        f"{CONFIG}: {cause} is {shown(config[cause])}, so that layer {sliding[0]} would see {part} "
        "(sliding_window), which no converter builds; if the weights were trained without it, set "
        "use_sliding_window to false and remove layer_types"
    )


def check_head_dim(config: Mapping[str, Any], hidden: int, heads: int) -> None:
    """Refuse a ``head_dim`` that is not what the other fields give."""
    if config.get("head_dim") is not None and integer(config, "head_dim") != hidden // heads:
        raise CheckpointError(
            f"{CONFIG}: head_dim is {config['head_dim']}, but hidden_size {hidden} makes "
            f"{heads} heads of {hidden // heads}; no converter builds other heads"
        )


def end_tokens(
    config: Mapping[str, Any], generation: Mapping[str, Any], vocabulary: int
) -> tuple[int, ...]:
    """The tokens that end an answer, of both files, in order of id.

    Raises:
        CheckpointError: one of them is no id of the ``vocabulary`` rows.
    """
    found: set[int] = set()
    for where, content in ((CONFIG, config), (GENERATION, generation)):
        value = content.get("eos_token_id")
        if value is None:
            continue
        for index in value if isinstance(value, list) else [value]:
            plain = isinstance(index, int) and not isinstance(index, bool)
            if not plain or not 0 <= index < vocabulary:
                raise CheckpointError(
                    f"{where}: eos_token_id is {shown(value)}, expected ids below {vocabulary}, "
                    "the rows of the embedding table"
                )
            found.add(index)
    return tuple(sorted(found))


def check_features(config: Mapping[str, Any], channels: int) -> None:
    """Refuse an ``mm_hidden_size`` that is not what the vision tower gives."""
    if config.get("mm_hidden_size") is not None and integer(config, "mm_hidden_size") != channels:
        raise CheckpointError(
            f"{CONFIG} says mm_hidden_size {config['mm_hidden_size']}, the vision tower gives "
            f"{channels} channels; config.json and weights come from different models"
        )


def check_padding(config: Mapping[str, Any], warnings: list[str]) -> None:
    """Say that photographs are padded where the file does not."""
    if "image_aspect_ratio" not in config:
        warnings.append(
            f"{CONFIG} has no image_aspect_ratio; photographs are padded to a square, as the "
            "released models want it, where the authors' code would crop them"
        )


def check_marker(config: Mapping[str, Any]) -> None:
    """Refuse a mark of ours that says neither that the weights are random nor that they are not."""
    marker = config.get("mobileo_export")
    if marker is None:
        return
    if not isinstance(marker, dict) or not isinstance(marker.get("random_weights", False), bool):
        raise CheckpointError(
            f"{CONFIG}: mobileo_export is {shown(marker)}, expected an object whose "
            "random_weights is true or false"
        )


def _rotary(config: Mapping[str, Any], name: str, warnings: list[str]) -> dict[str, Any]:
    """The object ``name``, empty for null, whose rotary embedding is not scaled."""
    nested = config.get(name)
    if nested is None:
        return {}
    if not isinstance(nested, dict):
        raise CheckpointError(f"{CONFIG}: {name} is {shown(nested)}, expected an object")
    for key, value in nested.items():
        if isinstance(value, dict):
            raise CheckpointError(
                f"{CONFIG}: {name}.{key} is {shown(value)}: kinds of layers would be rotated in "
                "ways of their own, which no converter does; export a model without it"
            )
    table = {f"{name}.{key}": row for key, row in _ROTARY.items()}
    warnings += check(CONFIG, {f"{name}.{key}": value for key, value in nested.items()}, table)
    return nested


def _check_types(types: Any, layers: int) -> None:
    known = (*_WHOLE, _WINDOW)
    if not isinstance(types, list) or not all(kind in known for kind in types):
        raise CheckpointError(
            f"{CONFIG}: layer_types is {shown(types)}, expected a list of {' and '.join(known)}"
        )
    if len(types) != layers:
        raise CheckpointError(
            f"{CONFIG}: layer_types has {len(types)} entries for {layers} layers "
            "(num_hidden_layers)"
        )


def _positive(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e30:
        raise CheckpointError(f"{CONFIG}: {at} is {shown(value)}, expected a positive number")
    return float(value)
