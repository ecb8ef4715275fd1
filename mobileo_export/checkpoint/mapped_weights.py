"""Weights in pages of a file: a component of gigabytes that takes no memory the system must keep.

Converting needs every weight at hand but looks at most of them once. In ordinary memory a float32
DiT holds 2.4 GB until its conversion ends; in a mapped file the system writes its pages out and
drops them when somebody else needs the room. The file has no name and ends with the process.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint, Weights
from mobileo_export.checkpoint.safetensors_file import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes: what vector instructions and torch's allocator use


class MappedPages:
    """Room for arrays in a file without a name."""

    def __init__(self, folder: Path, sizes: Iterable[int]) -> None:
        """Reserve it in ``folder``, for arrays of ``sizes`` bytes.

        Raises:
            OSError: the disk is too small.
        """
        size = max(sum(map(_padded, sizes)), 1)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                # Without blocks of its own, a full disk would be a bus error in some later copy.
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            self._pages = mmap.mmap(file.fileno(), size)
        self._used = 0

    def room(self, shape: int | Shape, dtype: Any) -> NDArray[Any]:
        """An array to fill, and then to :meth:`keep`; the next one lies in the same place.

        Raises:
            ValueError: more is asked for than was reserved.
        """
        size = shape if isinstance(shape, int) else math.prod(shape)
        needed = self._used + size * np.dtype(dtype).itemsize
        if needed > len(self._pages):
            raise ValueError(f"{needed} bytes asked of {len(self._pages)} reserved")
        return np.frombuffer(self._pages, dtype, size, self._used).reshape(shape)

    def keep(self, values: NDArray[Any]) -> NDArray[Any]:
        """``values`` if they fill the :meth:`room`, else a copy of them that does.

        Raises:
            ValueError: more is asked for than was reserved.
        """
        kept = self.room(values.shape, values.dtype)
        if kept.ctypes.data != values.ctypes.data:
            kept[...] = values
        self._used += _padded(values.nbytes)
        return kept


class FileBackedCheckpoint(Checkpoint):
    """A checkpoint whose :meth:`read` gives arrays in pages of a file, once :meth:`reserve` ran."""

    _pages: MappedPages | None = None

    def reserve(self, folder: Path, shapes: Iterable[Shape]) -> None:
        """Make room in ``folder`` for tensors of ``shapes``.

        Raises:
            OSError: the disk is too small.
        """
        self._pages = MappedPages(folder, (4 * math.prod(shape) for shape in shapes))

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """As :meth:`Checkpoint.read`; float32 values lie in the reserved pages."""
        values = super().read(name, weights)
        if self._pages is None or values.dtype != np.float32:
            return values
        try:
            return self._pages.keep(values)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def _padded(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT
