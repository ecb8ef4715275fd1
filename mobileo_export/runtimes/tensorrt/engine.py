"""A deserialized engine: its tensors and profiles, opened only when its stamp fits."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.engine import stamp as stamps
from mobileo_export.errors import BundleError, RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt.library import Library, Messages

if TYPE_CHECKING:
    import numpy as np

    from mobileo_export.artifacts.engine.stamp import Place, Stamp, Target
    from mobileo_export.runtimes.tensorrt.libcudart import Cuda

Shape = tuple[int, ...]
# Of TensorRT-RTX 1.7 on an H200, which it was not made for.
_DEVICE = "does not support this compute capability"


@dataclass(frozen=True)
class Tensor:
    """One input or output of an engine; -1 in ``shape`` varies.

    ``profiles`` holds an input's smallest, usual and largest shape for each profile.
    """

    name: str
    is_input: bool
    dtype: np.dtype[Any]
    shape: Shape
    profiles: tuple[tuple[Shape, Shape, Shape], ...]


@dataclass
class Engine:
    """An engine in memory, with the module that made it. Close it: it holds the weights."""

    name: str
    library: Library
    messages: Messages
    stamp: Stamp | None
    handle: Any
    tensors: tuple[Tensor, ...]
    _keep: tuple[Any, ...]  # TensorRT wants its logger and runtime to outlive the engine

    def tensor(self, name: str) -> Tensor:
        """The tensor called ``name``.

        Raises:
            BundleError: the engine has no such tensor.
        """
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        found = ", ".join(tensor.name for tensor in self.tensors)
        raise BundleError(
            f"{self.name}: its engine has no tensor {name} but {found}; build it again from a "
            "bundle of this release"
        )

    @property
    def profiles(self) -> int:
        """How many optimization profiles it has."""
        count: int = self.handle.num_optimization_profiles
        return count

    def scratch(self, profile: int) -> int:
        """Bytes that an execution in ``profile`` needs beside weights, inputs and outputs."""
        size: int = self.handle.get_device_memory_size_for_profile_v2(profile)
        return size

    def close(self) -> None:
        """Give the weights back."""
        self.handle = None
        self._keep = ()


def target(library: Library, cuda: Cuda) -> Target:
    """What an engine must be built for to run here."""
    major, minor = cuda.compute_capability()
    return stamps.Target(library.name, library.version, f"{major}.{minor}")


def open_engine(where: Place, library: Library, cuda: Cuda) -> Engine:
    """Open the engine of an artifact.

    Raises:
        BundleError: there is none, or it does not fit this machine or its ONNX file.
        RuntimeUnavailableError: TensorRT cannot load it, mostly for want of memory.
    """
    stamp = stamps.check(where, target(library, cuda))
    return deserialize(where, library, stamp)


def deserialize(where: Place, library: Library, stamp: Stamp | None) -> Engine:
    """Load an engine file without looking at its stamp.

    Raises:
        RuntimeUnavailableError: TensorRT cannot load it.
    """
    messages = Messages()
    logger = messages.logger(library)
    runtime = library.module.Runtime(logger)
    # Mapped, not read: the file's pages are the kernel's to drop while the weights are copied.
    with where.engine.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
        handle = runtime.deserialize_cuda_engine(m)
    if handle is None:
        remedy = (
            "use a device that this TensorRT supports: building again changes nothing"
            if _DEVICE in messages.last
            else "if memory is short end other programs (mobileo-jetson preflight), else build it "
            "again (mobileo-jetson build --force)"
        )
        raise RuntimeUnavailableError(
            f"{where.engine}: TensorRT cannot load it{messages.last}; {remedy}"
        )
    name = where.onnx.stem
    return Engine(
        name, library, messages, stamp, handle, _tensors(handle, library), (runtime, logger)
    )


def _tensors(handle: Any, library: Library) -> tuple[Tensor, ...]:
    found = []
    for index in range(handle.num_io_tensors):
        name = handle.get_tensor_name(index)
        is_input = handle.get_tensor_mode(name) == library.module.TensorIOMode.INPUT
        profiles = (
            tuple(
                _three(handle.get_tensor_profile_shape(name, profile))
                for profile in range(handle.num_optimization_profiles)
            )
            if is_input
            else ()
        )
        found.append(
            Tensor(
                name,
                is_input,
                library.dtype(handle.get_tensor_dtype(name)),
                tuple(handle.get_tensor_shape(name)),
                profiles,
            )
        )
    return tuple(found)


def _three(shapes: Any) -> tuple[Shape, Shape, Shape]:
    smallest, usual, largest = (tuple(shape) for shape in shapes)
    return smallest, usual, largest
