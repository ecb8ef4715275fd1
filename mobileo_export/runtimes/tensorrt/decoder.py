"""The language model's decoder with its keys and values in device memory.

Every part has two executions of one engine, which hold the weights once: ``prefill`` reads a
prompt, ``decode`` one token with fixed shapes, so that it runs as a CUDA graph. An engine gives the
new keys and values only; two copies put them into their slots.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import BundleError
from mobileo_export.runtimes.cached_decoder import causal_mask, past_mask
from mobileo_export.runtimes.tensorrt.cuda_errors import CudaError
from mobileo_export.runtimes.tensorrt.execution import Execution
from mobileo_export.runtimes.tensorrt.memory import Buffer, Memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from mobileo_export.artifacts.onnx.folder import DecoderGraph
    from mobileo_export.runtimes.cached_decoder import DecoderModel
    from mobileo_export.runtimes.tensorrt.engine import Engine, Shape
    from mobileo_export.runtimes.tensorrt.libcudart import Cuda

    Float = NDArray[np.float32]

PROFILES = ("prefill", "decode")
# The same in every part: written once a call.
_SHARED = ("position_ids", "attention_mask", "past_mask")
_CACHE = ("keys", "values")
# Outputs that the host never looks at.
_ON_DEVICE = (*_CACHE, "next_hidden_states")


@dataclass
class _Part:
    """One graph of the decoder: its engine, executions by profile, and memory."""

    graph: DecoderGraph
    engine: Engine
    executions: dict[str, Execution]
    cache: dict[str, int]  # address of [l, 1, H, C, D], by output name
    empty: dict[str, int]  # of [l, 1, H, 1, D] zeros
    made: dict[str, Buffer]  # outputs

    def shapes(self, profile: str, length: int, context: int) -> dict[str, Shape]:
        past = self.engine.tensor("past_keys").shape
        slots = context if profile == "decode" else 1
        return {
            "hidden_states": (1, length, self.engine.tensor("hidden_states").shape[2]),
            "position_ids": (1, length),
            "attention_mask": (1, 1, length, length),
            "past_mask": (1, 1, 1, slots),
            "past_keys": (*past[:3], slots, past[4]),
            "past_values": (*past[:3], slots, past[4]),
        }


class DeviceDecoder:
    """Satisfies ``cached_decoder.Decoder``; does not own the engines that it runs."""

    def __init__(self, model: DecoderModel, engines: Sequence[Engine], cuda: Cuda) -> None:
        """``engines`` are those of ``model.decoder``, in its order.

        Raises:
            CudaError: memory is short.
            BundleError: an engine has not the two profiles.
        """
        self._model = model
        self._cuda = cuda
        self._memory = Memory(cuda)
        self._parts: list[_Part] = []
        # A stateless run makes a decoder and drops it: its memory goes back with it.
        self._release = weakref.finalize(self, _release, self._parts, self._memory)
        self._used = 0
        self.milliseconds = 0.0  # of the last call on the device
        try:
            self._prepare(engines)
        except CudaError as error:
            self.close()
            raise CudaError(error.code, f"llm: {error}") from error
        except BaseException:
            self.close()
            raise

    @property
    def used(self) -> int:
        """How many positions were read since :meth:`reset`."""
        return self._used

    @property
    def allocated(self) -> int:
        """Bytes of scratch, keys, values, inputs and outputs."""
        return self._memory.allocated

    @property
    def graph_problem(self) -> str | None:
        """Why decoding does not run as CUDA graphs; None if it does."""
        problems = (part.executions["decode"].graph_problem for part in self._parts)
        return next((problem for problem in problems if problem), None)

    def reset(self) -> None:
        """Forget everything; the slots keep their old values, which the mask hides."""
        self._used = 0

    def read(self, embeddings: Float) -> tuple[Float, Float]:
        """As ``Decoder.read``.

        Raises:
            CudaError: the device failed.
        """
        cuda, stream, length = self._cuda, self._stream, embeddings.shape[1]
        profile = "decode" if self._used else "prefill"
        cuda.record(self._start, stream)
        self._write(embeddings, profile)
        for part in self._parts:
            part.executions[profile].enqueue(part.shapes(profile, length, self._model.context))
            for name in _CACHE:
                self._store(part, name, length)
        stacked = [self._fetch(p, "stacked_hidden_states") for p in self._parts if p.graph.stacked]
        logits = self._fetch(self._parts[-1], "logits")
        cuda.record(self._end, stream)
        cuda.synchronize(stream)
        self.milliseconds = cuda.milliseconds(self._start, self._end)
        self._used += length
        return np.concatenate([array() for array in stacked], axis=1), logits()

    def close(self) -> None:
        """Give all memory back; a second call does nothing."""
        self._release()

    def _prepare(self, engines: Sequence[Engine]) -> None:
        cuda, memory = self._cuda, self._memory
        self._stream = memory.stream()
        self._start, self._end = memory.event(), memory.event()
        sizes: list[dict[str, int]] = []
        for graph, engine in zip(self._model.decoder, engines, strict=True):
            part = _Part(graph, engine, {}, {}, {}, {})
            self._parts.append(part)
            for name in PROFILES:
                index = _profile(engine, name)
                part.executions[name] = Execution(cuda, engine, index, self._stream)
            found = [execution.sizes() for execution in part.executions.values()]
            sizes.append({name: max(size[name] for size in found) for name in found[0]})
        # Everything runs in turn on one stream, so that one scratch serves all.
        scratch = max(
            p.engine.scratch(e.profile) for p in self._parts for e in p.executions.values()
        )
        address = memory.device(scratch)
        self._inputs = {name: memory.buffer(sizes[0][name]) for name in (*_SHARED, "hidden_states")}
        hidden = self._inputs["hidden_states"].device
        for part, size in zip(self._parts, sizes, strict=True):
            for execution in part.executions.values():
                execution.use_scratch(address, scratch)
            hidden = self._place(part, size, hidden)

    def _place(self, part: _Part, sizes: Mapping[str, int], hidden: int) -> int:
        """Give every tensor of ``part`` an address; returns where its hidden states come out."""
        memory = self._memory
        for output, past in zip(_CACHE, ("past_keys", "past_values"), strict=True):
            # Empty slots are masked, and nevertheless multiplied: they must be finite.
            part.cache[output] = self._zeros(sizes[past])
            part.empty[output] = self._zeros(sizes[past] // self._model.context)
        for tensor in part.engine.tensors:
            size = sizes[tensor.name]
            if tensor.name in _ON_DEVICE:
                part.made[tensor.name] = Buffer(0, memory.device(size), size, staged=True)
            elif not tensor.is_input:
                part.made[tensor.name] = memory.buffer(size)
        for profile, execution in part.executions.items():
            past_memory = part.cache if profile == "decode" else part.empty
            execution.bind("hidden_states", hidden)
            execution.bind("past_keys", past_memory["keys"])
            execution.bind("past_values", past_memory["values"])
            for name in _SHARED:
                execution.bind(name, self._inputs[name].device)
            for name, buffer in part.made.items():
                execution.bind(name, buffer.device)
        following = part.made.get("next_hidden_states")
        return hidden if following is None else following.device

    def _zeros(self, size: int) -> int:
        address = self._memory.device(size)
        self._cuda.fill(address, 0, size, self._stream)
        return address

    def _write(self, embeddings: Float, profile: str) -> None:
        length = embeddings.shape[1]
        slots = self._model.context if profile == "decode" else 1
        arrays: dict[str, NDArray[Any]] = {
            "hidden_states": embeddings,
            "position_ids": np.arange(self._used, self._used + length, dtype=np.int32)[None],
            "attention_mask": causal_mask(length),
            "past_mask": past_mask(self._used, slots),
        }
        for name, array in arrays.items():
            buffer = self._inputs[name]
            view = buffer.view(self._parts[0].engine.tensor(name).dtype, array.shape)
            np.copyto(view, array, casting="same_kind")
            if buffer.staged:
                self._cuda.copy(buffer.device, buffer.host, view.nbytes, self._stream)

    def _store(self, part: _Part, name: str, length: int) -> None:
        """Copy new keys or values [l, 1, H, T, D] into the next T slots of [l, 1, H, C, D]."""
        tensor = part.engine.tensor(name)
        layers, _, heads, _, width = tensor.shape
        slot = width * tensor.dtype.itemsize
        self._cuda.copy_rows(
            part.cache[name] + self._used * slot,
            self._model.context * slot,
            part.made[name].device,
            length * slot,
            length * slot,
            layers * heads,
            self._stream,
        )

    def _fetch(self, part: _Part, name: str) -> Any:
        """Have an output copied to the host; what is returned reads it once the stream is done."""
        tensor, buffer = part.engine.tensor(name), part.made[name]
        profile = "decode" if self._used else "prefill"
        shape = part.executions[profile].shape(name)
        size = int(np.prod(shape)) * tensor.dtype.itemsize
        if buffer.staged:
            self._cuda.copy(buffer.host, buffer.device, size, self._stream)
        return lambda: buffer.view(tensor.dtype, shape).astype(np.float32)


def _release(parts: list[_Part], memory: Memory) -> None:
    try:
        while parts:
            for execution in parts.pop().executions.values():
                execution.close()
    finally:
        memory.close()


def _profile(engine: Engine, name: str) -> int:
    """The number of a profile; the stamp says in which order they were built."""
    listed = [] if engine.stamp is None else engine.stamp.options.get("profiles", [])
    names = [profile["name"] for profile in listed]
    if name not in names or engine.profiles != len(names):
        raise BundleError(
            f"{engine.name}: its engine has no profile {name}; build it again (mobileo-jetson "
            "build --force)"
        )
    return names.index(name)
