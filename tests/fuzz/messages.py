"""Damage to a protobuf message by its own structure: valid wire format, senseless contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .values import TEXTS

if TYPE_CHECKING:
    from random import Random

_INTEGERS = (
    0,
    1,
    -1,
    2,
    5,
    8,
    17,
    64,
    4096,
    65568,
    (1 << 31) - 1,
    1 << 33,
    (1 << 62),
    (1 << 63) - 1,
)


def change(random: Random, message: Any) -> str:
    """Change one to four places of ``message``."""
    told = []
    for _ in range(random.choice((1, 1, 2, 4))):
        places = list(_places(message))
        if not places:
            break
        # Most values are names of operations: take the kinds of place equally often.
        kinds = sorted({(holder.DESCRIPTOR.name, field.name) for holder, field in places})
        kind = random.choice(kinds)
        holder, field = random.choice(
            [(h, f) for h, f in places if (h.DESCRIPTOR.name, f.name) == kind]
        )
        told.append(_change(random, holder, field))
    return ", ".join(told)


def _places(message: Any) -> Any:
    stack = [message]
    while stack:
        holder = stack.pop()
        for field, value in holder.ListFields():
            yield holder, field
            if field.message_type is None:
                continue
            if _is_map(field):
                if field.message_type.fields_by_name["value"].message_type is not None:
                    stack += [value[key] for key in value]
            elif _repeated(field):
                stack += list(value)
            else:
                stack.append(value)


def _repeated(field: Any) -> bool:
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if repeated is None else repeated)


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _change(random: Random, holder: Any, field: Any) -> str:
    where = f"{holder.DESCRIPTOR.name}.{field.name}"
    value = getattr(holder, field.name)
    if random.random() < 0.15:
        holder.ClearField(field.name)
        return f"-{where}"
    if _is_map(field):
        keys = sorted(value, key=str)
        key, other = random.choice(keys), random.choice(keys)
        if field.message_type.fields_by_name["value"].message_type is None:
            del value[key]
        elif random.random() < 0.5:
            copy = type(value[key])()
            copy.CopyFrom(value[other])
            value[key].CopyFrom(copy)
        elif isinstance(key, str):
            value[random.choice(TEXTS[:16]).encode("utf-8", "replace").decode()].CopyFrom(
                value[key]
            )
            del value[key]
        return f"{where}[{str(key)[:20]}]"
    if _repeated(field):
        return _change_repeated(random, value, field, where)
    if field.message_type is not None:
        value.Clear()
        return f"{where} emptied"
    setattr(holder, field.name, _scalar(random, field, value))
    return f"{where} = {str(getattr(holder, field.name))[:20]!r}"


def _change_repeated(random: Random, value: Any, field: Any, where: str) -> str:
    at = random.randrange(len(value))
    action = random.randrange(4)
    if action == 0:
        del value[at]
        return f"-{where}[{at}]"
    if action == 1:
        for _ in range(random.choice((1, 3, 100))):
            if field.message_type is not None:
                value.add().CopyFrom(value[at])
            else:
                value.append(value[at])
        return f"{where}[{at}] repeated"
    if field.message_type is not None:
        other = random.randrange(len(value))
        copy = type(value[at])()
        copy.CopyFrom(value[other])
        value[other].CopyFrom(value[at])
        value[at].CopyFrom(copy)
        return f"{where}[{at}] swapped with {other}"
    value[at] = _scalar(random, field, value[at])
    return f"{where}[{at}] = {str(value[at])[:20]!r}"


def _scalar(random: Random, field: Any, old: Any) -> Any:
    if isinstance(old, str):
        text = random.choice((*TEXTS, old + "x", old.upper(), "main", "@model_path/../../x"))
        return text.encode("utf-8", "replace").decode()
    if isinstance(old, bytes):
        return random.choice((b"", old + b"x", old[:-1], bytes(3), random.randbytes(len(old))))
    if isinstance(old, bool):
        return not old
    if isinstance(old, float):
        return random.choice((0.0, -1.0, float("nan"), float("inf"), 1e30))
    if field.enum_type is not None:
        return random.choice([entry.number for entry in field.enum_type.values] + [99])
    number = random.choice((*_INTEGERS, old + 1, old - 1, old * 2))
    unsigned = field.type in {field.TYPE_UINT32, field.TYPE_UINT64}
    wide = field.type in {field.TYPE_UINT64, field.TYPE_INT64}
    low, high = (
        (0 if unsigned else -(1 << 63 if wide else 1 << 31)),
        (1 << (63 if wide else 31)) - 1,
    )
    return max(low, min(high, number))
