"""Which torch module an operation of a lowered program came from.

A saved package keeps names such as ``var_48`` only. coremltools knows the chain of modules that
were being called (``transformer``, ``0``, ``attn1``), which leaves out the lists they stand in;
walking the reference's module tree along names and classes puts those back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Origin:
    """A torch module: its dotted path below the reference ("" is the reference) and its class."""

    module: str
    module_type: str


class Origins:
    """Looks up the origin of MIL operations of one reference, ``root``."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.root = module

    def of(self, operation: Any) -> Origin:
        """The origin of an operation; of one that a pass made, that of what it replaced."""
        from coremltools.converters.mil.mil.scope import ScopeSource

        names = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, [])
        types = operation.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_TYPE, [])
        # The innermost scope is the torch operation itself.
        return self.resolve([str(name) for name in names[:-1]], [str(kind) for kind in types[:-1]])

    def resolve(self, names: Sequence[str], types: Sequence[str]) -> Origin:
        """The module reached by calling ``names`` of classes ``types`` from the reference down."""
        path, module = "", self.root
        for name, kind in zip(names, types, strict=True):
            for child_path, child in _descendants(path, module):
                if child_path.rpartition(".")[2] == name and type(child).__name__ == kind:
                    path, module = child_path, child
                    break
            else:
                break
        return Origin(path, type(module).__name__)

    def map(self, program: Any) -> dict[str, dict[str, str]]:
        """First output name of every operation but constants → operation, module, module type."""
        operations: dict[str, dict[str, str]] = {}
        for function in program.functions.values():
            for operation in function.operations:
                if operation.op_type == "const" or operation.op_type.startswith("constexpr_"):
                    continue
                origin = self.of(operation)
                operations[operation.outputs[0].name] = {
                    "operation": operation.op_type,
                    "module": origin.module,
                    "module_type": origin.module_type,
                }
        return operations


def write(path: Path, operations: dict[str, dict[str, str]]) -> None:
    """Write the map as JSON, one operation a line, in the program's order."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(entry, sort_keys=True)}"
        for name, entry in operations.items()
    )
    path.write_text('{"schema_version": 1, "operations": {\n' + lines + "\n}}\n")


def _descendants(path: str, module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Modules below ``module`` with their paths, nearest first: lists are entered, not called."""
    level = [(path, module)]
    while level:
        below = [
            (f"{parent_path}.{name}" if parent_path else name, child)
            for parent_path, parent in level
            for name, child in parent.named_children()
        ]
        yield from below
        level = below
