"""Sound artifacts used wrongly: what a loop around a session may do to its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.parity.mutations.base import SessionMutation, Use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array, Session

PADDED_LENGTH = 77  # what the authors' app pads to


@dataclass(frozen=True)
class WronglyUsed:
    """A session that is run by ``use``."""

    session: Session
    use: Use

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What comes of that."""
        return self.use(self.session, inputs)

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def zero_padded(session: Session, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Pads the MCP's hidden states [1, K, N, d] with zeros to 77 and cuts its output back."""
    states = inputs["stacked_hidden_states"]
    tokens = states.shape[2]
    padding = [(0, 0), (0, 0), (0, max(0, PADDED_LENGTH - tokens)), (0, 0)]
    outputs = session.run({"stacked_hidden_states": np.pad(states, padding)})
    return {name: np.ascontiguousarray(v[:, :tokens]) for name, v in outputs.items()}


def padded_prompt(session: Session, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Gives the DiT its conditioning padded to 77, with a mask of ones."""
    states, mask = inputs["encoder_hidden_states"], inputs["encoder_attention_mask"]
    missing = max(0, PADDED_LENGTH - states.shape[1])
    padded = {
        "encoder_hidden_states": np.pad(states, [(0, 0), (0, missing), (0, 0)]),
        "encoder_attention_mask": np.pad(mask, [(0, 0), (0, missing)], constant_values=1),
    }
    return session.run({**inputs, **padded})


def next_timestep(session: Session, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Asks the DiT for t + 1 in the place of t."""
    timestep: NDArray[Any] = inputs["timestep"]
    return session.run({**inputs, "timestep": timestep + np.float32(1)})


SESSION_MUTATIONS = (
    SessionMutation(
        "zero-pad the prompt to 77",
        "pads hidden states with zeros before the projector and cuts its output back",
        zero_padded,
        ("mcp",),
    ),
    SessionMutation(
        "zero-pad the prompt to 77",
        "pads the conditioning with zeros that the mask lets through",
        padded_prompt,
        ("dit",),
    ),
    SessionMutation(
        "off-by-one timestep", "asks for the timestep after the right one", next_timestep, ("dit",)
    ),
)
