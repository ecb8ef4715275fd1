"""What calls of a bundle's artifacts cost, whatever kind each is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.bench import graph_cost
from mobileo_export.bench.cost import CallCost, FloatWidth
from mobileo_export.bench.graph_cost import AS_DECLARED, Precisions
from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS, Dim, TensorSpec
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.targets import BATCH

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bench.language_cost import LanguageCall

LANGUAGE_MODEL = "llm"


class BundleCost:
    """The costs of a bundle.

    Attributes:
        path: of the bundle.
        content: its manifest.
    """

    def __init__(self, path: Path) -> None:
        """Read the manifest of the bundle ``path``.

        Raises:
            BundleError: there is none, or it is damaged.
        """
        self.path = path
        self.content: Mapping[str, Any] = manifest.read(path)

    @property
    def names(self) -> tuple[str, ...]:
        """The components that it has, in the registry's order."""
        return tuple(name for name in COMPONENTS if name in self.content["components"])

    @property
    def image_tokens(self) -> int:
        """How many positions a picture takes."""
        return int(self.content["recipe"]["preprocessing"]["num_tokens"])

    def rows(self, name: str) -> int:
        """Most rows of one call of a component."""
        first = self.inputs(name)[0].shape[0]
        return first.high if isinstance(first, Dim) and first.name == BATCH else 1

    def inputs(self, name: str) -> tuple[TensorSpec, ...]:
        """The signature of a component.

        Raises:
            BundleError: the bundle lacks it.
        """
        return tuple(map(manifest.tensor_spec, self._entry(name)["inputs"]))

    def call(
        self, name: str, precision: FloatWidth | None = None, rows: int = 1, **sizes: int
    ) -> CallCost:
        """:meth:`calls` in one precision; as the artifact declares for None."""
        return self.calls(name, (precision,), rows, **sizes)[0]

    def calls(
        self, name: str, precisions: Precisions = AS_DECLARED, rows: int = 1, **sizes: int
    ) -> tuple[CallCost, ...]:
        """A call of a component other than the language model, in each of ``precisions``.

        Args:
            name: of the component.
            precisions: what floats are computed in; as the artifact declares for None.
            rows: of the call. Where the artifact takes fewer, so many more of the same share its
                weights, as an artifact that took them would.
            sizes: of named dimensions, such as N.

        Raises:
            UsageError: a size is out of its bounds, or the artifact has no graph.
            BundleError: the artifact is missing, damaged or not to be followed.
        """
        own = min(rows, self.rows(name))
        shapes = {spec.name: spec.at(**{**sizes, BATCH: own}) for spec in self.inputs(name)}
        artifact = self._artifact(name)
        count = _COUNTED.get(artifact["kind"])
        if count is None:
            raise self._uncounted(artifact)
        found = count(self.path, artifact, shapes, precisions)
        return found if rows == own else tuple(call.rows(-(-rows // own)) for call in found)

    def read(self, asked: LanguageCall, precision: FloatWidth | None = None) -> CallCost:
        """:meth:`reads` in one precision; as the artifact computes for None."""
        return self.reads(asked, (precision,))[0]

    def reads(
        self, asked: LanguageCall, precisions: Precisions = AS_DECLARED
    ) -> tuple[CallCost, ...]:
        """A call of the language model, in each of ``precisions``.

        Raises:
            UsageError: there are more positions than it has.
            BundleError: the artifact is missing, damaged or not to be followed.
        """
        from mobileo_export.bench import language_cost

        artifact = self._artifact(LANGUAGE_MODEL)
        if artifact["kind"] not in _READ:
            raise self._uncounted(artifact)
        self.inputs(LANGUAGE_MODEL)[0].at(T=asked.past + asked.positions)
        if self._graphs:
            return language_cost.of_graphs(self._folder, self._graphs, asked, precisions)
        return language_cost.of_folder(self._folder, asked, precisions)

    @cached_property
    def _folder(self) -> Any:
        """The language model's folder, opened once."""
        from mobileo_export.artifacts.mlx import folder as mlx
        from mobileo_export.artifacts.onnx import folder as onnx

        path = self.path / self._artifact(LANGUAGE_MODEL)["path"]
        return (onnx if self._graphs else mlx).open_folder(path)

    @cached_property
    def _graphs(self) -> dict[str, tuple[TensorSpec, ...]]:
        """Signatures of the graphs of the language model; none of a folder of another kind."""
        return {
            graph["name"]: tuple(map(_spec, graph["inputs"]))
            for graph in self._artifact(LANGUAGE_MODEL).get("graphs", ())
        }

    def _uncounted(self, artifact: Mapping[str, Any]) -> UsageError:
        return UsageError(
            f"{self.path}: the operations of {KINDS[artifact['kind']]} are not counted; export "
            "for ios from the same checkpoint and count those"
        )

    def _entry(self, name: str) -> Mapping[str, Any]:
        entry: Mapping[str, Any] | None = self.content["components"].get(name)
        if entry is None:
            raise BundleError(
                f"{self.path}: has no {name}; export it with --only {name}, or all of them"
            )
        return entry

    def _artifact(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._entry(name)["artifacts"][0]
        return found


Counted = Callable[["Path", Mapping[str, Any], graph_cost.Shapes, Precisions], tuple[CallCost, ...]]


def _package(
    bundle: Path,
    artifact: Mapping[str, Any],
    shapes: graph_cost.Shapes,
    precisions: Precisions,
) -> tuple[CallCost, ...]:
    place = artifact["operation_map"]
    modules = graph_cost.modules(bundle / place) if place else None
    return graph_cost.of_package(bundle / artifact["path"], shapes, precisions, modules)


def _graph(
    bundle: Path,
    artifact: Mapping[str, Any],
    shapes: graph_cost.Shapes,
    precisions: Precisions,
) -> tuple[CallCost, ...]:
    return graph_cost.of_onnx(bundle / artifact["path"], shapes, precisions)


_COUNTED: Mapping[str, Counted] = {"mlpackage": _package, "onnx": _graph}
_READ = ("mlx", "onnx")  # language models


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    return manifest.tensor_spec({**tensor, "optional": False, "description": ""})
