"""One profile of an engine on fixed addresses; repeated shapes run as a CUDA graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError
from mobileo_export.runtimes.tensorrt.cuda_errors import CAPTURE_ERRORS, CudaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.runtimes.tensorrt.engine import Engine, Shape
    from mobileo_export.runtimes.tensorrt.libcudart import Cuda


class Execution:
    """A context of ``engine``: give it addresses once, then shapes with every call.

    The first call with new shapes is enqueued as it is (TensorRT prepares itself for them then);
    the second with the same ones is recorded, and later ones are launched with one call instead of
    one a kernel.
    """

    def __init__(self, cuda: Cuda, engine: Engine, profile: int, stream: int) -> None:
        """Raises RuntimeUnavailableError when TensorRT has no memory for the context."""
        self._cuda = cuda
        self._engine = engine
        self._stream = stream
        self._graphs = True  # as long as CUDA records them
        self._graph: int | None = None
        self._shapes: tuple[tuple[str, Shape], ...] | None = None
        self.profile = profile
        self.graph_problem: str | None = None  # why calls are enqueued one kernel at a time
        strategy = engine.library.module.ExecutionContextAllocationStrategy.USER_MANAGED
        self._context: Any = engine.handle.create_execution_context(strategy)
        if self._context is None:
            raise RuntimeUnavailableError(
                f"{engine.name}: TensorRT cannot prepare the engine{engine.messages.last}; end "
                "other programs (mobileo-jetson preflight)"
            )
        if not self._context.set_optimization_profile_async(profile, stream):
            raise self._refused(f"profile {profile}")
        cuda.synchronize(stream)

    def use_scratch(self, address: int, size: int) -> None:
        """Device memory for what is between inputs and outputs; executions in turn may share it."""
        self._context.set_device_memory(address, size)

    def bind(self, name: str, address: int) -> None:
        """Where the tensor ``name`` lies, from now on."""
        if not self._context.set_tensor_address(name, address):
            raise self._refused(f"the address of {name}")
        self._forget()

    def sizes(self) -> dict[str, int]:
        """The most bytes that each tensor takes in this profile.

        Raises:
            BundleError: an output's size depends on the values.
        """
        self._forget()
        largest = {t.name: t.profiles[self.profile][2] for t in self._inputs}
        self._set_shapes(largest)
        found = {}
        for tensor in self._engine.tensors:
            shape = largest.get(tensor.name) or tuple(self._context.get_tensor_shape(tensor.name))
            if any(size < 0 for size in shape):
                raise BundleError(
                    f"{self._engine.name}: the size of {tensor.name} is not known beforehand; "
                    "export the bundle with this release"
                )
            found[tensor.name] = int(np.prod(shape, dtype=np.int64)) * tensor.dtype.itemsize
        return found

    def enqueue(self, shapes: Mapping[str, Shape]) -> None:
        """Do the work of one call on the stream; returns before it is done.

        Raises:
            UsageError: an input's shape is outside the profile.
            RuntimeUnavailableError: TensorRT refuses to run.
        """
        key = tuple((tensor.name, shapes[tensor.name]) for tensor in self._inputs)
        if key != self._shapes:
            self._forget()
            self._set_shapes(shapes)
            self._execute()
            self._shapes = key
            return
        if self._graph is None and self._graphs:
            self._record()
        if self._graph is None:
            self._execute()
        else:
            self._cuda.launch(self._graph, self._stream)

    def shape(self, name: str) -> Shape:
        """The shape of a tensor in the last call."""
        return tuple(self._context.get_tensor_shape(name))

    def close(self) -> None:
        """Give the context back; the stream's work must be done."""
        self._forget()
        self._context = None

    @property
    def _inputs(self) -> list[Any]:
        return [tensor for tensor in self._engine.tensors if tensor.is_input]

    def _set_shapes(self, shapes: Mapping[str, Shape]) -> None:
        for tensor in self._inputs:
            shape = shapes[tensor.name]
            smallest, _, largest = tensor.profiles[self.profile]
            fits = len(shape) == len(smallest) and all(
                low <= size <= high
                for low, size, high in zip(smallest, shape, largest, strict=True)
            )
            if not fits or not self._context.set_input_shape(tensor.name, shape):
                raise UsageError(
                    f"{tensor.name}: has shape {list(shape)}, the engine takes "
                    f"{list(smallest)} to {list(largest)}"
                )

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._stream):
            raise self._refused("to run")

    def _record(self) -> None:
        """Capture one call; an engine that cannot be captured goes on without."""
        cuda, refused = self._cuda, None
        try:
            cuda.begin_capture(self._stream)
            try:
                self._execute()
            except RuntimeUnavailableError as error:
                refused = error
            self._graph = cuda.end_capture(self._stream)  # whatever happened, capturing must end
        except CudaError as error:
            if error.code not in CAPTURE_ERRORS:
                raise
            refused = refused or error
        if refused is not None:
            self._forget()
            self._graphs, self.graph_problem = False, str(refused)

    def _forget(self) -> None:
        self._shapes = None
        if self._graph is not None:
            graph, self._graph = self._graph, None
            self._cuda.destroy_graph(graph)

    def _refused(self, what: str) -> RuntimeUnavailableError:
        name, last = self._engine.name, self._engine.messages.last
        return RuntimeUnavailableError(
            f"{name}: TensorRT refuses {what}{last}; build the engine again (mobileo-jetson build "
            "--force), and if that changes nothing export this component in float32"
        )
