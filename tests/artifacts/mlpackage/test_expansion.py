"""What stored weights stand for: as the evaluator expands them, which has code of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mobileo_export.artifacts.mlpackage.dtypes import BY_NAME
from mobileo_export.artifacts.mlpackage.expansion import SHIFT_SCALE, constants
from mobileo_export.artifacts.mlpackage.program import Block, Constant, Named, Op, TensorType
from mobileo_export.runtimes.mil.ops.constexpr import blockwise_shift_scale


@pytest.mark.parametrize("blocks", [(1, 1), (6, 1), (1, 4), (3, 2), (6, 8)])
def test_every_block_has_its_scale(blocks: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(0, 1, (6, 8)).astype(np.float16)
    scale = np.exp2(rng.integers(-9, 9, blocks)).astype(np.float32)
    parts = {
        "data": Constant(TensorType(BY_NAME["fp16"], data.shape), data.reshape(-1)),
        "scale": Constant(TensorType(BY_NAME["fp32"], scale.shape), scale.reshape(-1)),
    }
    declared = Named("weight", TensorType(BY_NAME["fp32"], data.shape))
    op = Op(SHIFT_SCALE, "weight", {name: (part,) for name, part in parts.items()}, (declared,))
    found = constants(Block((), (op,), ("weight",)))["weight"]
    wanted = blockwise_shift_scale(torch.from_numpy(data), torch.from_numpy(scale)).numpy()
    assert found.array().dtype == np.float32
    assert found.array().tobytes() == wanted.tobytes()
    assert found.stored.tobytes() == wanted.tobytes()
    assert (found.shape, found.size) == (data.shape, data.size)
