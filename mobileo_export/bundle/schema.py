"""The published schema of the manifest, and a check against it that needs no package.

Covers the keywords that ``manifest.schema.json`` uses; a keyword it does not know is an error, so
that the schema cannot promise more than reading a bundle enforces.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Schema = dict[str, Any]
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_IGNORED = {"$schema", "$id", "$defs", "title", "description"}


@cache
def manifest_schema() -> Schema:
    """The JSON Schema (2020-12) of ``manifest.json``."""
    return packaged("mobileo_export.bundle", "manifest.schema.json")


def packaged(package: str, name: str) -> Schema:
    """The schema that lies in a file ``name`` of a ``package``."""
    schema: Schema = json.loads(resources.files(package).joinpath(name).read_text("utf-8"))
    return schema


def first_problem(value: Any, root: Schema | None = None, what: str = "the manifest") -> str | None:
    """What is wrong with ``value``, and where, as one line; None when it fits the schema.

    Args:
        value: what was read from a JSON file.
        root: its schema, of the keywords above; None for the manifest's.
        what: the whole of it, for messages; begins with "the ".
    """
    root = manifest_schema() if root is None else root
    return next(_problems(value, root, root["$defs"], what), None)


def _problems(value: Any, schema: Schema, shared: Mapping[str, Schema], at: str) -> Iterator[str]:
    for keyword, argument in schema.items():
        if keyword == "$ref":
            yield from _problems(value, shared[argument.rpartition("/")[2]], shared, at)
        elif keyword == "anyOf":
            if all(any(_problems(value, option, shared, at)) for option in argument):
                yield f"{at} has none of the allowed forms"
        elif keyword == "properties":
            if isinstance(value, dict):
                for name in (name for name in argument if name in value):
                    yield from _problems(value[name], argument[name], shared, _below(at, name))
        elif keyword == "additionalProperties":
            yield from _additional(value, schema, shared, at)
        elif keyword == "items":
            if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from _problems(item, argument, shared, f"{at}[{index}]")
        elif keyword not in _IGNORED and (problem := _simple(value, keyword, argument)):
            yield f"{at} {problem}"


def _additional(value: Any, schema: Schema, shared: Mapping[str, Schema], at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    rule = schema["additionalProperties"]
    known = schema.get("properties", {})
    for name in (name for name in value if name not in known):
        if rule is False:
            yield f"{_below(at, name)} is unknown"
        elif isinstance(rule, dict):
            yield from _problems(value[name], rule, shared, _below(at, name))


def _simple(value: Any, keyword: str, argument: Any) -> str | None:
    """One keyword that looks at one value; as JSON Schema has it, other types pass."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    broken: dict[str, Callable[[], bool]] = {
        "type": lambda: not _has_type(value, argument),
        "const": lambda: value != argument or type(value) is not type(argument),
        "enum": lambda: value not in argument,
        "pattern": lambda: isinstance(value, str) and not re.search(argument, value),
        "minimum": lambda: number and not value >= argument,
        "exclusiveMinimum": lambda: number and not value > argument,
        "minItems": lambda: isinstance(value, list) and len(value) < argument,
        "maxItems": lambda: isinstance(value, list) and len(value) > argument,
        "minProperties": lambda: isinstance(value, dict) and len(value) < argument,
        "required": lambda: isinstance(value, dict) and not value.keys() >= set(argument),
    }
    if not broken[keyword]():
        return None
    if keyword == "required":
        return f"has no {', '.join(sorted(set(argument) - value.keys()))}"
    shown = repr(value)
    return f"is {shown if len(shown) < 60 else shown[:60] + '…'}, not of {keyword} {argument}"


def _has_type(value: Any, names: str | list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in ([names] if isinstance(names, str) else names)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    listed = [names] if isinstance(names, str) else names
    return any(isinstance(value, _TYPES[name]) for name in listed)


def _below(at: str, name: str) -> str:
    return name if at.startswith("the ") else f"{at}.{name}"
