"""A session of one engine: named arrays in, named arrays out, buffers allocated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import UsageError
from mobileo_export.runtimes.base import opened
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError
from mobileo_export.runtimes.tensorrt.execution import Execution
from mobileo_export.runtimes.tensorrt.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.runtimes.base import Array
    from mobileo_export.runtimes.tensorrt.engine import Engine, Tensor
    from mobileo_export.runtimes.tensorrt.libcudart import Cuda


class EngineSession:
    """Runs an engine with one profile. Owns the engine: closing it gives everything back.

    Floating-point arrays go in and come out as float32 whatever the engine takes and gives.
    """

    def __init__(self, engine: Engine, cuda: Cuda) -> None:
        """Allocates everything that a call will need, so that no call runs out of memory.

        Raises:
            CudaError: memory is short.
            RuntimeUnavailableError: TensorRT cannot prepare the engine.
        """
        self._engine = engine
        self._memory = Memory(cuda)
        self._execution: Execution | None = None
        self.milliseconds = 0.0  # of the last call on the device, copies included
        try:
            self._prepare(cuda)
        except CudaError as error:
            self.close()
            raise CudaError(error.code, f"{engine.name}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, cuda: Cuda) -> None:
        engine, memory = self._engine, self._memory
        self._stream = memory.stream()
        self._start, self._end = memory.event(), memory.event()
        self._execution = execution = Execution(cuda, engine, 0, self._stream)
        scratch = engine.scratch(0)
        execution.use_scratch(memory.device(scratch), scratch)
        self._buffers = {name: memory.buffer(size) for name, size in execution.sizes().items()}
        for name, buffer in self._buffers.items():
            execution.bind(name, buffer.device)

    @property
    def allocated(self) -> int:
        """Bytes of scratch and buffers; the weights are the engine's."""
        return self._memory.allocated

    @property
    def graph_problem(self) -> str | None:
        """Why repeated calls do not run as a CUDA graph; None if they do or none was tried."""
        return None if self._execution is None else self._execution.graph_problem

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays.

        Raises:
            UsageError: an input is missing, unknown, or of the wrong shape or dtype.
            CudaError: the device failed.
        """
        execution = opened(self._execution)
        cuda, stream = self._memory.cuda, self._stream
        self._check_names(inputs)
        cuda.record(self._start, stream)
        shapes = {}
        for tensor in self._engine.tensors:
            if tensor.is_input:
                shapes[tensor.name] = self._write(tensor, inputs[tensor.name])
        execution.enqueue(shapes)
        outputs = [tensor for tensor in self._engine.tensors if not tensor.is_input]
        sizes = {tensor.name: execution.shape(tensor.name) for tensor in outputs}
        for tensor in outputs:
            buffer = self._buffers[tensor.name]
            if buffer.staged:
                size = int(np.prod(sizes[tensor.name])) * tensor.dtype.itemsize
                cuda.copy(buffer.host, buffer.device, size, stream)
        cuda.record(self._end, stream)
        cuda.synchronize(stream)
        self.milliseconds = cuda.milliseconds(self._start, self._end)
        return {tensor.name: self._read(tensor, sizes[tensor.name]) for tensor in outputs}

    def close(self) -> None:
        """Release the weights and all memory; a second call does nothing."""
        execution, self._execution = self._execution, None
        try:
            if execution is not None:
                execution.close()
        finally:
            self._engine.close()
            self._memory.close()

    def _check_names(self, inputs: Mapping[str, Array]) -> None:
        names = [tensor.name for tensor in self._engine.tensors if tensor.is_input]
        for name in (*names, *inputs):
            if name not in inputs:
                raise UsageError(f"{name}: input is missing; this engine takes {', '.join(names)}")
            if name not in names:
                raise UsageError(f"{name}: unknown input; this engine takes {', '.join(names)}")

    def _write(self, tensor: Tensor, array: Array) -> tuple[int, ...]:
        shape = tuple(array.shape)
        largest = tensor.profiles[0][2]
        if len(shape) != len(largest) or any(
            size > high for size, high in zip(shape, largest, strict=True)
        ):
            smallest = list(tensor.profiles[0][0])
            raise UsageError(
                f"{tensor.name}: has shape {list(shape)}, the engine takes {smallest} to "
                f"{list(largest)}"
            )
        if (array.dtype.kind == "f") != (tensor.dtype.kind == "f"):
            raise UsageError(
                f"{tensor.name}: has dtype {array.dtype}, the engine takes {tensor.dtype}"
            )
        buffer = self._buffers[tensor.name]
        view = buffer.view(tensor.dtype, shape)
        np.copyto(view, array, casting="same_kind")
        if buffer.staged:
            self._memory.cuda.copy(buffer.device, buffer.host, view.nbytes, self._stream)
        return shape

    def _read(self, tensor: Tensor, shape: tuple[int, ...]) -> Array:
        view = self._buffers[tensor.name].view(tensor.dtype, shape)
        dtype: Any = np.float32 if tensor.dtype.kind == "f" else tensor.dtype
        return view.astype(dtype)  # always a copy: the next call writes over the view
