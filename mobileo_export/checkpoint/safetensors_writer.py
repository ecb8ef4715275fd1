"""Safetensors files written tensor by tensor, or part by part; ``safetensors_file`` reads them."""

from __future__ import annotations

import json
import math
import os
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.safetensors_file import RAW_DTYPES, Shape, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class SafetensorsWriter:
    """Writes a file whose layout is known beforehand, whole tensors or parts, in any order.

    The file is laid out as the library does (wide dtypes first, then by name), so that its bytes
    do not depend on the order of writing. Threads may write at the same time, every element once.
    Use as a context manager; an exception leaves no file.
    """

    def __init__(
        self,
        path: Path,
        plan: Mapping[str, tuple[str, Shape]],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._offsets: dict[str, int] = {}
        self._plan = dict(plan)
        ranks = {dtype: rank for rank, dtype in enumerate(RAW_DTYPES)}
        order = sorted(plan, key=lambda name: (ranks[plan[name][0]], name))
        entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
        position = 0
        for name in order:
            dtype, shape = plan[name]
            end = position + tensor_bytes(dtype, shape)
            entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
            self._offsets[name] = position
            position = end
        header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-len(header) % 8)
        self._base = 8 + len(header)
        self._pending = {name: math.prod(shape) for name, (_, shape) in plan.items()}
        self._lock = threading.Lock()
        self._file = path.open("xb")
        self._file.write(struct.pack("<Q", len(header)) + header)
        self._file.truncate(self._base + position)
        self._file.flush()

    def write(self, name: str, array: NDArray[Any]) -> None:
        """Write one tensor; ``array`` holds the raw bytes of the planned dtype and shape."""
        dtype, shape = self._plan[name]
        if array.shape != shape or array.dtype != RAW_DTYPES[dtype]:
            raise ValueError(f"{name}: got {array.dtype} {array.shape}, planned {dtype} {shape}")
        self.write_part(name, 0, array.reshape(-1))

    def write_part(self, name: str, first: int, values: NDArray[Any]) -> None:
        """Write flat ``values`` from element ``first`` of a tensor on; safe from several threads.

        A tensor counts as written when as many elements as it has were written.
        """
        dtype, shape = self._plan[name]
        if values.ndim != 1 or values.dtype != RAW_DTYPES[dtype]:
            raise ValueError(f"{name}: got {values.dtype} {values.shape}, planned flat {dtype}")
        if not 0 <= first <= first + values.size <= math.prod(shape):
            raise ValueError(f"{name}: {values.size} values from {first} on do not fit {shape}")
        data = np.ascontiguousarray(values).view(np.uint8).data
        position = self._base + self._offsets[name] + first * values.itemsize
        while data:
            written = os.pwrite(self._file.fileno(), data[: 1 << 30], position)
            data, position = data[written:], position + written
        with self._lock:
            self._pending[name] -= values.size

    def __enter__(self) -> SafetensorsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)
        elif wrong := sorted(name for name, left in self._pending.items() if left):
            self.path.unlink(missing_ok=True)
            raise ValueError(f"{self.path.name}: not written exactly once: {wrong[:3]}")
