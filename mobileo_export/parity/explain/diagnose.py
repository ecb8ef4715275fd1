"""Why an operation computes something else: stored tensors, attributes, inputs, then behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.explain import behaviour, tensors
from mobileo_export.parity.explain.results import Culprit
from mobileo_export.parity.explain.tensors import Deviation
from mobileo_export.parity.stored_values import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.explain.narrow import Narrowed
    from mobileo_export.parity.stored_values.compressed import CompressedMatrix
    from mobileo_export.parity.stored_values.expected import Expected
    from mobileo_export.parity.stored_values.package_graph import PackageGraph
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.mil import MilSession
    from mobileo_export.runtimes.torch_reference import TorchSession


@dataclass(frozen=True)
class LikelyCause:
    """The likely cause and where it lies."""

    difference: Deviation
    place: Culprit


class Diagnostician:
    """Knows a package and its reference, and looks for what sets them apart."""

    def __init__(
        self,
        graph: PackageGraph,
        session: MilSession,
        reference: TorchSession,
        names: dict[str, str],
        compressed: Mapping[tuple[str, str], CompressedMatrix],
        modules: ReferenceModules | None,
    ) -> None:
        self._graph = graph
        self._session = session
        self._reference = reference
        self._names = names
        self._compressed = compressed
        self._modules = modules
        self._state = parameters.state(reference.module)

    def place(self, op: Op, names: tuple[str, ...] = (), blob: str | None = None) -> Culprit:
        """Where ``op`` is in both graphs."""
        origin = self._graph.origin(op)
        if not names and origin.module:
            own = self._module(origin.module)
            parts = own.named_parameters(recurse=False) if own is not None else ()
            names = tuple(f"{origin.module}.{name}" for name, _ in parts)
        stored = tuple(self._names.get(name, name) for name in names)
        value = op.outputs[0].name
        return Culprit(origin.module, origin.module_type, stored, op.name, op.kind, value, blob)

    def diagnose(self, narrowed: Narrowed, case: Case) -> LikelyCause:
        """The cause behind a culprit: the first test that holds."""
        ops = [narrowed.op, *(op for op in narrowed.segment if op is not narrowed.op)]
        for op in ops:
            if found := self.stored(op):
                return found
        for op in ops:
            if found := self.attributes(op):
                return found
        for op in ops:
            if answer := behaviour.attention(op, narrowed.values):
                return LikelyCause(answer, self.place(op))
        ignored = self._ignored(case)
        if ignored is not None:
            detail = f"the output does not depend on {ignored}; the reference's does"
            return LikelyCause(Deviation("input ignored", detail), self.place(narrowed.op))
        answer = Deviation("unexplained", "its operands agree, its result does not")
        if narrowed.found is not None and narrowed.expected is not None:
            answer = behaviour.result(narrowed.found, narrowed.expected)
        return LikelyCause(answer, self.place(narrowed.op))

    def stored(self, op: Op) -> LikelyCause | None:
        """A constant of ``op`` that is not what the checkpoint makes it."""
        root = self._reference.module
        path = self._graph.origin(op).module
        constants = self._graph.constants(op)
        for constant in constants:
            if constant.values.dtype.kind == "f" and not np.isfinite(constant.values).all():
                answer = tensors.difference(constant.values, np.zeros_like(constant.values))
                if answer is not None and answer.kind == "not finite":
                    return LikelyCause(answer, self.place(op, blob=constant.name))
        for constant in constants:
            matrix = self._compressed.get((path, constant.name))
            if matrix is not None and self._modules is not None:
                told = matrix.problem(self._modules)
                if told is not None:
                    answer = Deviation("compressed otherwise", f"{matrix.scheme}: {told}")
                    return LikelyCause(answer, self.place(op, matrix.recipe.names, constant.name))
                continue
            match = parameters.expected_for(root, path, op.kind, constant, self._state.__getitem__)
            if match is None or (not match[1] and op.kind not in {"add", "mul", "sub"}):
                continue
            expected = match[0]
            answer = self._difference(root, constant.values, expected)
            if answer is not None:
                if expected.role == "bias" and answer.kind == "zeroed":
                    answer = Deviation("bias dropped", f"{answer.detail}, the bias is lost")
                return LikelyCause(answer, self.place(op, expected.names, constant.name))
        return self._absent_bias(root, op, path)

    def attributes(self, op: Op) -> LikelyCause | None:
        """An attribute of ``op`` that is not its module's."""
        module = self._module(self._graph.origin(op).module)
        if module is None:
            return None
        answer = behaviour.attributes(module, op, self._graph.constants(op))
        return LikelyCause(answer, self.place(op)) if answer is not None else None

    def scan(self) -> Iterator[LikelyCause]:
        """Every constant and attribute of the package that is not what the checkpoint makes it."""
        for op in self._graph.ops:
            for found in (self.stored(op), self.attributes(op)):
                if found is not None:
                    yield found

    def _difference(
        self, root: torch.nn.Module, found: Array, expected: Expected
    ) -> Deviation | None:
        others = parameters.siblings(root, expected.names) if len(expected.names) == 1 else {}
        others = {self._names.get(name, name): values for name, values in others.items()}
        answer = tensors.difference(found, expected.values, others)
        if answer is not None and expected.stale is not None:
            stale = np.asarray(expected.stale, np.float32).reshape(found.shape)
            if tensors.same(np.asarray(found, np.float32), stale, 1e-5):
                return Deviation(
                    "stale statistics", "folded with mean 0 and variance 1, not the checkpoint's"
                )
            if answer.kind == "scaled":
                detail = f"{answer.detail}, as by other statistics of the normalisation"
                return Deviation("stale statistics", detail)
        return answer

    def _absent_bias(self, root: torch.nn.Module, op: Op, path: str) -> LikelyCause | None:
        module = self._module(path)
        bias = getattr(module, "bias", None)
        if op.kind not in {"linear", "conv"} or bias is None or "bias" in op.inputs:
            return None
        users = [u for out in op.outputs for u in self._graph.consumers[out.name]]
        if any(u.kind == "add" and self._graph.origin(u).module == path for u in users):
            return None
        if not bool(bias.any()):
            return None
        answer = Deviation("bias dropped", "the operation has no bias, the module has one")
        return LikelyCause(answer, self.place(op, (f"{path}.bias",)))

    def _ignored(self, case: Case) -> str | None:
        """An input that changes the reference's outputs and not the artifact's."""
        if len(case.inputs) < 2:
            return None
        try:
            base = self._session.run(case.inputs)
            for name, array in case.inputs.items():
                inputs = {**case.inputs, name: changed(name, array)}
                if _same(base, self._session.run(inputs)):
                    before, after = (self._reference.run(i) for i in (case.inputs, inputs))
                    if not _same(before, after):
                        return name
        except (UsageError, BundleError):
            return None
        return None

    def _module(self, path: str) -> Any:
        try:
            return self._reference.module.get_submodule(path)
        except AttributeError:
            return None


def changed(name: str, array: Array) -> Array:
    """Another input of the same shape that a component cannot fail to notice."""
    values: Any = array
    other: Any
    if name == "timestep":
        other = np.where(values < 500, 999, 1)
    elif name == "encoder_attention_mask":
        other = np.ones_like(values)
        if bool((values == 1).all()):
            other[:, other.shape[1] // 3 :] = 0
    else:
        other = np.flip(values, -1)
    result: Array = np.ascontiguousarray(other, values.dtype)
    return result


def _same(first: dict[str, Array], second: dict[str, Array]) -> bool:
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
