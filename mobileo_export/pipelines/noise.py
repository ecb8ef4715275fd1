"""Random numbers that NumPy, Swift and C++ reproduce: Philox 4x64-10 and Box-Muller in float64.

torch's own generator gives other numbers on other processors, so nothing here is drawn from it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "philox4x64-10/box-muller-f64/v1"
SEEDS = 1 << 64
_UNIT = 2.0**-53
# The second word of the key keeps the numbers that choose tokens apart from those of pictures.
_TOKENS = 1


def check_seed(seed: int) -> None:
    """Raise UsageError unless the seed fits 64 bits."""
    if not 0 <= seed < SEEDS:
        raise UsageError(f"seed {seed}: choose one from 0 to {SEEDS - 1}")


def normal(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values of N(0, 1) in C order.

    The generator is Philox 4x64 with ten rounds (Salmon et al. 2011), key (seed, 0), counter from
    1: ``numpy.random.Philox(key=seed)``. Of each two words the upper 53 bits give
    u₁ = (a + 1)·2⁻⁵³ and u₂ = b·2⁻⁵³, which give √(−2 ln u₁)·cos 2πu₂ and then the same with sin,
    in float64, rounded once.

    Raises:
        UsageError: the seed does not fit 64 bits.
    """
    import numpy as np

    count = math.prod(shape)
    words = _generator(seed, 0).random_raw(count + count % 2)
    values = np.empty(len(words), np.float64)
    # The C library's functions one by one: NumPy's vectors of them differ between processors.
    for index in range(0, len(words), 2):
        radius = math.sqrt(-2.0 * math.log(((int(words[index]) >> 11) + 1) * _UNIT))
        angle = 2.0 * math.pi * ((int(words[index + 1]) >> 11) * _UNIT)
        values[index] = radius * math.cos(angle)
        values[index + 1] = radius * math.sin(angle)
    drawn: NDArray[np.float32] = values[:count].astype(np.float32).reshape(shape)
    return drawn


class Uniform:
    """A stream of numbers in [0, 1): word n of Philox with key (seed, 1), its upper 53 bits."""

    def __init__(self, seed: int) -> None:
        self._generator = _generator(seed, _TOKENS)

    def __call__(self) -> float:
        """The next number."""
        return (int(self._generator.random_raw()) >> 11) * _UNIT


def _generator(seed: int, stream: int) -> np.random.Philox:
    import numpy as np

    check_seed(seed)
    return np.random.Philox(key=(stream << 64) | seed)
