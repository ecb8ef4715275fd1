"""The compressed matrices of a Core AI asset, made anew from the checkpoint by the stated plan.

An asset stores the checkpoint's own matrices: nothing is multiplied into what is compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.compression.plan import CompressionPlan, matrix_name
from mobileo_export.compression.plan import matrices as plan_matrices
from mobileo_export.compression.schemes import Scheme, Stored, compress
from mobileo_export.parity.stored_values.compressed import CompressedWeights, stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules


@dataclass(frozen=True)
class CompressedAsset(CompressedWeights):
    """An asset whose manifest states a plan for it.

    Attributes:
        spec: the component.
        asset: where it lies.
        plan: how its matrices are stored.
        target: what it was made for.
    """

    spec: ComponentSpec
    asset: Path
    plan: CompressionPlan
    target: str

    @property
    def place(self) -> Path:
        """The asset."""
        return self.asset

    def schemes(self, modules: ReferenceModules) -> dict[str, Scheme]:
        """Of each compressed matrix, by its name in the reference's state."""
        shapes = plan_matrices(self.spec, modules.model)
        names = {
            name: matrix_name(source, self.spec.prefixes) for name, source in modules.names.items()
        }
        found = {
            name: self.plan.scheme(self.spec.name, matrix, shapes[matrix])
            for name, matrix in names.items()
            if name.endswith(".weight") and matrix in shapes
        }
        return {name: scheme for name, scheme in found.items() if scheme.form != "exact"}

    def states(self, modules: ReferenceModules) -> Iterable[Mapping[str, NDArray[Any]]]:
        """As of any such artifact: each matrix as its form expands it."""
        return (
            {name: stored(modules, name, scheme).expanded()}
            for name, scheme in self.schemes(modules).items()
        )


def stored(modules: ReferenceModules, name: str, scheme: Scheme) -> Stored:
    """The form that a matrix of the reference's state should have."""
    return compress(np.asarray(modules.read(name), np.float32), scheme)


def of_bundle(
    bundle: Path, artifact: Mapping[str, Any], spec: ComponentSpec, model: ModelConfig
) -> CompressedAsset | None:
    """The asset that a manifest's ``artifact`` is; None if its plan leaves every matrix exact."""
    plan = stated(artifact, spec, model)
    if plan is None:
        return None
    place = asset.located(bundle / artifact["path"])
    return CompressedAsset(spec, place, plan, artifact["target"])
