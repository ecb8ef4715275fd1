"""The ``onnxruntime`` runtime: ONNX graphs, with their external data, on the CPU.

Float32 graphs only: ONNX Runtime's CPU provider executes float16 ones in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.onnx.folder import open_folder
from mobileo_export.bundle import links
from mobileo_export.bundle.manifest import EXTERNAL_DATA
from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError, first_line
from mobileo_export.processes import extras
from mobileo_export.runtimes.base import opened
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession, SessionEngine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mobileo_export.runtimes.base import Array

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxSession:
    """A loaded graph. What it takes is what the graph declares."""

    def __init__(self, path: Path, session: Any) -> None:
        self._path = path
        self._session: Any = session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays.

        Raises:
            UsageError: an input is missing, unknown, or of the wrong shape or dtype.
            BundleError: the graph fails on inputs that fit its signature.
        """
        session = opened(self._session)
        declared = {value.name: value for value in session.get_inputs()}
        takes = ", ".join(declared)
        for name in (*declared, *inputs):
            if name not in inputs:
                raise UsageError(f"{name}: input is missing; this graph takes {takes}")
            if name not in declared:
                raise UsageError(f"{name}: unknown input; this graph takes {takes}")
        sizes: dict[str, int] = {}
        for name, value in declared.items():
            _check(name, inputs[name], DTYPES.get(value.type, value.type), value.shape, sizes)
        names = [value.name for value in session.get_outputs()]
        feed = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        try:
            results = session.run(names, feed)
        except Exception as error:  # every failure of the engine has a type of its own
            raise BundleError(
                f"{self._path}: onnxruntime cannot run it ({first_line(error)})"
            ) from error
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        """Release the graph and its weights."""
        self._session = None


class OnnxRuntime:
    """Executes ``.onnx`` files with ONNX Runtime's CPU provider."""

    name = "onnxruntime"

    def load(self, path: Path) -> OnnxSession | CachedLanguageModelSession:
        """Load the graph ``path``, its external data beside it, or the folder ``llm`` of a bundle.

        Raises:
            BundleError: a file or its external data is missing or damaged.
            RuntimeUnavailableError: onnxruntime is not installed.
        """
        if not path.is_dir():
            return self.load_graph(path)
        model = open_folder(path)
        engine = SessionEngine({name: self.load_graph(file) for name, file in model.graphs.items()})
        return CachedLanguageModelSession(model, engine)

    def load_graph(self, path: Path) -> OnnxSession:
        """:meth:`load` of one ``.onnx`` file."""
        try:
            import onnxruntime
        except ImportError as error:
            raise RuntimeUnavailableError(
                f"the onnxruntime runtime needs {extras.lacks(['onnxruntime'])}"
            ) from error
        if not path.is_file():
            raise BundleError(f"{path}: no such file; export it again or download it again")
        for file in (path, path.with_name(path.name + EXTERNAL_DATA)):
            links.check(file)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong comes as an exception
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # see run
            raise BundleError(
                f"{path}: onnxruntime cannot load it ({first_line(error)}); "
                "export it again or download it again"
            ) from error
        return OnnxSession(path, session)


def _check(
    name: str, array: Array, dtype: str, shape: list[int | str | None], sizes: dict[str, int]
) -> None:
    """``sizes`` gathers the sizes of named dimensions."""
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{name}: is a {type(array).__name__}, expected a NumPy array")
    if str(array.dtype) != dtype:
        raise UsageError(
            f'{name}: has dtype {array.dtype}, expected {dtype}; convert it with .astype("{dtype}")'
        )
    expected = [
        sizes.setdefault(dim, size) if isinstance(dim, str) else size if dim is None else dim
        for dim, size in zip(shape, array.shape, strict=False)
    ]
    if array.ndim != len(shape) or list(array.shape) != expected:
        listed = ", ".join("any" if dim is None else str(dim) for dim in shape)
        known = ", ".join(f"{dim} is {sizes[dim]}" for dim in shape if dim in sizes)
        raise UsageError(
            f"{name}: has shape {list(array.shape)}, expected [{listed}]"
            + (f", where {known}" if known and array.ndim == len(shape) else "")
        )
