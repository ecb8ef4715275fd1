"""The compressed matrices of an artifact, made anew from the checkpoint by the plan that it states.

The reference with those values in its modules is what the artifact has to compute to float32's own
rounding, whatever the plan costs.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import json_file, targets
from mobileo_export.artifacts.mlpackage.dtypes import FP16
from mobileo_export.compression.plan import NONE, PRESETS, CompressionPlan, load, matrix_name
from mobileo_export.compression.plan import matrices as plan_matrices
from mobileo_export.compression.schemes import Scheme, compress
from mobileo_export.errors import BundleError
from mobileo_export.parity import gates
from mobileo_export.parity.references import random_or_trained
from mobileo_export.parity.stored_values import folding, forms, package_graph, parameters
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.gates import Gate
    from mobileo_export.parity.references import ReferenceRun, References
    from mobileo_export.parity.stored_values.expected import ConstantRecipe
    from mobileo_export.parity.stored_values.package_graph import ConstantOf, PackageGraph
    from mobileo_export.runtimes.torch_reference import TorchSession

_TAKERS = frozenset({"linear", "conv"})


@dataclass(frozen=True)
class CompressedMatrix:
    """A weight that a plan stores in fewer bits, or rounds to half precision.

    Attributes:
        name: as a plan calls it.
        module: that the operation came from; of a folded convolution the norm or the scale.
        constant: of the operation.
        recipe: of its values before compression.
        scheme: what the plan says of it.
        calibrated: whether its rounding was chosen for what reaches it, so that no other than the
            stored form is known.
    """

    name: str
    module: str
    constant: ConstantOf
    recipe: ConstantRecipe
    scheme: Scheme
    calibrated: bool = False

    def problem(self, modules: ReferenceModules) -> str | None:
        """What of the stored form is not what the checkpoint's values become, in words."""
        found, values = self.constant.constant, self._values(modules)
        if self.calibrated:
            return forms.too_far(found, compress(values, self.scheme), values)
        return forms.differences(found, compress(values, self.scheme))

    def state(self, modules: ReferenceModules) -> dict[str, NDArray[Any]]:
        """Tensors of the reference's state with which it computes with what should be stored.

        Made from the checkpoint alone; of a calibrated matrix, read from the package.
        """
        if self.calibrated:
            left = self.constant.values
        else:
            left = compress(self._values(modules), self.scheme).expanded()
        product = left.astype(np.float32, copy=False)
        fold = folding.find(modules.root, self.module) if len(self.recipe.names) > 1 else None
        if fold is None:
            return {self.recipe.names[0]: product}
        return fold.undone(product, modules.read)

    def _values(self, modules: ReferenceModules) -> NDArray[Any]:
        declared = self.constant.constant.type.dtype
        values = self.recipe.make(modules.read).values
        values = values.astype(np.float16 if declared == FP16 else np.float32)
        return values.reshape(self.constant.constant.shape)


class CompressedWeights(ABC):
    """An artifact whose manifest states a plan for it.

    Attributes:
        spec: the component.
        plan: how its matrices are stored.
        target: whose presets the plan may be one of.
    """

    spec: ComponentSpec
    plan: CompressionPlan
    target: str

    @property
    @abstractmethod
    def place(self) -> Path:
        """Where it lies."""

    @abstractmethod
    def states(self, modules: ReferenceModules) -> Iterable[Mapping[str, NDArray[Any]]]:
        """Of each matrix, tensors of the reference's state that compute with what is left of it.

        Raises:
            BundleError: the artifact is missing or damaged.
        """

    def session(self, checkpoint: Checkpoint, weights: Weights) -> TorchSession:
        """The reference with the values that the plan leaves of the checkpoint's.

        Raises:
            BundleError: the artifact is missing or damaged.
            CheckpointError: the checkpoint does not hold the component.
        """
        import torch

        from mobileo_export.runtimes.torch_reference import TorchRuntime

        states = self.states(ReferenceModules(checkpoint, self.spec, weights))
        opened = TorchRuntime().load_component(checkpoint, self.spec.name, weights)
        held = dict((*opened.module.named_parameters(), *opened.module.named_buffers()))
        for state in states:
            for name, values in state.items():
                held[name].data = torch.from_numpy(values.reshape(held[name].shape))
        return opened

    def runs(self, references: References) -> list[ReferenceRun]:
        """The component's cases, run by :meth:`session`; kept by ``references``.

        Raises:
            BundleError, CheckpointError: as :meth:`session`.
        """
        key = json.dumps([self.plan.content(), str(self.place)])
        return references.runs_of(
            self.spec.name, key, lambda: self.session(references.checkpoint, references.weights)
        )

    def label(self, model: ModelConfig) -> str:
        """Which measured row judges it: that of the preset with the same rules, or of its bits."""
        preset = preset_of(self.plan, self.spec, self.target)
        return preset or f"{fewest_bits(self.plan, self.spec, model)}-bit"

    def gate(self, runtime: str, checkpoint: Checkpoint) -> Gate | None:
        """The bounds on what the plan costs; None where none is known."""
        values = random_or_trained(checkpoint)
        return gates.measured(self.spec.name, self.label(checkpoint.model), runtime, values)


