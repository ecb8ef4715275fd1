"""The noise against a Philox written out in integers, and its distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import noise
from mobileo_export.recipe import Latent

_WORD = (1 << 64) - 1


def philox_words(key: tuple[int, int], count: int) -> list[int]:
    """Philox 4x64-10 as published (Salmon et al. 2011), its counter starting from 1."""
    words: list[int] = []
    counter = 1
    while len(words) < count:
        c = [(counter >> 64 * i) & _WORD for i in range(4)]
        k = list(key)
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
            c = [
                (second >> 64) ^ c[1] ^ k[0],
                second & _WORD,
                (first >> 64) ^ c[3] ^ k[1],
                first & _WORD,
            ]
            k = [(k[0] + 0x9E3779B97F4A7C15) & _WORD, (k[1] + 0xBB67AE8584CAA73B) & _WORD]
        words += c
        counter += 1
    return words[:count]


@pytest.mark.parametrize("seed", [0, 1, 42, 1 << 63, _WORD])
def test_equals_the_published_generator(seed: int) -> None:
    words = philox_words((seed, 0), 64)
    expected = []
    for first, second in zip(words[::2], words[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(((first >> 11) + 1) / 2**53))
        angle = 2 * math.pi * ((second >> 11) / 2**53)
        expected += [radius * math.cos(angle), radius * math.sin(angle)]
    drawn = noise.normal(seed, (1, 4, 4, 4))
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn.reshape(-1), np.array(expected, np.float32))
    raw = np.random.Philox(key=seed).random_raw(64)
    assert raw.tolist() == words


def test_the_numbers_of_tokens_are_others() -> None:
    uniform = noise.Uniform(42)
    expected = [(word >> 11) / 2**53 for word in philox_words((42, 1), 5)]
    assert [uniform() for _ in range(5)] == expected


def test_known_values() -> None:
    """Written down once: a change of the generator changes every picture."""
    first = noise.normal(42, (3,))
    assert [float(value).hex() for value in first] == [
        "0x1.e05bb60000000p-3",
        "0x1.2b29340000000p-1",
        "-0x1.ae3e1c0000000p-2",
    ]


def test_a_shorter_draw_is_the_beginning_of_a_longer_one() -> None:
    long = noise.normal(7, (2, 3, 5)).reshape(-1)
    assert np.array_equal(noise.normal(7, (7,)), long[:7])


def test_is_standard_normal() -> None:
    drawn = noise.normal(3, (1 << 16,)).astype(np.float64)
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.15
    assert abs(np.corrcoef(drawn[::2], drawn[1::2])[0, 1]) < 0.02


def test_the_recipe_names_this_generator() -> None:
    assert Latent((1, 1, 1, 1), 1.0).noise == noise.NAME


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"seed {seed}: choose one from 0 to 18446744073709551615"):
        noise.normal(seed, (2,))
