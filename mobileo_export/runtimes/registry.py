"""The runtimes: what each executes, where it lies, and whether this machine has what it needs.

This is the only list of them. Nothing heavy is imported to read it or to ask it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterable

AUTO = "auto"
REFERENCE = "torch"


@dataclass(frozen=True)
class Entry:
    """One runtime.

    Attributes:
        kind: of the artifacts that it executes; ``checkpoint`` for the reference.
        module: below ``mobileo_export.runtimes``: engines are heavy, only the chosen is imported.
        loader: the class in it that satisfies ``base.Runtime``.
        imports: modules without which it cannot run; ``processes.extras`` knows what brings them.
        board: whether ``mobileo-jetson`` offers it.
    """

    kind: str
    module: str
    loader: str
    imports: tuple[str, ...] = ()
    board: bool = False


# In the order in which they are offered.
ENTRIES = {
    "torch": Entry(
        "checkpoint",
        "torch_reference",
        "TorchRuntime",
        extras.REFERENCE,
    ),
    "mil": Entry("mlpackage", "mil", "MilRuntime", ("torch", "coremltools")),
    "coreml": Entry("mlpackage", "coreml", "CoreMLRuntime", ("coremltools",)),
    "mlx-dequantized": Entry(
        "mlx", "mlx.dequantized", "MLXDequantizedRuntime", ("torch", "transformers")
    ),
    "mlx": Entry("mlx", "mlx.runtime", "MLXRuntime", ("mlx",)),
    "onnxruntime": Entry("onnx", "onnx.onnxruntime", "OnnxRuntime", ("onnxruntime",), board=True),
    "emulated-half": Entry("onnx", "onnx.emulated_half", "HalfRuntime", ("torch", "onnx")),
    "tensorrt": Entry("onnx", "tensorrt", "TensorRTRuntime", board=True),
}
CALLED = {"mlpackage": "a Core ML package", "mlx": "an MLX folder", "onnx": "an ONNX graph"}
# Names by the kind of artifact that they execute.
BY_KIND = {
    kind: tuple(name for name, entry in ENTRIES.items() if entry.kind == kind) for kind in CALLED
}
OF_BUNDLES = (AUTO, *(name for names in BY_KIND.values() for name in names))
ON_BOARDS = tuple(name for name, entry in ENTRIES.items() if entry.board)
EVERY = (AUTO, *ENTRIES)
if TYPE_CHECKING:
    Choice = str
    OfBundles = str
    OnBoards = str
else:  # what a command line offers: made of the list, so that there is no second one
    Choice, OfBundles, OnBoards = Literal[EVERY], Literal[OF_BUNDLES], Literal[ON_BOARDS]


def load(name: str) -> Any:
    """The class of a runtime; imports its module."""
    entry = ENTRIES[name]
    return getattr(import_module(f"mobileo_export.runtimes.{entry.module}"), entry.loader)


def check_available(names: Iterable[str]) -> None:
    """Find out, before any work, that the runtimes ``names`` can run on this machine.

    Raises:
        RuntimeUnavailableError: one cannot: what is missing, and what to do.
    """
    for name in dict.fromkeys(names):
        _check(name)


def _check(name: str) -> None:
    import platform

    if name == "coreml" and platform.system() != "Darwin":
        raise RuntimeUnavailableError(
            "the coreml runtime needs macOS; here --runtime mil executes the same package"
        )
    if name == "tensorrt":
        from mobileo_export.runtimes.tensorrt.runtime import Device

        Device.here()
    entry = ENTRIES[name]
    missing = [module for module in entry.imports if find_spec(module) is None]
    if missing:
        raise RuntimeUnavailableError(f"the {name} runtime needs {extras.lacks(missing)}")
