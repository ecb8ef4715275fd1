"""Two ML Programs, operation by operation.

Names of values are numbered by whoever made the graph: one operation more and all that follow are
called otherwise. Operations are therefore matched by the torch module that they came from (the
operation map says) and their order in it; what they take is then compared by that match.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.mlpackage.program import Constant, Literal, Op
from mobileo_export.parity.stored_values.package_graph import read_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mobileo_export.artifacts.mlpackage.program import Argument

# Constants with more elements are tensors, compared by value; the others are settings.
_SETTING = 64
_SHOWN = 40  # characters of a setting
_ALIGNED = 3000  # operations of one module up to which an alignment is searched


@dataclass(frozen=True)
class GraphChange:
    """One operation: ``added``, ``removed``, ``rewired`` or ``set`` otherwise (``detail``)."""

    kind: str
    operation: str
    module: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class ConstantPair:
    """The same tensor on both sides; None where there is none. ``name`` is for people."""

    name: str
    old: Constant | None
    new: Constant | None


@dataclass(frozen=True)
class ComparedGraph:
    """One side: operations without constants, constants by name, torch modules by output."""

    ops: tuple[Op, ...]
    constants: Mapping[str, Constant | Literal]
    modules: Mapping[str, str]
    outputs: tuple[str, ...]
    counts: Mapping[str, int]

    def module(self, op: Op) -> str:
        """Where an operation came from; empty when nobody wrote it down."""
        return self.modules.get(op.outputs[0].name, "")


def load(package: Path, operation_map: Path | None) -> ComparedGraph:
    """The default function of ``package``; without a map every module is the empty one.

    Raises:
        BundleError: the package or the map is damaged.
    """
    from mobileo_export.artifacts.mlpackage import expansion
    from mobileo_export.artifacts.mlpackage.decode import decode
    from mobileo_export.artifacts.mlpackage.limits import Limits
    from mobileo_export.artifacts.mlpackage.package import open_package
    from mobileo_export.artifacts.mlpackage.verify import verify

    program = decode(open_package(package), Limits())
    verify(program)
    block = program.functions[program.default].block
    constants: dict[str, Constant | Literal] = dict(expansion.constants(block))
    for op in block.ops:
        value = op.inputs["val"][0] if op.kind == "const" and op.inputs.get("val") else None
        if isinstance(value, Literal) and op.outputs:
            constants[op.outputs[0].name] = value
    ops = expansion.operations(block)
    counts = Counter(op.kind for op in block.walk())
    origins = read_map(operation_map) if operation_map is not None else {}
    modules = {name: origin.module for name, origin in origins.items()}
    return ComparedGraph(ops, constants, modules, block.outputs, counts)


def compare(
    old: ComparedGraph, new: ComparedGraph
) -> tuple[tuple[GraphChange, ...], list[ConstantPair]]:
    """What became of each operation, and the tensors that are to be compared."""
    pairs = _match(old, new)
    renamed = {
        left.name: right.name
        for one, other in pairs
        for left, right in zip(one.outputs, other.outputs, strict=False)
    }
    changes: list[GraphChange] = []
    tensors = _Tensors()
    for one, other in pairs:
        changes += _compare_operation(old, new, one, other, renamed, tensors)
    matched = ({id(one) for one, _ in pairs}, {id(other) for _, other in pairs})
    for graph, done, kind in ((old, matched[0], "removed"), (new, matched[1], "added")):
        for op in graph.ops:
            if id(op) not in done:
                name = op.outputs[0].name
                changes.append(GraphChange(kind, op.kind, graph.module(op), name))
                for parameter, _, constant in _tensors_of(graph, op):
                    label = _label(graph, op, parameter)
                    tensors.add(label, *((constant, None) if graph is old else (None, constant)))
    if [renamed.get(name, name) for name in old.outputs] != list(new.outputs):
        detail = f"{', '.join(old.outputs)} -> {', '.join(new.outputs)}"
        changes.append(GraphChange("rewired", "outputs", "", "", detail))
    return tuple(changes), tensors.pairs


class _Tensors:
    """Pairs of constants, each once though several operations take it."""

    def __init__(self) -> None:
        self.pairs: list[ConstantPair] = []
        self._seen: set[tuple[int, int]] = set()

    def add(self, name: str, old: Constant | None, new: Constant | None) -> None:
        key = (id(old), id(new))
        if key not in self._seen:
            self._seen.add(key)
            self.pairs.append(ConstantPair(name, old, new))


def _compare_operation(
    old: ComparedGraph,
    new: ComparedGraph,
    one: Op,
    other: Op,
    renamed: Mapping[str, str],
    tensors: _Tensors,
) -> Iterator[GraphChange]:
    what = (one.kind, new.module(other), other.outputs[0].name)
    for parameter in dict.fromkeys((*one.inputs, *other.inputs)):
        left, right = one.inputs.get(parameter, ()), other.inputs.get(parameter, ())
        if len(left) != len(right):
            yield GraphChange("rewired", *what, f"{parameter}: {len(left)} -> {len(right)} values")
            continue
        for index, (a, b) in enumerate(zip(left, right, strict=True)):
            x, y = _resolved(old, a), _resolved(new, b)
            label = parameter if len(left) == 1 else f"{parameter}[{index}]"
            if isinstance(x, str) or isinstance(y, str):
                if not (isinstance(x, str) and isinstance(y, str) and renamed.get(x, x) == y):
                    shown = f"{label}: {_text(x)} -> {_text(y)}"
                    yield GraphChange("rewired", *what, shown)
            elif _is_tensor(x) or _is_tensor(y):
                name = _label(new, other, label)
                pair = [side if isinstance(side, Constant) else None for side in (x, y)]
                tensors.add(name, *pair)
            elif not _same(x, y):
                yield GraphChange("set", *what, f"{label}: {_text(x)} -> {_text(y)}")


def _match(old: ComparedGraph, new: ComparedGraph) -> list[tuple[Op, Op]]:
    """Pairs of the same operation, module by module, in order."""
    groups: tuple[dict[str, list[Op]], dict[str, list[Op]]] = (defaultdict(list), defaultdict(list))
    for graph, group in zip((old, new), groups, strict=True):
        for op in graph.ops:
            group[graph.module(op)].append(op)
    pairs = []
    for module, left in groups[0].items():
        right = groups[1].get(module, [])
        kinds = ([op.kind for op in left], [op.kind for op in right])
        if kinds[0] == kinds[1] or max(map(len, kinds)) > _ALIGNED:
            pairs += [(a, b) for a, b in zip(left, right, strict=False) if a.kind == b.kind]
            continue
        for block in SequenceMatcher(None, *kinds, autojunk=False).get_matching_blocks():
            pairs += zip(
                left[block.a : block.a + block.size],
                right[block.b : block.b + block.size],
                strict=True,
            )
    return pairs


def _resolved(graph: ComparedGraph, argument: Argument) -> str | Constant | Literal:
    """A constant that is taken by name, itself."""
    return graph.constants.get(argument, argument) if isinstance(argument, str) else argument


def _tensors_of(graph: ComparedGraph, op: Op) -> Iterator[tuple[str, Argument, Constant]]:
    for parameter, arguments in op.inputs.items():
        for argument in arguments:
            found = _resolved(graph, argument)
            if isinstance(found, Constant) and _is_tensor(found):
                yield parameter, argument, found


def _is_tensor(value: Any) -> bool:
    if not isinstance(value, Constant):
        return False
    size = int(np.prod(value.shape, dtype=np.int64))
    return size > (1 if value.type.dtype.kind == "float" else _SETTING)


def _label(graph: ComparedGraph, op: Op, parameter: str) -> str:
    """As a checkpoint names it; epilogues without a module go by their own name."""
    owner = graph.module(op) or op.name
    return f"{owner}.{parameter}"


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, Literal) or isinstance(y, Literal):
        return isinstance(x, Literal) and isinstance(y, Literal) and repr(x.value) == repr(y.value)
    return str(x.type) == str(y.type) and bool(np.array_equal(x.array(), y.array()))


def _text(value: str | Constant | Literal) -> str:
    if isinstance(value, Literal):
        text = repr(value.value)
    elif isinstance(value, Constant):
        found = value.array()
        text = str(found.item() if found.size == 1 else found.tolist())
    else:
        text = value
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
