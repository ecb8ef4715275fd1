"""The ``emulated-half`` runtime: what a float16 graph computes on a board, on any machine.

Every float16 operation is computed in float32 and its result rounded to half, as tensor cores do
that accumulate in float32; islands stay as they are. What leaves the range of half is an error
that names the operation, because on a board it would be a picture of noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.onnx.folder import open_folder
from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError
from mobileo_export.processes import extras
from mobileo_export.runtimes.base import opened
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession, SessionEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.onnx.graph import Node, OnnxGraph, Tensor

LARGEST = 65504.0  # the largest finite half


@dataclass(frozen=True)
class HalfOverflow:
    """An operation whose result half precision cannot hold, and its largest magnitude."""

    node: str
    largest: float


class HalfSession:
    """A loaded graph. What it takes is what the graph declares."""

    def __init__(self, graph: OnnxGraph) -> None:
        self._graph: OnnxGraph | None = graph

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays.

        Raises:
            UsageError: an input is missing or unknown.
            BundleError: a node cannot be executed, or overflows: the first that does is named.
        """
        graph = opened(self._graph)
        if graph.inputs.keys() != inputs.keys():
            wrong = sorted(graph.inputs.keys() ^ inputs.keys())[0]
            raise UsageError(
                f"{wrong}: missing or unknown input; it takes {', '.join(graph.inputs)}"
            )
        outputs, overflows = self.trace(inputs)
        if overflows:
            first = overflows[0]
            raise BundleError(
                f"{graph.path}: float16 overflows at {first.node} ({first.largest:.3g}, the "
                f"largest is {LARGEST:g}) and {len(overflows) - 1} more; export it with a "
                "--precision-plan that keeps them in float32"
            )
        return outputs

    def trace(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], list[HalfOverflow]]:
        """The outputs, whatever they are worth, and every operation that overflowed on the way.

        That is one that makes infinity or NaN of finite numbers; a division by what half precision
        rounds to zero is among them, an operation that is handed infinities by another is not.
        """
        import torch

        graph = opened(self._graph)
        found: list[HalfOverflow] = []

        def finite(value: Any) -> bool:
            return value is None or bool(torch.isfinite(value).all())

        def after(node: Node, given: Sequence[Any], result: Tensor) -> Tensor:
            rounded = result.half().float() if graph.is_half(node) else result
            if not finite(rounded) and all(map(finite, given)):
                found.append(HalfOverflow(node.name, float(result.abs().max())))
            return rounded

        return graph.run(inputs, after), found

    def close(self) -> None:
        """Release the weights."""
        self._graph = None


class HalfRuntime:
    """Executes ``.onnx`` files, float16 ones as a board would; float32 ones exactly."""

    name = "emulated-half"

    def load(self, path: Path) -> HalfSession | CachedLanguageModelSession:
        """Load the graph ``path``, its external data beside it, or the folder ``llm`` of a bundle.

        Raises:
            BundleError: a file or its external data is missing or damaged.
            RuntimeUnavailableError: torch or onnx is not installed.
        """
        if not path.is_dir():
            return self.load_graph(path)
        model = open_folder(path)
        engine = SessionEngine({name: self.load_graph(file) for name, file in model.graphs.items()})
        return CachedLanguageModelSession(model, engine)

    def load_graph(self, path: Path) -> HalfSession:
        """:meth:`load` of one ``.onnx`` file."""
        try:
            import onnx  # noqa: F401

            from mobileo_export.runtimes.onnx import graph as onnx_graph
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"emulated-half needs {error.name}: {extras.install(extras.EXPORT, extras.ONNX)}"
            ) from error
        loaded: Any = onnx_graph.load(path)
        return HalfSession(loaded)
