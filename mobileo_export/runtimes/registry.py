"""The runtimes: what each executes, where it lies, and whether this machine has what it needs.

This is the only list of them. Nothing heavy is imported to read it or to ask it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.artifacts.aimodel import wheels
from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.errors import MissingDependencyError, RuntimeUnavailableError
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.components import Precision

# MLX's kernels on a Linux CPU are for correctness: with 633 million parameters of 8 bits a prompt
# takes them ten times torch's time, and a further token four times. Below this many parameters
# nobody waits for the real kernels.
TINY_PARAMETERS = 20_000_000
AUTO = "auto"
REFERENCE = "torch"


@dataclass(frozen=True)
class Asked:
    """What ``auto`` decides by.

    Attributes:
        mac: whether this is one.
        parameters: of the component.
        precision: what the artifact computes in.
        has: whether a module is installed.
    """

    mac: bool = False
    parameters: float = math.inf
    precision: str = "float32"
    has: Callable[[str], bool] = lambda module: False


@dataclass(frozen=True)
class Entry:
    """One runtime.

    Attributes:
        kind: of the artifacts that it executes; ``checkpoint`` for the reference.
        module: below ``mobileo_export.runtimes``: engines are heavy, only the chosen is imported.
        loader: the class in it that satisfies ``base.Runtime``.
        imports: modules without which it cannot run; ``processes.extras`` knows what brings them.
        suits: when ``auto`` takes it rather than the first of its kind.
        exact: whether it executes an artifact as it is saved; others are devices, which compute as
            they please.
        computes: its precision, where that is not the one that the artifact states.
        wheels: Apple's betas that it runs with, of one version each.
        units: whether it is told which compute units to use.
        mac: whether it needs macOS.
        board: whether ``mobileo-jetson`` offers it.
        metal: whether it computes on the GPU of a Mac, by MLX's settings, elsewhere on the
            processor.
        cold: what its first load of an artifact in a process is.
        warm: what its second is.
    """

    kind: str
    module: str
    loader: str
    imports: tuple[str, ...] = ()
    suits: Callable[[Asked], bool] = lambda asked: False
    exact: bool = True
    computes: Precision | None = None
    wheels: tuple[str, ...] = ()
    units: bool = False
    mac: bool = False
    board: bool = False
    metal: bool = False
    cold: str = "the runtime's libraries are imported and the artifact is read"
    warm: str = "its libraries imported and its files in the system's cache"


# In the order in which they are offered.
ENTRIES = {
    "torch": Entry(
        "checkpoint",
        "torch_reference",
        "TorchRuntime",
        extras.REFERENCE,
        cold="PyTorch is imported, and tensors are read from the checkpoint and widened to float32",
    ),
    "mil": Entry("mlpackage", "mil", "MilRuntime", ("torch", "coremltools")),
    "coreml": Entry(
        "mlpackage",
        "coreml",
        "CoreMLRuntime",
        ("coremltools",),
        suits=lambda asked: asked.mac,
        exact=False,
        units=True,
        mac=True,
        cold="the package is compiled, and specialized for the compute units unless the system "
        "kept that from an earlier run",
        warm="from what the first load compiled, as an app does from its second start on",
    ),
    "mlx-dequantized": Entry(
        "mlx",
        "mlx.dequantized",
        "MLXDequantizedRuntime",
        ("torch", "transformers"),
        computes="float32",
    ),
    "mlx": Entry(
        "mlx",
        "mlx.runtime",
        "MLXRuntime",
        ("mlx",),
        suits=lambda a: a.has("mlx") and (a.mac or a.parameters <= TINY_PARAMETERS),
        exact=False,
        metal=True,
        cold="MLX is imported and the folder read; its kernels are compiled in the first call",
    ),
    "onnxruntime": Entry("onnx", "onnx.onnxruntime", "OnnxRuntime", ("onnxruntime",), board=True),
    "emulated-half": Entry(
        "onnx",
        "onnx.emulated_half",
        "HalfRuntime",
        ("torch", "onnx"),
        suits=lambda asked: asked.precision == "float16",
    ),
    "coreai": Entry(
        "aimodel",
        "coreai.runtime",
        "CoreAIRuntime",
        wheels=(wheels.CORE,),
        cold="the library is imported, and the asset lowered into a temporary folder",
    ),
    "tensorrt": Entry(
        "onnx",
        "tensorrt",
        "TensorRTRuntime",
        exact=False,
        board=True,
        cold="the engine is read from the disk, deserialized and copied to the GPU",
    ),
}
# Names by the kind of artifact that they execute.
BY_KIND = {
    kind: tuple(name for name, entry in ENTRIES.items() if entry.kind == kind) for kind in KINDS
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


def automatic(kind: str, asked: Asked) -> str:
    """The runtime that ``auto`` takes for an artifact of ``kind``."""
    names = BY_KIND[kind]
    return next((name for name in names if ENTRIES[name].suits(asked)), names[0])


def host(kind: str, precision: str = "float32") -> str:
    """The runtime that executes such an artifact as it is saved, on any machine."""
    return automatic(kind, Asked(precision=precision))


def device(kind: str) -> str:
    """The runtime of the device that such an artifact is made for; the host's if there is none."""
    return next((name for name in BY_KIND[kind] if not ENTRIES[name].exact), host(kind))


def label(name: str, compute_units: str) -> str:
    """A runtime as gates and reports name it: with its compute units, where it has any."""
    return f"{name} {compute_units}" if ENTRIES[name].units else name


def load(name: str) -> Any:
    """The class of a runtime; imports its module."""
    entry = ENTRIES[name]
    return getattr(import_module(f"mobileo_export.runtimes.{entry.module}"), entry.loader)


def to_install(names: Iterable[str]) -> int:
    """How many packages the extras bring which the runtimes ``names`` lack; 0 where all is here."""
    return extras.amount(_missing(*names))


def check_available(names: Iterable[str]) -> None:
    """Find out, before any work, that the runtimes ``names`` can run on this machine.

    Raises:
        RuntimeUnavailableError: one cannot: what is missing, and what to do.
    """
    for name in dict.fromkeys(names):
        _check(name)


def _check(name: str) -> None:
    import platform

    entry = ENTRIES[name]
    if entry.mac and platform.system() != "Darwin":
        raise RuntimeUnavailableError(
            f"the {name} runtime needs macOS; here --runtime {host(entry.kind)} executes the same "
            "package"
        )
    if name == "tensorrt":
        from mobileo_export.runtimes.tensorrt.runtime import Device

        Device.here()
    missing = _missing(name)
    if missing:
        raise RuntimeUnavailableError(f"the {name} runtime needs {extras.lacks(missing)}")
    try:
        wheels.require(f"the {name} runtime", entry.wheels)
    except MissingDependencyError as error:
        raise RuntimeUnavailableError(str(error)) from error


def _missing(*names: str) -> list[str]:
    """The modules of runtimes that are not installed."""
    modules = dict.fromkeys(module for name in names for module in ENTRIES[name].imports)
    return [module for module in modules if find_spec(module) is None]
