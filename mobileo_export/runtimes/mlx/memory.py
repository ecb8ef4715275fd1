"""What MLX keeps of the memory that arrays gave back.

Left to itself it keeps on a GPU nearly as much as the machine has (``metal/allocator.cpp``).
"""

from __future__ import annotations

import mlx.core as mx

# Bytes, of all sessions together: what the Swift package allows too.
CACHE_LIMIT = 20 << 20


def limit() -> None:
    """Keep no more than ``CACHE_LIMIT`` from now on, in the whole process."""
    mx.set_cache_limit(CACHE_LIMIT)


def give_back() -> None:
    """Keep nothing of what a session that was closed had."""
    mx.clear_cache()
