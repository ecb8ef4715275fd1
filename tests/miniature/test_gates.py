"""The gates tell a model that listens from one that draws whatever it likes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from miniature import drawing, gates, lessons, steps, understanding

from .conftest import workshop


class Listening(torch.nn.Module):
    """Answers with ``right`` to the hidden states that it saw first, else with ``wrong``."""

    def __init__(self, right: torch.Tensor, wrong: torch.Tensor) -> None:
        super().__init__()
        self._right, self._wrong, self._first = right, wrong, torch.empty(0)

    def forward(self, noisy: Any, times: Any, hidden: torch.Tensor, lengths: Any) -> torch.Tensor:
        if not self._first.numel():
            self._first = hidden
        return self._right if torch.equal(hidden, self._first) else self._wrong


def test_only_who_listens_is_said_to_hear(trained: Path) -> None:
    shop = workshop(trained)
    drawn = lessons.many("heard", 3)
    latents = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(5))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    truth, other = noise - latents, noise
    cases = ((truth, other, 1.0), (other, other, 0.0), (0.5 * truth, 0 * truth, 0.75))
    for right, wrong, wanted in cases:
        drawer: Any = Listening(right, wrong)
        found = drawing.heard(drawer, shop.reader(), shop.source, drawn, latents)
        assert abs(found - wanted) < 1e-6


def test_words_with_one_embedding_are_not_told_apart(trained: Path) -> None:
    shop = workshop(trained)
    reader, source = shop.reader(), shop.source
    before = understanding.told_apart(reader, source)
    assert before > gates.GATES["answers"]["apart"]  # as far as they were put
    said, other = (source.generate(f"a red {shape}").ids for shape in ("square", "triangle"))
    ((square, triangle),) = {(a, b) for a, b in zip(said, other, strict=True) if a != b}
    with torch.no_grad():
        embeddings = reader.language_model.model.embed_tokens.weight
        embeddings[triangle] = embeddings[square]
    assert understanding.told_apart(reader, source) == 0


def test_0b_is_judged_by_it_too(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    steps.STEPS["answers-gate"](workshop(folder))
    found = json.loads((folder / "answers" / "gate.json").read_text())
    assert found["wanted"] == gates.GATES["answers"]
    assert found["measured"].keys() == found["wanted"].keys()
    assert not found["passed"]


def test_four_steps_are_not_enough(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    steps.STEPS["align-gate"](workshop(folder))
    found = json.loads((folder / "align" / "gate.json").read_text())
    assert found["wanted"] == gates.GATES["align"]
    assert not found["passed"]
    assert abs(found["measured"]["heard"]) < 0.1
