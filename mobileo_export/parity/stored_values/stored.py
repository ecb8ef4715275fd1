"""A package's constants against the checkpoint: every weight, every norm's epsilon, by value.

Outputs only show what is louder than rounding. Here each stored tensor is held against the
checkpoint's own, in the package's precision: those that are copied to the bit, those that
conversion computes (a batch norm folded into a convolution, the projector's fusion) to the
rounding of that, and those that a plan compresses part by part, to the bit. And each tensor of the
checkpoint has to be somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.results import StoredValues
from mobileo_export.parity.stored_values import constants, package_graph, parameters
from mobileo_export.progress import OnCount, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlpackage.program import Op
    from mobileo_export.parity.gates import Precision
    from mobileo_export.parity.stored_values.compressed import (
        CompressedMatrix,
        CompressedPackage,
    )
    from mobileo_export.parity.stored_values.expected import ConstantRecipe, Expected
    from mobileo_export.parity.stored_values.package_graph import ConstantOf, PackageGraph
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

_DESCRIBED = 3  # differences that are explained; of a package that is all wrong the first will do
_COUNTERS = ".num_batches_tracked"
# The projector's softmax over a single layer is 1, whatever these are.
_FUSION = ("layer_weights", "temperature")


def check(
    package: Path,
    operation_map: Path,
    modules: ReferenceModules,
    precision: Precision,
    progress: OnCount = ignore,
    compressed: CompressedPackage | None = None,
) -> StoredValues:
    """Compare the constants of ``package``, one tensor in memory at a time.

    Args:
        package: an ``.mlpackage``.
        operation_map: names the torch module of each operation; the export wrote it.
        modules: the component's reference.
        precision: what the package computes in; a float32 one stores no float16.
        progress: called as operations are done.
        compressed: what says how its matrices are stored; None where all are as they are.

    Raises:
        BundleError: the package or the map is missing or damaged.
        CheckpointError: the checkpoint's tensors cannot be read.
    """
    graph = package_graph.load(package, operation_map)
    found = compressed.matrices(graph, modules) if compressed is not None else []
    matrices = {(matrix.module, matrix.constant.name): matrix for matrix in found}
    census = _Census(graph, modules, precision, matrices)
    for done, op in enumerate(graph.ops):
        progress(done, len(graph.ops))
        for constant in graph.constants(op):
            census.count(op, constant)
    census.require_every_tensor()
    settings = list(constants.check(graph, modules.root))
    progress(len(graph.ops), len(graph.ops))
    wrong = [str(item) for item in settings if not item.ok]
    return StoredValues(
        compared=sum(equal is not None for equal in census.constants.values()),
        equal=sum(equal is True for equal in census.constants.values()),
        not_traced=tuple(
            f"{census.modules_of[name]}: {name}"
            for name, equal in census.constants.items()
            if equal is None
        ),
        traced_share=census.traced_bytes / census.bytes if census.bytes else 0.0,
        settings=len(settings),
        settings_equal=len(settings) - len(wrong),
        wrong=(*wrong, *census.wrong),
        calibrated=sum(matrix.calibrated for matrix in found),
    )


@dataclass
class _Census:
    """What has been compared so far; ``constants`` by name: equal or not, None when not traced."""

    graph: PackageGraph
    modules: ReferenceModules
    precision: Precision
    matrices: dict[tuple[str, str], CompressedMatrix]
    constants: dict[str, bool | None] = field(default_factory=dict)
    modules_of: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    bytes: int = 0
    traced_bytes: int = 0

    def count(self, op: Op, constant: ConstantOf) -> None:
        """Compare one operand, if it is a tensor of floats."""
        if constant.constant.type.dtype.kind != "float" or constant.constant.size < 2:
            return
        values = constant.values
        module = self.graph.origin(op).module
        recipe = parameters.recipe_for(self.modules.root, module, op.kind, constant)
        if recipe is not None and not self.modules.names.keys() >= set(recipe.names):
            recipe = None  # computed when the module is built
        if constant.name not in self.constants:
            self.bytes += values.nbytes
            self.modules_of[constant.name] = module
        if recipe is None:
            self.constants.setdefault(constant.name, None)
            return
        if self.constants.get(constant.name) is None:
            self.traced_bytes += values.nbytes
        self.used.update(recipe.names)
        matrix = self.matrices.get((module, constant.name))
        if matrix is None:
            problem = self._problem(values, recipe)
        else:
            problem = matrix.problem(self.modules)
            problem = problem and f"of {matrix.name}, {matrix.scheme}: {problem}"
        equal = problem is None and self.constants.get(constant.name) is not False
        self.constants[constant.name] = equal
        if problem is not None:
            self.wrong.append(f"{module} ({op.name}): {constant.parameter} {problem}")

    def require_every_tensor(self) -> None:
        """Note tensors of the checkpoint that no constant stems from; zeros may be left out."""
        for name, source in self.modules.names.items():
            if name in self.used or name.endswith(_COUNTERS):
                continue
            if name in _FUSION and self.modules.read("layer_weights").size == 1:
                continue
            if self.modules.read(name).any():
                self.wrong.append(f"{name}: no constant holds the checkpoint's {source}")

    def _problem(self, found: NDArray[Any], recipe: ConstantRecipe) -> str | None:
        expected = recipe.make(self.modules.read)
        of = " and ".join(self.modules.names[n] for n in recipe.names[:2]) or "the module, none"
        if found.dtype == np.float16 and self.precision == "float32":
            return f"is float16 in a float32 package ({of})"
        if expected.allows(found):
            return None
        if len(self.wrong) >= _DESCRIBED:
            return f"is not what {of} becomes"
        return f"is not what {of} becomes: {self._difference(found, recipe, expected)}"

    def _difference(self, found: NDArray[Any], recipe: ConstantRecipe, expected: Expected) -> str:
        from mobileo_export.parity.explain import tensors

        others = {
            self.modules.names[name]: self.modules.read(name) for name in self._siblings(recipe)
        }
        answer = tensors.difference(found, expected.values, others)
        if answer is not None:
            return f"{answer.kind}: {answer.detail}"
        apart = np.abs(found.reshape(-1).astype(np.float64) - expected.values.reshape(-1))
        return f"off by up to {apart.max():.1e}, which is more than rounding"

    def _siblings(self, recipe: ConstantRecipe) -> Iterator[str]:
        """Tensors beside it that it may have been taken for."""
        if len(recipe.names) == 1:
            for name in parameters.siblings(self.modules.root, recipe.names):
                if name in self.modules.names:
                    yield name
