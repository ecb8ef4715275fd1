"""The NumPy scheduler against diffusers' own, step by step, and what the comparison catches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import schedule
from mobileo_export.pipelines.schedule import DiffusersSolver, NumpySolver, Solver
from mobileo_export.recipe import ImageSampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLING = ImageSampling(flow_shift=3.0, num_train_timesteps=1000)
SHAPE = (1, 4, 8, 8)


def largest_difference(first: Solver, second: Solver, steps: int) -> float:
    """The largest relative L2 difference of the latent after any step, on the same velocities."""
    random = np.random.default_rng(steps)
    a = b = random.standard_normal(SHAPE, dtype=np.float32)
    worst = 0.0
    for _ in range(steps):
        velocity = random.standard_normal(SHAPE, dtype=np.float32)
        a, b = first.step(velocity, a), second.step(velocity, b)
        wide = b.astype(np.float64)
        worst = max(worst, float(np.linalg.norm(a - wide) / np.linalg.norm(wide)))
    return worst


@pytest.mark.parametrize("steps", [*range(1, 26), 50, 100, 250, 499, 500])
def test_equals_diffusers_at_every_step(steps: int) -> None:
    ours, theirs = NumpySolver(SAMPLING, steps), DiffusersSolver(SAMPLING, steps)
    assert ours.timesteps == theirs.timesteps
    assert ours.sigmas == theirs.sigmas
    assert largest_difference(ours, theirs, steps) < 1e-6


def test_timesteps_of_every_count_equal_diffusers() -> None:
    for steps in range(1, schedule.MAX_STEPS + 1):
        assert schedule.timesteps(SAMPLING, steps) == DiffusersSolver(SAMPLING, steps).timesteps


def test_another_shift_is_followed() -> None:
    sampling = ImageSampling(flow_shift=1.0, num_train_timesteps=1000)
    ours, theirs = NumpySolver(sampling, 10), DiffusersSolver(sampling, 10)
    assert ours.timesteps == theirs.timesteps != schedule.timesteps(SAMPLING, 10)
    assert largest_difference(ours, theirs, 10) < 1e-6


def test_the_published_twenty_steps() -> None:
    assert schedule.timesteps(SAMPLING, 20) == (
        *(999, 982, 963, 944, 922, 899, 874, 847, 817, 785),
        *(749, 710, 666, 617, 562, 499, 428, 345, 249, 136),
    )


def test_the_true_velocity_ends_at_the_image() -> None:
    """With velocity ε − x₀ every step stays on the straight line, and the last one ends at x₀."""
    random = np.random.default_rng(3)
    noise, image = random.standard_normal((2, *SHAPE))
    solver = NumpySolver(SAMPLING, 7)
    latent = noise * solver.sigmas[0] + image * (1 - solver.sigmas[0])
    latent = latent.astype(np.float32)
    for sigma in solver.sigmas[1:]:
        latent = solver.step((noise - image).astype(np.float32), latent)
        assert np.allclose(latent, noise * sigma + image * (1 - sigma), atol=2e-6)
    assert np.allclose(latent, image, atol=2e-6)


class _WrongFinalStep(NumpySolver):
    """Stays at the last noise level instead of going to zero."""

    def step(
        self, velocity: NDArray[np.float32], latent: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        last = self._step == len(self.timesteps) - 1
        moved = super().step(velocity, latent)
        return latent if last else moved


class _FirstOrder(NumpySolver):
    """Forgets the step before, which is what one buffer for both guidance branches comes to."""

    def step(
        self, velocity: NDArray[np.float32], latent: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self._earlier = None
        return super().step(velocity, latent)


@pytest.mark.parametrize("mutant", [_WrongFinalStep, _FirstOrder])
@pytest.mark.parametrize("steps", [5, 20])
def test_the_comparison_catches(mutant: type[NumpySolver], steps: int) -> None:
    difference = largest_difference(
        mutant(SAMPLING, steps), DiffusersSolver(SAMPLING, steps), steps
    )
    assert difference > 1e-3


def test_an_unshifted_schedule_has_other_timesteps() -> None:
    assert schedule.timesteps(ImageSampling(1.0, 1000), 20) != schedule.timesteps(SAMPLING, 20)


@pytest.mark.parametrize("solver", [NumpySolver, DiffusersSolver])
def test_refuses_what_it_cannot_do(solver: type[NumpySolver]) -> None:
    for steps in (0, -1, 501):
        with pytest.raises(UsageError, match=f"{steps} steps: choose 1 to 500"):
            solver(SAMPLING, steps)
    done = solver(SAMPLING, 1)
    zeros = np.zeros(SHAPE, np.float32)
    done.step(zeros, zeros)
    with pytest.raises(ValueError, match="all steps are done"):
        done.step(zeros, zeros)
