"""Why an operation computes something else: stored tensors, attributes, inputs, then behaviour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.cases import changed
from mobileo_export.parity.explain import behaviour, tensors
from mobileo_export.parity.explain.results import Culprit, Deviation, Kind, LikelyCause
from mobileo_export.parity.stored_values import constants, parameters
from mobileo_export.reference.names import module_at

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


# What :mod:`constants` calls a setting.
_SETTINGS: dict[str, Kind] = {
    "epsilon": "epsilon",
    "GELU": "gelu approximation",
    "upsampling": "other resampling",
}


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
        held = self._graph.constants(op)
        for constant in held:
            if constant.values.dtype.kind == "f" and not np.isfinite(constant.values).all():
                answer = tensors.difference(constant.values, np.zeros_like(constant.values))
                if answer is not None and answer.kind == "not finite":
                    return LikelyCause(answer, self.place(op, blob=constant.name))
        for constant in held:
            matrix = self._compressed.get((path, constant.name))
            if matrix is not None and self._modules is not None:
                told = matrix.problem(self._modules)
                if told is not None:
                    answer = Deviation("compressed otherwise", f"{matrix.scheme}: {told}")
                    return LikelyCause(answer, self.place(op, matrix.recipe.names, constant.name))
                continue
            recipe = parameters.recipe_for(root, path, op.kind, constant)
            if recipe is None or constant.values.dtype.kind != "f" or constant.values.size < 2:
                continue
            expected = recipe.make(self._state.__getitem__)
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
        for setting in constants.of_operation(self._graph, op, self._reference.module):
            if not setting.ok:
                other = Deviation(_SETTINGS[setting.what], setting.told)
                return LikelyCause(other, self.place(op))
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
            for other in changed(case):
                if _same(base, self._session.run(other.inputs)):
                    before, after = (self._reference.run(c.inputs) for c in (case, other))
                    if not _same(before, after):
                        return other.changes and other.changes[1]
        except (UsageError, BundleError):
            return None
        return None

    def _module(self, path: str) -> Any:
        return module_at(self._reference.module, path)


def _same(first: dict[str, Array], second: dict[str, Array]) -> bool:
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
