"""Sound artifacts used wrongly by a loop: one buffer, a wrong velocity, seen through a session.

The velocity function is the denoising loop's view of the DiT: ``velocity(latent, timestep,
conditioning)`` with arrays [1, C, S, S] and [1, N, D] and a number, returning [1, C, S, S].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.chain.sides import Wrap
from mobileo_export.parity.mutations.sessions import PADDED_LENGTH
from mobileo_export.runtimes.base import Array, Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

Velocity = Callable[["NDArray[Any]", float, "NDArray[Any]"], "NDArray[Any]"]


@dataclass(frozen=True)
class OneBuffer:
    """A session whose outputs are the same arrays at every run, overwritten."""

    session: Session
    _buffers: dict[tuple[str, tuple[int, ...]], Any]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session, until the next run."""
        outputs: dict[str, Array] = {}
        for name, values in self.session.run(inputs).items():
            buffer = self._buffers.setdefault((name, values.shape), np.empty_like(values))
            buffer[...] = values
            outputs[name] = buffer
        return outputs

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def one_buffer(session: Session) -> OneBuffer:
    """A session that hands out one buffer an output.

    A loop that keeps the unconditional velocity while it runs the conditional one then sees the
    conditional one twice: guidance does nothing.
    """
    return OneBuffer(session, {})


def alias_branches(velocity: Velocity) -> Velocity:
    """A velocity that returns the same array at every call: what :func:`one_buffer` is to a loop.

    Put around the velocity of single branches it aliases the two of guidance; put around the
    guided velocity it aliases a multistep solver's history, so that second order becomes first.
    """
    buffers: dict[tuple[int, ...], NDArray[Any]] = {}

    def aliased(latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]) -> NDArray[Any]:
        values = velocity(latent, timestep, conditioning)
        buffer = buffers.setdefault(values.shape, np.empty_like(values))
        buffer[...] = values
        return buffer

    return aliased


def exchange_branches(
    velocity: Velocity, conditional: NDArray[Any], unconditional: NDArray[Any]
) -> Velocity:
    """A velocity that takes either conditioning for the other one; others it leaves alone."""

    def exchanged(
        latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]
    ) -> NDArray[Any]:
        if np.array_equal(conditioning, conditional):
            conditioning = unconditional
        elif np.array_equal(conditioning, unconditional):
            conditioning = conditional
        return velocity(latent, timestep, conditioning)

    return exchanged


def conditional_only(velocity: Velocity, conditional: NDArray[Any]) -> Velocity:
    """A velocity that always sees the prompt: the unconditional branch is the conditional one."""

    def replaced(latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]) -> NDArray[Any]:
        return velocity(latent, timestep, conditional)

    return replaced


def shift_timestep(velocity: Velocity, by: float = 1.0) -> Velocity:
    """A velocity that computes timestep + ``by``."""

    def shifted(latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]) -> NDArray[Any]:
        return velocity(latent, timestep + by, conditioning)

    return shifted


def pad_conditioning(velocity: Velocity, length: int = PADDED_LENGTH) -> Velocity:
    """A velocity whose conditioning is padded with zeros to ``length`` and not masked."""

    def padded(latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]) -> NDArray[Any]:
        missing = max(0, length - conditioning.shape[1])
        wide = np.pad(conditioning, [(0, 0), (0, missing), (0, 0)])
        return velocity(latent, timestep, wide)

    return padded


@dataclass(frozen=True)
class _VelocitySession:
    """A DiT session seen through a change of its velocity function; the mask is of ones."""

    session: Session
    change: Callable[[Velocity], Velocity]

    def __post_init__(self) -> None:
        def velocity(
            latent: NDArray[Any], timestep: float, conditioning: NDArray[Any]
        ) -> NDArray[Any]:
            inputs: dict[str, Array] = {
                "latent": latent,
                "timestep": np.array([timestep], np.float32),
                "encoder_hidden_states": np.ascontiguousarray(conditioning),
                "encoder_attention_mask": np.ones(conditioning.shape[:2], np.float32),
            }
            return self.session.run(inputs)["velocity"]

        object.__setattr__(self, "velocity", self.change(velocity))

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session, but for the change."""
        given: Mapping[str, Any] = inputs
        timestep = float(given["timestep"][0])
        changed: Velocity = self.__dict__["velocity"]
        return {"velocity": changed(given["latent"], timestep, given["encoder_hidden_states"])}

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def around_velocity(change: Callable[[Velocity], Velocity]) -> Wrap:
    """The :data:`Wrap` that puts ``change`` around the DiT's velocity function."""

    def wrap(name: str, session: Session) -> Session:
        return _VelocitySession(session, change) if name == "dit" else session

    return wrap
