"""Which operations of a float16 graph stay float32, and why: a plan of rules on node names.

Four kinds of places are found in the graph itself, because half precision fails there whatever
the weights are; a probe of real inputs (``mobileo_export.parity.value_ranges``) adds what leaves
the range with these weights. A plan can also be written by hand.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import json_file
from mobileo_export.converters.onnx.passes import module_of
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import onnx_ir as ir

LARGEST = 65504.0  # the largest finite half
# Other prompts, steps and pictures than those of the probe reach further.
MARGIN = 8.0
RMS_NORM = "RMS norm squares its input"
SINUSOID = "a sinusoid of large angles needs more digits than half has"
SOFTMAX = "scores before a softmax: their differences decide, and masks are large"
CONSTANT = "half cannot hold its constant"
EPSILON = "linear attention divides by a sum whose epsilon half rounds to zero"
RANGE = f"beyond 1/{MARGIN:g} of the range of half when probed"
_GRAPHS = re.compile(r"vision_encoder|dit|vae_decoder|projector|llm(_\d+)?")  # mcp is float32
_MOVING = frozenset(
    {
        "Concat", "Expand", "Gather", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Tile",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_LAYER = re.compile(r"(?<=\.)\d+(?=[./])")


@dataclass(frozen=True)
class Rule:
    """Nodes that stay float32.

    Attributes:
        nodes: a pattern of node names, in which ``*`` stands for any text.
        reason: why.
        count: how many nodes of the graph it fits.
        largest: the largest magnitude that the probe saw among their results.
    """

    nodes: str
    reason: str
    count: int = 0
    largest: float | None = None


def plan(
    model: ir.Model,
    written: Sequence[Rule] | None = None,
    ranges: Mapping[str, float] | None = None,
) -> tuple[Rule, ...]:
    """The rules for ``model``, a float32 graph that ``passes.run`` saw.

    Args:
        model: the graph.
        written: by hand, in place of all others.
        ranges: the largest magnitude of each node's results that a probe saw.

    Raises:
        UsageError: a rule that was written fits no node.
    """
    names = [str(node.name) for node in model.graph]
    ranges = ranges or {}
    if written is None:
        reasons: dict[str, str] = {}
        for found, reason in (*_found(model), (_beyond(ranges), RANGE)):
            for name in found:
                reasons.setdefault(name, reason)
        written = [
            Rule(pattern, reason)
            for reason in dict.fromkeys(reasons.values())
            for pattern in patterns({n for n, why in reasons.items() if why == reason}, names)
        ]
    rules = []
    for rule in written:
        fitting = [name for name in names if fnmatchcase(name, rule.nodes)]
        if not fitting:
            raise UsageError(f"--precision-plan: {rule.nodes!r} fits no operation of the graph")
        seen = [ranges[name] for name in fitting if name in ranges]
        largest = float(f"{max(seen):.4g}") if seen else None
        rules.append(replace(rule, count=len(fitting), largest=largest))
    return tuple(rules)


def wide(model: ir.Model, rules: Iterable[Rule]) -> frozenset[str]:
    """Names of the nodes that the rules keep float32, and of those that only move their values.

    Between two islands a reshape in half would round what both keep exact.
    """
    chosen = [rule.nodes for rule in rules]
    names = [str(node.name) for node in model.graph]
    found = {n for n in names if any(fnmatchcase(n, pattern) for pattern in chosen)}
    for node in model.graph:
        if node.op_type in _MOVING and str(node.name) not in found:
            moved = [value for value in node.inputs[:1] if value is not None]
            if node.op_type == "Concat":
                moved = [value for value in node.inputs if value is not None]
            sources = [value.producer() for value in moved]
            users = [user for output in node.outputs for user, _ in output.uses()]
            if (
                all(source is not None and str(source.name) in found for source in sources)
                and users
                and all(str(user.name) in found for user in users)
            ):
                found.add(str(node.name))
    return frozenset(found)


def as_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """As the manifest has it."""
    return [asdict(rule) for rule in rules]


def read_plan(path: Path) -> dict[str, list[dict[str, str]]]:
    """A plan written by hand: for each graph that it names, the rules in place of the usual ones.

    The file is JSON, ``{"dit": [{"nodes": "*.attn1/*", "reason": "…"}]}``; what ``inspect --json``
    shows of a graph's ``precision`` can be put there as it is.

    Raises:
        UsageError: it cannot be read as such.
    """
    try:
        content = json_file.load(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as JSON ({error})") from error
    form = 'expected {"graph": [{"nodes": "pattern", "reason": "text"}]}'
    if not isinstance(content, dict):
        raise UsageError(f"{path}: is no object; {form}")
    plans = {}
    for graph, entries in content.items():
        if not _GRAPHS.fullmatch(graph):
            raise UsageError(
                f"{path}: {graph!r} is no graph with a plan; those are vision_encoder, dit, "
                "vae_decoder, projector and llm (or llm_0, llm_1 …)"
            )
        if not isinstance(entries, list):
            raise UsageError(f"{path}: {graph} is no list; {form}")
        for entry in entries:
            texts = (
                [entry.get(key) for key in ("nodes", "reason")] if isinstance(entry, dict) else []
            )
            if not texts or not all(isinstance(text, str) and text for text in texts):
                raise UsageError(f"{path}: {graph} holds {entry!r}; {form}")
        plans[graph] = [{key: entry[key] for key in ("nodes", "reason")} for entry in entries]
    return plans


def patterns(chosen: set[str], names: Sequence[str]) -> list[str]:
    """Patterns that fit the ``chosen`` of all ``names`` and nothing else, layers taken together."""
    found: dict[str, None] = {}
    for name in names:
        if name not in chosen:
            continue
        module, _, _ = name.rpartition("/")
        candidates = (
            _LAYER.sub("*", f"{module}/*") if module else "",
            _LAYER.sub("*", name),
            f"{module}/*" if module else "",
        )
        fitting = (p for p in candidates if p and _fits_several(p, chosen, names))
        found.setdefault(next(fitting, name))
    return list(found)


def _fits_several(pattern: str, chosen: set[str], names: Sequence[str]) -> bool:
    fitting = [name for name in names if fnmatchcase(name, pattern)]
    return len(fitting) > 1 and chosen.issuperset(fitting)


def _beyond(ranges: Mapping[str, float]) -> set[str]:
    return {name for name, largest in ranges.items() if not largest <= LARGEST / MARGIN}


def _found(model: ir.Model) -> Iterator[tuple[set[str], str]]:
    """Node names by reason, the first reason first."""
    modules: dict[str, list[ir.Node]] = {}
    for node in model.graph:
        modules.setdefault(module_of(node), []).append(node)
    norms, sinusoids, linear = set(), set(), set()
    unfit = {str(n.name): worst for n in model.graph if (worst := _unfit_constant(n))}
    for nodes in modules.values():
        kinds = {node.op_type for node in nodes}
        names = {str(node.name) for node in nodes if _is_float(node)}
        if {"Pow", "ReduceMean", "Sqrt"} <= kinds:
            norms |= names
        elif {"Sin", "Cos"} & kinds:
            sinusoids |= names
        elif "Div" in kinds and any(unfit.get(name) == "tiny" for name in names):
            linear |= names
    yield norms, RMS_NORM
    yield sinusoids, SINUSOID
    yield linear, EPSILON
    yield _scores(model), SOFTMAX
    yield set(unfit), CONSTANT


def _scores(model: ir.Model) -> set[str]:
    """Every softmax, and what it is computed from, back to the products."""
    found: set[str] = set()
    pending = [node for node in model.graph if node.op_type == "Softmax"]
    while pending:
        node = pending.pop()
        if str(node.name) in found or not _is_float(node):
            continue
        found.add(str(node.name))
        if node.op_type in {"MatMul", "Gemm"}:
            continue
        before = (value.producer() for value in node.inputs if value is not None)
        pending += [producer for producer in before if producer is not None]
    return found


def _unfit_constant(node: ir.Node) -> str | None:
    """``tiny`` or ``huge`` if half rounds a scalar that ``node`` takes to zero or to infinity."""
    if not _is_float(node):
        return None
    for value in node.inputs:
        constant = value.const_value if value is not None and value.is_initializer() else None
        if constant is None or constant.size != 1 or not constant.dtype.is_floating_point():
            continue
        number = constant.numpy().reshape(-1)[0]
        with np.errstate(over="ignore"):
            half = np.float16(number)
        if not np.isfinite(half):
            return "huge"
        if number != 0 and abs(float(half) - float(number)) > 0.01 * abs(float(number)):
            return "tiny"
    return None


def _is_float(node: ir.Node) -> bool:
    output = node.outputs[0]
    return output.dtype is not None and output.dtype.is_floating_point()
