"""DPM-Solver++ 2M on shifted flow sigmas, in NumPy: for machines without torch.

Lu et al. 2022, arXiv 2211.01095, algorithm 2, in the form that diffusers'
``DPMSolverMultistepScheduler`` has for flow models (``use_flow_sigmas``, midpoint, the last step of
first order); the tests compare the two step by step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.recipe import ImageSampling

    Float = NDArray[np.float32]

MAX_STEPS = 500


class Solver(Protocol):
    """Turns velocities into the next latent, step after step."""

    timesteps: tuple[int, ...]
    sigmas: tuple[float, ...]

    def step(self, velocity: Float, latent: Float) -> Float:
        """The latent after this step; each call is one step."""
        ...


def sigmas(sampling: ImageSampling, steps: int) -> NDArray[np.float64]:
    """The noise levels of ``steps`` steps and a final 0: [steps + 1].

    σ = linspace(1 − 1/T, 0, steps + 1) without its end, shifted s·σ / (1 + (s − 1)·σ).

    Raises:
        UsageError: fewer than 1 or more than 500 steps.
    """
    check_steps(steps)
    start = 1 - 1 / sampling.num_train_timesteps
    even = np.linspace(start, 0, steps + 1)[:-1]
    shift = sampling.flow_shift
    levels: NDArray[np.float64] = np.append(shift * even / (1 + (shift - 1) * even), 0.0)
    return levels


def timesteps(sampling: ImageSampling, steps: int) -> tuple[int, ...]:
    """What the DiT is told: the sigmas times T, truncated."""
    levels = sigmas(sampling, steps)[:-1] * sampling.num_train_timesteps
    return tuple(int(level) for level in levels)


def check_steps(steps: int) -> None:
    """Raise UsageError unless a picture can be drawn in so many steps."""
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"{steps} steps: choose 1 to {MAX_STEPS}")


class NumpySolver:
    """The solver without torch: float32 throughout, as diffusers computes it."""

    def __init__(self, sampling: ImageSampling, steps: int) -> None:
        """Raises UsageError for fewer than 1 or more than 500 steps."""
        self._sigmas = sigmas(sampling, steps).astype(np.float32)
        self.sigmas = tuple(map(float, self._sigmas))
        self.timesteps = timesteps(sampling, steps)
        self._step = 0
        self._earlier: Float | None = None  # the last step's estimate of the image

    def step(self, velocity: Float, latent: Float) -> Float:
        """One step; ``velocity`` and ``latent`` have the latent's shape.

        x₀ = x − σ·v; then, with λ = ln(1 − σ) − ln σ, h = λ' − λ and r = h_before / h,
        x' = σ'/σ·x − (1 − σ')·(e⁻ʰ − 1)·(x₀ + (x₀ − x₀_before) / 2r).

        Raises:
            ValueError: all steps are done.
        """
        if self._step >= len(self.timesteps):
            raise ValueError("all steps are done")
        level, following = self._sigmas[self._step : self._step + 2]
        estimate: Float = latent - level * velocity
        if self._step == len(self.timesteps) - 1:
            result = estimate  # sigma 0 is the estimate itself, whatever the order
        else:
            width = _log_snr(following) - _log_snr(level)
            factor = (1 - following) * (np.float32(math.exp(-width)) - 1)
            result = following / level * latent - factor * estimate
            if self._earlier is not None:
                before = _log_snr(level) - _log_snr(self._sigmas[self._step - 1])
                slope = 1 / (before / width) * (estimate - self._earlier)
                result -= np.float32(0.5) * factor * slope
        self._earlier = estimate
        self._step += 1
        return result


def _log_snr(sigma: np.float32) -> np.float32:
    """λ(σ) = ln(1 − σ) − ln σ."""
    # In float64, rounded: within a unit in the last place of any platform's float32 functions.
    return np.float32(math.log(1 - sigma)) - np.float32(math.log(sigma))


class DiffusersSolver:
    """The same through diffusers: what the reference is drawn with."""

    def __init__(self, sampling: ImageSampling, steps: int) -> None:
        """Raises UsageError for fewer than 1 or more than 500 steps."""
        from diffusers import DPMSolverMultistepScheduler

        check_steps(steps)
        self._scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=sampling.num_train_timesteps,
            algorithm_type=sampling.algorithm,
            solver_order=sampling.solver_order,
            prediction_type=sampling.prediction_type,
            use_flow_sigmas=True,
            flow_shift=sampling.flow_shift,
        )
        self._scheduler.set_timesteps(steps)
        self.timesteps = tuple(self._scheduler.timesteps.tolist())
        self.sigmas = tuple(self._scheduler.sigmas.double().tolist())
        self._step = 0

    def step(self, velocity: Float, latent: Float) -> Float:
        """One step; raises ValueError when all are done."""
        import torch

        if self._step >= len(self.timesteps):
            raise ValueError("all steps are done")
        timestep = self._scheduler.timesteps[self._step]
        self._step += 1
        moved = self._scheduler.step(
            torch.from_numpy(velocity), timestep, torch.from_numpy(latent), return_dict=False
        )[0]
        result: Float = moved.numpy()
        return result
