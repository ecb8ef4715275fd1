"""What this machine's processor does at most, measured: a matrix product, and a copy.

A floor needs figures that nothing in the same run exceeds. So the best of several tries counts, by
NumPy and by torch where it is loaded, one call alone and one a core at once: the settings of each
library decide which cores it uses. Copies are tried in the size of caches too, where small models
stay.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from operator import setitem
from typing import Any

import numpy as np

_EDGE = 1024  # of the matrices: 2 GFLOP a product, 12 MB
_COPIED = (1 << 20, 1 << 26)  # bytes
_SECONDS = 0.2  # of trying each way
_LEAST = 3  # tries of each way


@dataclass(frozen=True)
class MachinePeak:
    """The best that was seen.

    Attributes:
        flops: a second, of a float32 matrix product at 2 a multiply-add.
        bandwidth: bytes a second, read and written together, of a copy.
    """

    flops: float
    bandwidth: float

    def as_json(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)


def measure(clock: Callable[[], float] = time.perf_counter) -> MachinePeak:
    """Try all ways; takes two or three seconds. ``clock`` gives seconds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = cores or 1
    with ThreadPoolExecutor(workers) as pool:

        def best(make: Callable[[], Callable[[], object]], amount: float) -> float:
            """``amount`` a second of a call alone, or of one a worker together."""
            calls = [make() for _ in range(workers)]
            rates = [amount / _quickest(calls[0], clock)]
            if workers > 1:

                def together() -> None:
                    for done in [pool.submit(call) for call in calls]:
                        done.result()

                rates.append(workers * amount / _quickest(together, clock))
            return max(rates)

        flops = max(best(make, 2.0 * _EDGE**3) for make in _products())
        bandwidth = max(best(make, 2.0 * size) for size in _COPIED for make in _copies(size))
    return MachinePeak(flops, bandwidth)


def _quickest(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the quickest of as many calls as fit into the time, the first not counted."""
    call()
    found: list[float] = []
    began = clock()
    while len(found) < _LEAST or clock() - began < _SECONDS:
        started = clock()
        call()
        found.append(clock() - started)
    return max(min(found), 1e-9)


def _libraries() -> list[Any]:
    """What multiplies and copies here, with one interface for both."""
    torch = sys.modules.get("torch")
    return [np] if torch is None else [np, torch]


def _products() -> list[Callable[[], Callable[[], object]]]:
    def product(library: Any) -> Callable[[], object]:
        shape = (_EDGE, _EDGE)
        left, right, out = (library.ones(shape, dtype=library.float32) for _ in range(3))
        return lambda: library.matmul(left, right, out=out)

    return [partial(product, library) for library in _libraries()]


def _copies(size: int) -> list[Callable[[], Callable[[], object]]]:
    def copy(library: Any) -> Callable[[], object]:
        source, target = (library.ones(size, dtype=library.uint8) for _ in range(2))
        return partial(setitem, target, slice(None), source)

    return [partial(copy, library) for library in _libraries()]
