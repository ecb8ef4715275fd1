"""What a benchmark measures: the artifacts of a bundle, or the references of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from mobileo_export import recipe as recipes
from mobileo_export.bench import workload
from mobileo_export.bench.measurement import fingerprint, identification
from mobileo_export.bundle import manifest, resident
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.model import Model, of_checkpoint, open_model
from mobileo_export.runtimes import registry, select

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mobileo_export.bench.workload import Workload, WorkSizes
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.checkpoint.hub import FoundCheckpoint
    from mobileo_export.components import ComponentSpec, TensorSpec
    from mobileo_export.progress import OnProgress
    from mobileo_export.recipe import Recipe
    from mobileo_export.runtimes.base import Session


@dataclass(frozen=True)
class BundleSubject:
    """A bundle.

    Attributes:
        path: its folder.
        content: its manifest.
        runtimes: by component, of those that take part.
        runtime: that was asked for.
        compute_units: asked for; None for those of the manifest.
    """

    path: Path
    content: Mapping[str, Any]
    runtimes: Mapping[str, str]
    runtime: str = registry.AUTO
    compute_units: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The components that it has."""
        return tuple(name for name in COMPONENTS if name in self.content["components"])

    @property
    def recipe(self) -> Recipe:
        """Numbers and texts of its pipelines."""
        return recipes.from_manifest(self.content["recipe"])

    @property
    def identity(self) -> Mapping[str, Any]:
        """Which it is, by the name that a result has for its kind."""
        return {"bundle": identification(self.path, self.content)}

    def model(self) -> Model:
        """What takes its tokenizer."""
        return open_model(str(self.path), self.runtime, needs=tuple(self.runtimes))

    def inputs(self, name: str) -> tuple[TensorSpec, ...]:
        """The signature of a component."""
        return tuple(map(manifest.tensor_spec, self.content["components"][name]["inputs"]))

    def units(self, name: str) -> str | None:
        """The compute units of a component; None of a runtime that is told none."""
        if not registry.ENTRIES[self.runtimes[name]].units:
            return None
        stated: str = self._artifact(name)["compute_units"]
        return self.compute_units or stated

    def load(self, name: str) -> Session:
        """Load a component."""
        path = self.path / self._artifact(name)["path"]
        return select.load_artifact(path, self.runtimes[name], self.units(name))

    def identify(self, name: str) -> None:
        """Nothing: the manifest says what a component is known by."""

    def weight_bytes(self) -> int:
        """Bytes that the weights of what takes part are computed with."""
        (found,) = resident.of(self.content, {"bench": tuple(self.runtimes)})
        return found.kept_widened

    def count(self, sizes: WorkSizes) -> Workload:
        """The work of its stages."""
        return workload.of(self.path, sizes)

    def replay(
        self, chosen: Iterable[ComponentSpec] | None, progress: OnProgress
    ) -> Mapping[str, Any] | None:
        """The self-test of its golden trace; None without one."""
        if self.content.get("golden") is None:
            return None
        from mobileo_export.bench import self_test
        from mobileo_export.parity.golden.replay import replay as replayed

        specs = None if chosen is None else tuple(chosen)
        found = replayed(self.path, self.runtime, self.compute_units, specs, progress)
        return self_test.document(self.path, found)

    def _artifact(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.content["components"][name]["artifacts"][0]
        return found


@dataclass(frozen=True)
class CheckpointSubject:
    """A checkpoint, whose components run as their PyTorch float32 references.

    Attributes:
        found: the checkpoint, and where it came from.
        weights: which of its two sets.
        runtimes: by component, of those that take part.
        tensors: sha256 of the tensors of each component that was identified until now.
    """

    found: FoundCheckpoint
    weights: Weights
    runtimes: Mapping[str, str]
    tensors: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """See :class:`BundleSubject`."""
        return tuple(COMPONENTS)

    @property
    def recipe(self) -> Recipe:
        """See :class:`BundleSubject`."""
        from mobileo_export.checkpoint import tokenizer_files

        checkpoint = self.found.checkpoint
        return recipes.build(checkpoint.model, tokenizer_files.special_ids(checkpoint.path))

    @property
    def identity(self) -> Mapping[str, Any]:
        """See :class:`BundleSubject`."""
        return {
            "checkpoint": {
                "fingerprint": fingerprint(self.tensors),
                "tensors_sha256": dict(self.tensors),
                "source": self.found.name,
                "revision": self.found.revision,
                "weights": self.weights,
                "precision": dict.fromkeys(self.runtimes, "float32"),
            }
        }

    def model(self) -> Model:
        """See :class:`BundleSubject`."""
        return of_checkpoint(self.found.checkpoint, self.weights)

    def inputs(self, name: str) -> tuple[TensorSpec, ...]:
        """See :class:`BundleSubject`."""
        return COMPONENTS[name].inputs(self.found.checkpoint.model)

    def units(self, name: str) -> str | None:
        """None: PyTorch is told none."""

    def load(self, name: str) -> Session:
        """See :class:`BundleSubject`."""
        loaded: Session = registry.load(registry.REFERENCE)().load_component(
            self.found.checkpoint, name, self.weights
        )
        return loaded

    def identify(self, name: str) -> None:
        """Read the component's tensors once, behind its loads: they are to find nothing read."""
        if name not in self.tensors:
            checkpoint = self.found.checkpoint
            tensors = COMPONENTS[name].tensors(checkpoint.model)
            self.tensors[name] = checkpoint.digest(tensors, self.weights)

    def weight_bytes(self) -> int:
        """See :class:`BundleSubject`; all are widened to float32."""
        model = self.found.checkpoint.model
        shapes = (s for name in self.runtimes for s in COMPONENTS[name].tensors(model).values())
        return 4 * sum(map(prod, shapes))

    def count(self, sizes: WorkSizes) -> Workload:
        """See :class:`BundleSubject`."""
        from mobileo_export.bench.reference_cost import ReferenceCost

        return workload.counted(ReferenceCost(self.found.checkpoint, self.weights), sizes)

    def replay(
        self, chosen: Iterable[ComponentSpec] | None, progress: OnProgress
    ) -> Mapping[str, Any] | None:
        """None: it is what others are compared with."""


BenchSubject = BundleSubject | CheckpointSubject
