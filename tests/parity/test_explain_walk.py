"""The pieces of the walk: layouts, the two sides in lockstep, and which step is the jump."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from mobileo_export.parity.explain.layouts import fit, relative_error
from mobileo_export.parity.explain.lockstep import Lockstep
from mobileo_export.parity.explain.results import WalkStep
from mobileo_export.parity.explain.walk import first_jump

VALUES = np.random.default_rng(4).standard_normal((1, 4, 4, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "found",
    [VALUES, VALUES[0], VALUES.transpose(0, 3, 1, 2), VALUES.transpose(0, 2, 1, 3),
     VALUES.reshape(1, 16, 6).transpose(0, 2, 1), VALUES.reshape(1, 16, 6)],
)  # fmt: skip
def test_layouts_are_undone(found: np.ndarray) -> None:
    aligned = fit(found, VALUES)
    if found.shape == (1, 6, 16):  # axes that were joined cannot be told apart: still as a whole
        aligned = fit(found, VALUES.reshape(1, 16, 6))
        aligned = aligned.reshape(VALUES.shape) if aligned is not None else None
    assert aligned is not None
    assert np.array_equal(aligned, VALUES)


def test_another_size_does_not_fit() -> None:
    assert fit(VALUES[..., :5], VALUES) is None


def test_relative_error() -> None:
    assert relative_error(VALUES, VALUES) == 0
    assert relative_error(VALUES * 1.5, VALUES) == pytest.approx(0.5)
    assert relative_error(np.array([np.nan]), np.ones(1)) == np.inf
    assert relative_error(np.ones(2), np.zeros(2)) == np.inf


def network() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(inplace=True))


def test_lockstep_hands_out_outputs_in_any_order() -> None:
    module, inputs = network(), torch.ones(1, 3)
    linear = module[0](inputs).detach()
    with Lockstep(module, [("0", 0), ("1", 0)], lambda: module(inputs)) as lockstep:
        (last,) = lockstep.output("1", 0)
        (first,) = lockstep.output("0", 0)  # as it was before the activation wrote over it
        assert lockstep.output("0", 1) == ()
        result = lockstep.finish()
    assert torch.equal(first, linear)
    assert torch.equal(last, result)


def test_lockstep_can_be_left_half_way() -> None:
    before = threading.active_count()
    module = network()
    with Lockstep(module, [("0", 0)], lambda: module(torch.ones(1, 3))) as lockstep:
        assert len(lockstep.output("0", 0)) == 1
    assert threading.active_count() == before
    assert not any(child._forward_hooks for child in module.modules())


def test_lockstep_raises_what_the_reference_raised() -> None:
    module = network()
    with Lockstep(module, [("0", 0)], lambda: module(torch.ones(1, 4))) as lockstep:
        assert lockstep.output("0", 0) == ()
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            lockstep.finish()


def steps(*errors: tuple[float, float]) -> tuple[WalkStep, ...]:
    return tuple(WalkStep(f"m{i}", "", "", "", "", e, inherited) for i, (e, inherited) in
                 enumerate(errors))  # fmt: skip


def test_the_first_jump_is_found_behind_slow_growth_and_before_wild() -> None:
    walked = steps((2e-7, 0), (1e-6, 2e-7), (1e-2, 1e-6), (1e-1, 1e-2), (0.5, 1e-1))
    assert first_jump(walked) == 2


def test_rounding_is_no_jump() -> None:
    assert first_jump(steps((2e-7, 0), (9e-7, 2e-7), (4e-6, 9e-7))) is None
    assert first_jump(()) is None


def test_not_a_number_is_a_jump() -> None:
    assert first_jump(steps((2e-7, 0), (np.inf, 2e-7), (np.inf, np.inf))) == 1
