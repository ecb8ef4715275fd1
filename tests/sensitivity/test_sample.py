"""What is recorded where the shipped model's sizes do not show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mobileo_export import assets
from mobileo_export.pipelines.model import open_model
from mobileo_export.progress import Progress
from mobileo_export.sensitivity import prompts, run, sample

if TYPE_CHECKING:
    import pytest

    from mobileo_export.sensitivity.judged import JudgedComponent


def test_of_a_large_latent_the_decoder_is_judged_on_a_corner(
    judge: Callable[[str], JudgedComponent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "LARGEST_LATENT", 4)
    with open_model(str(assets.miniature()), keep=True) as model:
        recorded = sample.record(model, prompts.CAPTIONS[:1], steps=2)
    calls = recorded.calls["vae_decoder"]
    assert [call.inputs["latent"].shape[2:] for call in calls] == [(4, 4), (4, 4)]
    assert judge("vae_decoder").error(calls) < 1e-10


def test_progress_counts_what_this_command_does() -> None:
    told: list[Progress] = []
    stages = run._stages("dit", told.append)
    for done in (11, 12, 32):
        stages("taking gradients", done, 32)
    stages("comparing schemes", 0, 5)
    assert [(event.done, event.total) for event in told] == [(0, 21), (1, 21), (21, 21), (0, 5)]
