"""Sound artifacts used wrongly, seen by a minimal denoising loop."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mobileo_export.parity.metrics import compare
from mobileo_export.parity.mutations import sessions

from . import wrong_use
from .wrong_use import Velocity

GUIDANCE, STEPS = 4.5, 6
_RANDOM = np.random.default_rng(2)
LATENT = _RANDOM.standard_normal((1, 4, 8, 8), dtype=np.float32)
PROMPT = _RANDOM.standard_normal((1, 12, 6), dtype=np.float32)
NOTHING = np.zeros_like(PROMPT)
_MIX = _RANDOM.standard_normal((4, 6), dtype=np.float32)


def velocity(latent: Any, timestep: float, conditioning: Any) -> Any:
    """Depends on all three, and on the number of tokens, as attention does."""
    pull = (_MIX @ conditioning.mean(axis=1)[0])[None, :, None, None]
    return np.tanh(latent * (1 + timestep / 1000) + pull + 0.1).astype(np.float32)


def denoise(step: Velocity, history: Any = lambda guided: guided, copy: bool = False) -> Any:
    """Guidance and a second-order multistep solver, which keep arrays without copying them."""
    times = np.linspace(1, 0, STEPS + 1)

    def guided(latent: Any, timestep: float, conditioning: Any) -> Any:
        keep = np.copy if copy else np.asarray
        unconditional = keep(step(latent, timestep, NOTHING))
        conditional = keep(step(latent, timestep, conditioning))
        return unconditional + GUIDANCE * (conditional - unconditional)

    solver = history(guided)
    latent, previous = LATENT, None
    for now, then in pairwise(times):
        current = solver(latent, float(now * 1000), PROMPT)
        slope = current if previous is None else current * 1.5 - previous * 0.5
        latent = latent + (then - now) * slope
        previous = current
    return latent.astype(np.float32)


TRUTH = denoise(velocity)


def error(found: Any) -> float:
    return compare(TRUTH, found, "image").relative_l2


@pytest.mark.parametrize(
    "wrong",
    [
        wrong_use.alias_branches(velocity),
        wrong_use.exchange_branches(velocity, PROMPT, NOTHING),
        wrong_use.conditional_only(velocity, PROMPT),
        wrong_use.shift_timestep(velocity),
        wrong_use.pad_conditioning(velocity),
    ],
    ids=["aliased", "exchanged", "conditional only", "off by one", "padded"],
)
def test_a_denoising_loop_shows_it(wrong: Velocity) -> None:
    assert error(denoise(velocity)) == 0
    assert error(denoise(wrong)) > 1e-4


def test_an_aliased_branch_is_the_conditional_one() -> None:
    aliased = denoise(wrong_use.alias_branches(velocity))
    np.testing.assert_array_equal(aliased, denoise(wrong_use.conditional_only(velocity, PROMPT)))
    # A loop that copies is not hurt, so that the mutation is the buffer and nothing else.
    copied = denoise(wrong_use.alias_branches(velocity), copy=True)
    np.testing.assert_array_equal(copied, TRUTH)


def test_an_aliased_history_is_first_order() -> None:
    found = denoise(velocity, history=wrong_use.alias_branches)
    latent, times = LATENT, np.linspace(1, 0, STEPS + 1)
    for now, then in pairwise(times):
        u, c = (velocity(latent, float(now * 1000), states) for states in (NOTHING, PROMPT))
        latent = latent + (then - now) * (u + GUIDANCE * (c - u))
    np.testing.assert_allclose(found, latent, atol=1e-5)
    assert error(found) > 1e-3


class Session:
    """Returns what it was given: for the projector and for the DiT."""

    closed = False

    def run(self, inputs: Any) -> dict[str, Any]:
        self.inputs = inputs
        states = inputs.get("stacked_hidden_states", inputs.get("encoder_hidden_states"))
        return {"conditioning": states.mean(axis=1) if states.ndim == 4 else states}

    def close(self) -> None:
        self.closed = True


def test_hidden_states_are_padded_and_cut_back() -> None:
    session = Session()
    padded = sessions.WronglyUsed(session, sessions.zero_padded)
    states = np.ones((1, 4, 10, 3), np.float32)
    found = padded.run({"stacked_hidden_states": states})["conditioning"]
    assert found.shape == (1, 10, 3)
    assert session.inputs["stacked_hidden_states"].shape == (1, 4, 77, 3)
    assert not session.inputs["stacked_hidden_states"][:, :, 10:].any()
    long = np.ones((1, 4, 77, 3), np.float32)
    assert padded.run({"stacked_hidden_states": long})["conditioning"].shape == (1, 77, 3)
    padded.close()
    assert session.closed


def test_a_padded_prompt_is_attended_to() -> None:
    session = Session()
    inputs = {
        "encoder_hidden_states": np.ones((1, 10, 3), np.float32),
        "encoder_attention_mask": np.ones((1, 10), np.float32),
    }
    sessions.WronglyUsed(session, sessions.padded_prompt).run(inputs)
    assert session.inputs["encoder_hidden_states"].shape == (1, 77, 3)
    assert session.inputs["encoder_attention_mask"].all()


def test_one_buffer_is_overwritten() -> None:
    shared = wrong_use.one_buffer(Session())
    first = shared.run({"encoder_hidden_states": PROMPT})["conditioning"]
    second = shared.run({"encoder_hidden_states": NOTHING})["conditioning"]
    assert first is second
    assert not first.any()


def test_the_next_timestep_is_asked_for() -> None:
    session = Session()
    inputs = {"timestep": np.array([998], np.float32), "encoder_hidden_states": PROMPT}
    sessions.WronglyUsed(session, sessions.next_timestep).run(inputs)
    assert session.inputs["timestep"] == [999]
    assert inputs["timestep"] == [998]
