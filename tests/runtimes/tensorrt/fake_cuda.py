"""CUDA on host memory: device memory that a wrong program shows itself in.

Work on a stream is done when the stream is synchronized, not before, so that a missing
synchronization reads what was there earlier. Memory is poisoned when it is given and when it is
taken back, lies between guards, and every access is checked against what is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mobileo_export.runtimes.tensorrt.cuda_errors import OUT_OF_MEMORY, failure
from mobileo_export.runtimes.tensorrt.libcudart import Cuda

GUARD = 256
_GUARD_BYTE, _NEW, _FREED = 0xA5, 0xCD, 0xDD
SCRATCH = 0xEE  # what is left in an engine's scratch
_NAMES = {2: "cudaErrorMemoryAllocation", 700: "cudaErrorIllegalAddress"}

Work = Callable[[], None]
Regions = Mapping[str, tuple[int, int]]  # address and size in bytes, by name
HostWork = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]  # bytes to bytes


@dataclass
class _Block:
    storage: np.ndarray
    address: int
    size: int
    kind: str
    freed: bool = False

    @property
    def offset(self) -> int:
        return self.address - self.storage.ctypes.data

    def guards_hold(self) -> bool:
        before = self.storage[: self.offset]
        after = self.storage[self.offset + self.size :]
        return bool((before == _GUARD_BYTE).all() and (after == _GUARD_BYTE).all())


@dataclass
class FakeCuda(Cuda):
    """No device. ``fail_at`` makes the n-th call from now fail with ``fail_code``."""

    capability: tuple[int, int] = (8, 7)
    total: int = 8 << 30
    fail_at: int | None = None
    fail_code: int = OUT_OF_MEMORY
    refuse_capture: bool = False
    calls: list[str] = field(default_factory=list)
    _blocks: list[_Block] = field(default_factory=list)
    _handles: dict[int, str] = field(default_factory=dict)
    _work: dict[int, list[Work]] = field(default_factory=dict)
    _recording: dict[int, list[Work]] = field(default_factory=dict)
    _graphs: dict[int, list[Work]] = field(default_factory=dict)
    _recorded: dict[int, float] = field(default_factory=dict)
    _clock: float = 0.0
    _next: int = 1

    # What the tests ask.

    def leaks(self) -> list[str]:
        """What was not given back."""
        blocks = [f"{b.kind} of {b.size} bytes" for b in self._blocks if not b.freed]
        return blocks + list(self._handles.values())

    def in_use(self) -> int:
        return sum(block.size for block in self._blocks if not block.freed)

    def capturing(self, stream: int) -> bool:
        return stream in self._recording

    def enqueue(self, stream: int, work: Work) -> None:
        """Work of a stream; while the stream is captured it is recorded instead."""
        self._alive(stream, "stream")
        queue = self._recording if stream in self._recording else self._work
        queue.setdefault(stream, []).append(work)

    def host_work(
        self,
        stream: int,
        inputs: Regions,
        work: HostWork,
        outputs: Regions,
        scratch: tuple[int, int] | None,
    ) -> None:
        """Have ``work`` read and write device memory, in stream order: what a kernel would do."""

        def run() -> None:
            if scratch is not None:
                self.memory_at(*scratch)[:] = SCRATCH
            made = work({name: self.memory_at(*where) for name, where in inputs.items()})
            for name, where in outputs.items():
                self.memory_at(*where)[:] = made[name]

        self.enqueue(stream, run)

    def memory_at(self, address: int, size: int) -> np.ndarray:
        """The bytes there, as long as they are allocated."""
        if size == 0:
            return np.empty(0, np.uint8)
        for block in reversed(self._blocks):
            if block.address <= address < block.address + block.size:
                assert not block.freed, f"{block.kind} of {block.size} bytes used after free"
                end = address + size - block.address
                assert end <= block.size, f"{end - block.size} bytes past {block.kind}"
                start = address - block.storage.ctypes.data
                return block.storage[start : start + size]
        raise AssertionError(f"{address:#x} was never allocated")

    # The interface.

    def compute_capability(self) -> tuple[int, int]:
        self._count("compute_capability")
        return self.capability

    def memory(self) -> tuple[int, int]:
        self._count("memory")
        return self.total - self.in_use(), self.total

    def malloc(self, size: int) -> int:
        self._count("malloc", size)
        return self._allocate(size, "device memory")

    def free(self, address: int) -> None:
        self.calls.append("free")  # giving back never fails
        self._release(address, "device memory")

    def host_malloc(self, size: int) -> int:
        self._count("host_malloc", size)
        return self._allocate(size, "host memory")

    def host_free(self, address: int) -> None:
        self.calls.append("host_free")
        self._release(address, "host memory")

    def device_address(self, host_address: int) -> int:
        self._count("device_address")
        self.memory_at(host_address, 1)
        return host_address

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        self._count("copy")

        def work() -> None:
            self.memory_at(target, size)[:] = self.memory_at(source, size)

        self.enqueue(stream, work)

    def copy_rows(
        self,
        target: int,
        target_pitch: int,
        source: int,
        source_pitch: int,
        width: int,
        rows: int,
        stream: int,
    ) -> None:
        self._count("copy_rows")
        assert width <= min(target_pitch, source_pitch), "a row is wider than its pitch"

        def work() -> None:
            for row in range(rows):
                found = self.memory_at(source + row * source_pitch, width)
                self.memory_at(target + row * target_pitch, width)[:] = found

        self.enqueue(stream, work)

    def fill(self, target: int, value: int, size: int, stream: int) -> None:
        self._count("fill")

        def work() -> None:
            self.memory_at(target, size)[:] = value

        self.enqueue(stream, work)

    def stream(self) -> int:
        self._count("stream")
        return self._handle("stream")

    def destroy_stream(self, stream: int) -> None:
        self.calls.append("destroy_stream")
        self._alive(stream, "stream")
        del self._handles[stream]
        self._work.pop(stream, None)

    def synchronize(self, stream: int) -> None:
        self._count("synchronize")
        self._alive(stream, "stream")
        assert stream not in self._recording, "synchronized while capturing"
        for work in self._work.pop(stream, []):
            work()

    def event(self) -> int:
        self._count("event")
        return self._handle("event")

    def destroy_event(self, event: int) -> None:
        self.calls.append("destroy_event")
        self._alive(event, "event")
        del self._handles[event]

    def record(self, event: int, stream: int) -> None:
        self._count("record")
        self._alive(event, "event")

        def work() -> None:
            self._clock += 1.0
            self._recorded[event] = self._clock

        self.enqueue(stream, work)

    def milliseconds(self, start: int, end: int) -> float:
        self._count("milliseconds")
        return self._recorded[end] - self._recorded[start]

    def begin_capture(self, stream: int) -> None:
        self._count("begin_capture")
        self._alive(stream, "stream")
        self._recording[stream] = []

    def end_capture(self, stream: int) -> int:
        work = self._recording.pop(stream)
        self._count("end_capture")
        if self.refuse_capture:
            raise failure(900, "cudaStreamEndCapture", "cudaErrorStreamCaptureUnsupported")
        graph = self._handle("graph")
        self._graphs[graph] = work
        return graph

    def launch(self, graph: int, stream: int) -> None:
        self._count("launch")
        self._alive(graph, "graph")
        for work in self._graphs[graph]:
            self.enqueue(stream, work)

    def destroy_graph(self, graph: int) -> None:
        self.calls.append("destroy_graph")
        self._alive(graph, "graph")
        del self._handles[graph]
        del self._graphs[graph]

    def _count(self, name: str, size: int = 0) -> None:
        self.calls.append(name)
        if self.fail_at is not None:
            self.fail_at -= 1
            if self.fail_at < 0:
                self.fail_at = None
                raise self._failure(self.fail_code, name, size)
        if size > self.total - self.in_use():
            raise self._failure(OUT_OF_MEMORY, name, size)

    def _failure(self, code: int, name: str, size: int) -> Exception:
        memory = (self.total - self.in_use(), self.total)
        return failure(code, name, _NAMES.get(code, "cudaErrorUnknown"), size, memory)

    def _allocate(self, size: int, kind: str) -> int:
        storage = np.full(size + 3 * GUARD, _GUARD_BYTE, np.uint8)
        address = (storage.ctypes.data + 2 * GUARD - 1) // GUARD * GUARD
        block = _Block(storage, address, size, kind)
        storage[block.offset : block.offset + size] = _NEW
        self._blocks.append(block)
        return address

    def _release(self, address: int, kind: str) -> None:
        for block in self._blocks:
            if block.address == address and not block.freed:
                assert block.kind == kind, f"{block.kind} given back as {kind}"
                assert block.guards_hold(), f"something wrote outside {kind} of {block.size} bytes"
                block.storage[block.offset : block.offset + block.size] = _FREED
                block.freed = True
                return
        raise AssertionError(f"{kind} at {address:#x} is not allocated, or freed twice")

    def _handle(self, kind: str) -> int:
        handle, self._next = self._next, self._next + 1
        self._handles[handle] = kind
        return handle

    def _alive(self, handle: int, kind: str) -> None:
        assert self._handles.get(handle) == kind, f"{kind} {handle} was not created, or destroyed"
