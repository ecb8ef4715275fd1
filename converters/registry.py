"""The converters: one a kind of artifact. This is the only list of them.

Each is imported when it is asked for: what makes one kind takes no part in making another.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from mobileo_export import targets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.base import Converter

# By kind, the folder whose module ``converter`` has it.
FOLDERS = {
    "mlpackage": "coreml",
    "mlx": "mlx",
    "onnx": "onnx",
    "aimodel": "coreai",
}


@cache
def load(kind: str) -> Converter:
    """The converter of a kind; imports its module."""
    module = import_module(f"mobileo_export.converters.{FOLDERS[kind]}.converter")
    found: Converter = module.CONVERTER
    return found


def of(spec: ComponentSpec, target: str) -> Converter:
    """What makes the artifact of ``spec`` for ``target``."""
    return load(targets.form(spec, target).kind)


def taking_part(
    components: Iterable[ComponentSpec], target: str
) -> list[tuple[Converter, tuple[ComponentSpec, ...]]]:
    """Each converter of an export, once, with the components that it makes."""
    found: dict[str, list[ComponentSpec]] = {}
    for spec in components:
        found.setdefault(targets.form(spec, target).kind, []).append(spec)
    return [(load(kind), tuple(specs)) for kind, specs in found.items()]
