"""TensorRT's Python module, found by name, and what it says while it works."""

from __future__ import annotations

import importlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import RuntimeUnavailableError, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# On a board the first comes with JetPack; the second is a wheel for any x86-64 machine, which
# parses and builds without a GPU (for another kind of device) and runs nothing here.
NAMES = ("tensorrt", "tensorrt_rtx")
REHEARSAL = "tensorrt_rtx"
_NUMPY = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "INT8": "int8",
    "UINT8": "uint8",
}


@dataclass(frozen=True)
class Library:
    """TensorRT: its module, under which name it was found, and its version."""

    module: Any
    name: str
    version: str

    @property
    def rehearsal(self) -> bool:
        """Whether its engines are for trying the build only."""
        return self.name == REHEARSAL

    def dtype(self, value: Any) -> np.dtype[Any]:
        """The NumPy type of a ``DataType``.

        Raises:
            RuntimeUnavailableError: NumPy has no such type.
        """
        name = value.name
        if name not in _NUMPY:
            raise RuntimeUnavailableError(
                f"the engine takes or gives {name} values, which this release does not know; "
                "export the bundle and build its engines again"
            )
        return np.dtype(_NUMPY[name])


def load(names: Sequence[str] = NAMES) -> Library:
    """The first of ``names`` that is installed.

    Raises:
        RuntimeUnavailableError: none is, or one is there but does not load.
    """
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # it is there, and misses something itself
                raise _broken(name, error) from error
            continue
        except (ImportError, OSError, RuntimeError) as error:
            raise _broken(name, error) from error
        return Library(module, name, str(module.__version__))
    raise RuntimeUnavailableError(
        "TensorRT is not found by this Python; on a Jetson it comes from apt for the system's "
        "Python (sudo apt install python3-libnvinfer), and a virtual environment sees it only if "
        "made with python3 -m venv --system-site-packages"
    )


def _broken(name: str, error: BaseException) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(
        f"{name} is installed but does not load ({first_line(error)}); install the one of this "
        "board's JetPack: sudo apt install --reinstall tensorrt python3-libnvinfer"
    )


class Messages:
    """What TensorRT says: the last errors are kept, every line goes to ``sink``."""

    def __init__(self, sink: Callable[[str], None] = lambda line: None) -> None:
        self.errors: deque[str] = deque(maxlen=8)
        self._sink = sink

    def add(self, severity: str, text: str) -> None:
        """One message; ``severity`` is a name such as ``WARNING``."""
        line = " ".join(text.split())
        if severity in {"ERROR", "INTERNAL_ERROR"}:
            self.errors.append(line)
        self._sink(f"[{severity}] {line}")

    @property
    def last(self) -> str:
        """The last error, for the end of a message; empty if there was none."""
        return f" ({self.errors[-1]})" if self.errors else ""

    def logger(self, library: Library) -> Any:
        """An ``ILogger`` that TensorRT takes."""
        base: Any = library.module.ILogger
        messages = self

        class Logger(base):  # type: ignore[misc]
            def __init__(self) -> None:
                base.__init__(self)  # pybind11 wants it by name

            def log(self, severity: Any, msg: str) -> None:
                if severity.name != "VERBOSE":
                    messages.add(severity.name, msg)

        return Logger()
