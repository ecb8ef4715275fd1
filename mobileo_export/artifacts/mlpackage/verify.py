"""Checks of a decoded graph that need no kernel: every value is defined once, before its use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.program import Block, Named, Program


def verify(program: Program) -> None:
    """Check all functions of ``program``.

    Raises:
        BundleError: a value is used before it is defined (a cycle, if it depends on itself), never
            defined, or defined twice.
    """
    for function in program.functions.values():
        where = f"{program.package}, function {function.name!r}"
        visible: set[str] = set()
        _define(visible, function.inputs, where)
        _check(function.block, visible, where)
        if not function.block.outputs:
            raise BundleError(f"{where}: has no outputs")


def _check(block: Block, outer: set[str], where: str) -> None:
    visible = set(outer)
    _define(visible, block.inputs, where)
    later = {output.name for op in block.ops for output in op.outputs}
    for op in block.ops:
        for name in op.references():
            if name not in visible:
                problem = "before it is defined" if name in later else "which is never defined"
                raise BundleError(f"{where}: {op} uses {name!r} {problem}")
        if op.kind == "const" and ("val" not in op.inputs or len(op.outputs) != 1):
            raise BundleError(f"{where}: {op} holds no value")
        for inner in op.blocks:
            _check(inner, visible, where)
        _define(visible, op.outputs, where)
    for name in block.outputs:
        if name not in visible:
            raise BundleError(f"{where}: the output {name!r} is never defined")


def _define(visible: set[str], values: tuple[Named, ...], where: str) -> None:
    for value in values:
        if not value.name:
            raise BundleError(f"{where}: a value has no name")
        if value.name in visible:
            raise BundleError(f"{where}: {value.name!r} is defined twice")
        visible.add(value.name)
