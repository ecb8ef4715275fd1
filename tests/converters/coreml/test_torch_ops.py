"""``movedim`` as a transposition, against torch itself."""

from __future__ import annotations

from itertools import permutations, product

import torch

from mobileo_export.converters.coreml.torch_ops import permutation


def test_permutation_equals_torch_movedim() -> None:
    x = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    for source, destination in product(range(-4, 4), repeat=2):
        expected = torch.movedim(x, source, destination)
        assert torch.equal(x.permute(permutation(4, source, destination)), expected)
    for sources in permutations(range(4), 2):
        for destinations in permutations(range(-4, 0), 2):
            expected = torch.movedim(x, sources, destinations)
            assert torch.equal(x.permute(permutation(4, sources, destinations)), expected)
