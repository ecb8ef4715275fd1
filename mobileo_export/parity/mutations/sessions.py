"""Sound artifacts used wrongly: wrappers around a session, and around a velocity function.

The velocity function is the denoising loop's view of the DiT: ``velocity(latent, timestep,
conditioning)`` with arrays [1, C, S, S] and [1, N, D] and a number, returning [1, C, S, S].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.mutations.base import SessionMutation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array, Session

PADDED_LENGTH = 77  # what the authors' app pads to
Velocity = Callable[["NDArray[Any]", float, "NDArray[Any]"], "NDArray[Any]"]


@dataclass(frozen=True)
class ZeroPadded:
    """An MCP session that pads hidden states [1, K, N, d] with zeros to 77 and cuts back."""

    session: Session
    length: int = PADDED_LENGTH

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session; lengths from 77 on are passed through."""
        states = inputs["stacked_hidden_states"]
        tokens = states.shape[2]
        if tokens >= self.length:
            return self.session.run(inputs)
        padding = [(0, 0), (0, 0), (0, self.length - tokens), (0, 0)]
        outputs = self.session.run({"stacked_hidden_states": np.pad(states, padding)})
        return {name: np.ascontiguousarray(v[:, :tokens]) for name, v in outputs.items()}

    def close(self) -> None:
        """Close the session."""
        self.session.close()


@dataclass(frozen=True)
class PaddedPrompt:
    """A DiT session that is given its conditioning padded to 77, with a mask of ones."""

    session: Session
    length: int = PADDED_LENGTH

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session; lengths from 77 on are passed through."""
        states, mask = inputs["encoder_hidden_states"], inputs["encoder_attention_mask"]
        missing = self.length - states.shape[1]
        if missing <= 0:
            return self.session.run(inputs)
        padded = {
            "encoder_hidden_states": np.pad(states, [(0, 0), (0, missing), (0, 0)]),
            "encoder_attention_mask": np.pad(mask, [(0, 0), (0, missing)], constant_values=1),
        }
        return self.session.run({**inputs, **padded})

    def close(self) -> None:
        """Close the session."""
        self.session.close()


@dataclass(frozen=True)
class NextTimestep:
    """A DiT session that is asked for timestep t and computes t + 1."""

    session: Session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As of the session."""
        timestep: NDArray[Any] = inputs["timestep"]
        return self.session.run({**inputs, "timestep": timestep + np.float32(1)})

    def close(self) -> None:
        """Close the session."""
        self.session.close()


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


SESSION_MUTATIONS = (
    SessionMutation(
        "zero-pad the prompt to 77",
        "pads hidden states with zeros before the projector and cuts its output back",
        ZeroPadded,
        ("mcp",),
    ),
    SessionMutation(
        "zero-pad the prompt to 77",
        "pads the conditioning with zeros that the mask lets through",
        PaddedPrompt,
        ("dit",),
    ),
    SessionMutation(
        "off-by-one timestep", "asks for the timestep after the right one", NextTimestep, ("dit",)
    ),
)


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