@dataclass(frozen=True)
class CompressedPackage(CompressedWeights):
    """A package of that kind.

    Attributes:
        spec: the component.
        package: where it lies.
        operation_map: names the torch module of each operation.
        plan: how its matrices are stored.
        calibrated: those whose rounding lay ready beside the plan, by the plan's names.
        target: what it was made for.
    """

    spec: ComponentSpec
    package: Path
    operation_map: Path
    plan: CompressionPlan
    calibrated: frozenset[str] = frozenset()
    target: str = targets.DEFAULT

    @property
    def place(self) -> Path:
        """The package."""
        return self.package

    def matrices(self, graph: PackageGraph, modules: ReferenceModules) -> list[CompressedMatrix]:
        """The weights that the plan has another scheme for than ``exact``.

        Only modules and shapes are looked at. A constant that several matrices share has the scheme
        of most bits. ``graph`` is the package's, or that of a copy of it.
        """
        known = plan_matrices(modules.spec, modules.model)
        found: list[CompressedMatrix] = []
        widest: dict[str, Scheme] = {}
        for op in graph.ops:
            if op.kind not in _TAKERS:
                continue
            module = graph.origin(op).module
            for constant in graph.constants(op):
                if constant.parameter != "weight":
                    continue
                recipe = parameters.recipe_for(modules.root, module, op.kind, constant)
                source = modules.names.get(recipe.names[0]) if recipe is not None else None
                if recipe is None or source is None:
                    continue
                name = matrix_name(source, modules.spec.prefixes)
                if name not in known:
                    continue
                scheme = self.plan.scheme(modules.spec.name, name, known[name])
                other = widest.get(constant.name, scheme)
                bits = scheme.stored_bits(known[name]), other.stored_bits(known[name])
                widest[constant.name] = scheme if bits[0] >= bits[1] else other
                ready = name in self.calibrated
                found.append(CompressedMatrix(name, module, constant, recipe, scheme, ready))
        chosen = [replace(matrix, scheme=widest[matrix.constant.name]) for matrix in found]
        return [matrix for matrix in chosen if matrix.scheme.form != "exact"]

    def states(self, modules: ReferenceModules) -> Iterable[Mapping[str, NDArray[Any]]]:
        """As of any such artifact; the package's operations are read at once."""
        graph = package_graph.load(self.package, self.operation_map)
        return (matrix.state(modules) for matrix in self.matrices(graph, modules))


def of_bundle(
    bundle: Path, artifact: Mapping[str, Any], spec: ComponentSpec, model: ModelConfig
) -> CompressedPackage | None:
    """The package that a manifest's ``artifact`` is; None if its plan leaves every matrix exact.

    Raises:
        BundleError: the table of its matrices cannot be read.
    """
    plan = stated(artifact, spec, model)
    if plan is None:
        return None
    path = Path(artifact["path"])
    operations = artifact.get("operation_map") or path.with_suffix(".operations.json")
    table = artifact.get("compression_map")
    ready = _calibrated(bundle / table) if table is not None else frozenset[str]()
    return CompressedPackage(spec, bundle / path, bundle / operations, plan, ready)


def stated(
    artifact: Mapping[str, Any], spec: ComponentSpec, model: ModelConfig
) -> CompressionPlan | None:
    """The plan that a manifest's ``artifact`` states; None if it leaves every matrix exact."""
    plan = stated_rules(artifact, spec)
    return None if fewest_bits(plan, spec, model) is None else plan


def stated_rules(artifact: Mapping[str, Any], spec: ComponentSpec) -> CompressionPlan:
    """The same, which may be :data:`NONE`."""
    named = artifact["options"].get("rules", ())
    rules = {rule["matrices"]: Scheme.parse(rule["scheme"]) for rule in named}
    return CompressionPlan("stated", {spec.name: rules}) if rules else NONE


def preset_of(plan: CompressionPlan, spec: ComponentSpec, target: str) -> str | None:
    """The preset of ``target`` that has the same rules for a component."""
    rules = list(plan.rules[spec.name].items())
    for preset in PRESETS:
        if list(load(preset, target).rules.get(spec.name, {}).items()) == rules:
            return preset
    return None


def _calibrated(table: Path) -> frozenset[str]:
    try:
        entries = json_file.load(table)["matrices"]
        return frozenset(name for name, entry in entries.items() if entry.get("calibrated"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{table}: not a table of stored matrices; export again") from error


def fewest_bits(plan: CompressionPlan, spec: ComponentSpec, model: ModelConfig) -> int | None:
    """Of any matrix of a component, 16 where it is rounded to half; None where all are exact."""
    schemes = {
        plan.scheme(spec.name, name, shape) for name, shape in plan_matrices(spec, model).items()
    }
    return min((scheme.bits or 16 for scheme in schemes if scheme.form != "exact"), default=None)
