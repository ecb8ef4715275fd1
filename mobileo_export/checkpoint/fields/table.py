"""The rows of the tables of fields, and how a file is held against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mobileo_export.errors import CheckpointError

Use = Literal["honored", "irrelevant", "overruled", "only"]
# A file of a thousand unknown fields is not worth a thousand lines.
_MOST_UNKNOWN = 8


@dataclass(frozen=True)
class Field:
    """One field of a configuration file.

    Attributes:
        use: ``honored``: what is built follows it. ``irrelevant``: no value of it can change what
            is built. ``overruled``: the recipe decides instead; a value that differs is a warning.
            ``only``: any value but ``values`` is refused.
        why: what it decides, why it cannot matter, or what another value would change.
        values: accepted by ``only``, the usual one first; without effect for ``overruled``.
        per_block: ``only`` accepts a list with one such value a block, too.
        cure: what to do about a refused value; by default, to correct the file.
    """

    use: Use
    why: str
    values: tuple[Any, ...] = ()
    per_block: bool = False
    cure: str = ""

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` is one of ``values``."""
        if self.per_block and isinstance(value, list) and value:
            return all(any(same(item, wanted) for wanted in self.values) for item in value)
        return any(same(value, wanted) for wanted in self.values)


Table = Mapping[str, Field]


def honored(why: str, *names: str) -> dict[str, Field]:
    """Rows of fields that what is built follows."""
    return dict.fromkeys(names, Field("honored", why))


def irrelevant(why: str, *names: str) -> dict[str, Field]:
    """Rows of fields that cannot change what is built."""
    return dict.fromkeys(names, Field("irrelevant", why))


def overruled(why: str, **values: Any) -> dict[str, Field]:
    """Rows of fields that the recipe decides, each with the value (or tuple of them) it has."""
    rows = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items()}
    return {name: Field("overruled", why, accepted) for name, accepted in rows.items()}


def only(why: str, *values: Any, per_block: bool = False, cure: str = "") -> Field:
    """The row of a field of which nothing but ``values`` can be built."""
    return Field("only", why, values, per_block, cure)


def check(where: object, content: Mapping[str, Any], table: Table) -> list[str]:
    """Hold the fields of one file against its table; the warnings that this gives.

    Args:
        where: the file, for messages.
        content: its fields.
        table: what is known of them.

    Raises:
        CheckpointError: a field has a value that cannot be built; names file, field and value.
    """
    warnings = []
    for name, field in table.items():
        if name not in content or field.use not in ("only", "overruled"):
            continue
        value = content[name]
        if field.accepts(value):
            continue
        if field.use == "overruled":
            warnings.append(f"{where}: {name} {shown(value)} is not applied: {field.why}")
            continue
        allowed = [shown(item) for item in field.values if item is not None] or ["null"]
        cure = field.cure or f"if the weights know nothing of it, correct {name} to {allowed[0]}"
        raise CheckpointError(
            f"{where}: {name} is {shown(value)}; only {' or '.join(allowed)} is supported: "
            f"{field.why}; {cure}"
        )
    unknown = sorted(content.keys() - table.keys())
    warnings += [
        f"{where}: field {shown(name)} is unknown and was not used; see whether it matters"
        for name in unknown[:_MOST_UNKNOWN]
    ]
    if len(unknown) > _MOST_UNKNOWN:
        warnings.append(f"{where}: {len(unknown) - _MOST_UNKNOWN} more fields are unknown")
    return warnings


def same(value: Any, wanted: Any) -> bool:
    """Equality as JSON has it: ``true`` is not 1, but 1 is 1.0, at any depth."""
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same, value, wanted))
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def shown(value: Any) -> str:
    """``value`` as the file has it, cut to a bearable length."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def well_typed(value: Any, annotation: str) -> bool:
    """Whether ``value`` fits the annotation of a dataclass's field, within sane bounds."""
    if annotation.startswith("tuple["):
        inner = annotation[len("tuple[") : annotation.rindex(",")]
        return (
            isinstance(value, tuple)
            and len(value) <= 64
            and all(well_typed(item, inner) for item in value)
        )
    if annotation == "str":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if annotation == "int":
        return isinstance(value, int) and 0 < value < 1 << 24
    return 0 < value < 1e9


def frozen(value: Any) -> Any:
    """``value`` with tuples for lists."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
