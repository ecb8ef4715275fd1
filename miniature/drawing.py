"""Stages 1 and 2: DiT and MCP learn to draw what the frozen language model has read.

Flow matching as the release trains it: x_σ = (1 − σ)·x + σ·ε, target ε − x. The release draws σ
uniformly; here it is shifted as in sampling.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from miniature import lessons, modules, texts
from miniature.modules import Drawer
from miniature.pictures import EditPair
from miniature.sizes import Stage
from miniature.texts import Text, Texts
from miniature.trainer import Chance, Workers
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.evaluation.scenes import Scene
from mobileo_export.reference.llm import LanguageModel

# Of the conditions; ours: the release dropped none.
DROPPED = 0.1
_TIMESTEPS = 1000
# What a prompt says is decided in noise, where sampling, too, takes most of its steps.
_SHIFT = 3.0


@dataclass(frozen=True)
class Library:
    """What is drawn: scenes and edits, their latents (scaled to unit size), features of sources."""

    drawn: list[Scene]
    latents: torch.Tensor
    edits: list[EditPair]
    edited: torch.Tensor  # latents of the results
    sources: torch.Tensor  # features of the sources


@dataclass(frozen=True)
class Captions:
    """What a stage is told of the pictures that it shall draw, and which it draws.

    ``edits`` is the share of prompts that change a picture, ``easy`` that of the singles and
    groups, once chosen, that is drawn.
    """

    say: Callable[[Scene, random.Random], str]
    edits: float
    easy: float = 1.0

    def choose(self, drawn: Sequence[Scene], rng: random.Random) -> int:
        """The index of a scene."""
        while True:
            index = rng.randrange(len(drawn))
            if self.easy == 1 or drawn[index].kind == "pair" or rng.random() < self.easy:
                return index


CAPTIONS = {
    "align": Captions(lambda scene, rng: lessons.full_caption(scene), edits=0.0),
    "tune": Captions(lessons.prompt, edits=0.4, easy=0.45),  # pairs are hardest
}


@dataclass(frozen=True)
class Batch:
    """Prompts, what they shall draw, and the features that some of them begin with."""

    said: list[Text]
    latents: torch.Tensor
    features: torch.Tensor | None

    @classmethod
    def choose(
        cls,
        library: Library,
        size: int,
        rng: random.Random,
        source: Texts,
        captions: Captions,
    ) -> Batch:
        """``size`` prompts, edits last."""
        edited = sum(rng.random() < captions.edits for _ in range(size))
        chosen = [captions.choose(library.drawn, rng) for _ in range(size - edited)]
        said = [source.generate(captions.say(library.drawn[i], rng)) for i in chosen]
        pairs = [rng.randrange(len(library.edits)) for _ in range(edited)]
        said += [source.edit(library.edits[i].edit.text) for i in pairs]
        latents = torch.cat([library.latents[chosen], library.edited[pairs]])
        return cls(said, latents, library.sources[pairs].float() if pairs else None)


class Drawing:
    """Stage 1 (``align``) or stage 2 (``tune``)."""

    def __init__(
        self,
        name: str,
        model: ModelConfig,
        stage: Stage,
        workers: Workers,
        source: Texts,
        reader: LanguageModel,
        library: Library,
        annealed: tuple[float, float],
    ) -> None:
        """``annealed``: the part of the temperature's way down that this stage goes."""
        self.name, self.stage = name, stage
        self.trained: nn.Module = Drawer(model)
        self._source, self._reader, self._library = source, reader.eval(), library
        self._batch = stage.batch // workers.count
        self._annealed = annealed

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """One batch."""
        drawer = self.trained
        assert isinstance(drawer, Drawer)
        begin, end = self._annealed
        progress = begin + (end - begin) * (step + 1) / self.stage.steps
        drawer.mcp.temperature.fill_(temperature(progress))
        batch = Batch.choose(
            self._library, self._batch, chance.choose, self._source, CAPTIONS[self.name]
        )
        with torch.no_grad():
            hidden, lengths = texts.hidden_states(
                self._reader, batch.said, self._source.image_token_id, batch.features
            )
        return {"loss": flow_loss(drawer, batch.latents, hidden, lengths, chance)}


def flow_loss(
    drawer: modules.Drawer,
    latents: torch.Tensor,
    hidden: torch.Tensor,
    lengths: list[int],
    chance: Chance,
) -> torch.Tensor:
    """Squared error of the velocity at a random time, a tenth of the conditions dropped.

    Times are σ = s·u / (1 + (s − 1)·u) of uniform u, s the shift of the sampler's schedule.
    """
    count = len(lengths)
    noise = torch.randn(latents.shape, generator=chance.noise)
    uniform = torch.randint(1, _TIMESTEPS, (count,), generator=chance.noise) / _TIMESTEPS
    times = _SHIFT * uniform / (1 + (_SHIFT - 1) * uniform)
    sigma = times.view(-1, 1, 1, 1)
    kept = torch.rand(count, generator=chance.noise) >= DROPPED
    velocity = drawer(
        (1 - sigma) * latents + sigma * noise,
        times * _TIMESTEPS,
        hidden * kept.view(-1, 1, 1, 1),
        lengths,
    )
    loss: torch.Tensor = (velocity - (noise - latents)).square().mean()
    return loss


@torch.no_grad()
def heard(
    drawer: Drawer, reader: LanguageModel, source: Texts, drawn: list[Scene], latents: torch.Tensor
) -> float:
    """How much better the velocity is for the right prompt than for another's: 1 − e/e'.

    e and e' are squared errors in near noise (σ 0.9), where only the prompt tells what there will
    be; 0 of a model that draws without listening. ``latents`` are those of ``drawn``, at unit size.
    """
    said = [source.generate(lessons.full_caption(scene)) for scene in drawn]
    hidden, lengths = texts.hidden_states(reader, said, source.image_token_id, None)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    sigma = 0.9
    noisy, times = (1 - sigma) * latents + sigma * noise, torch.full((len(said),), sigma)

    def error(order: list[int]) -> float:
        velocity = drawer(noisy, times * _TIMESTEPS, hidden[order], [lengths[i] for i in order])
        return float((velocity - (noise - latents)).square().mean())

    own = list(range(len(said)))
    return 1 - error(own) / error(own[1:] + own[:1])


def temperature(progress: float) -> float:
    """The paper's annealing of the MCP's temperature, from 2 down to 0.5."""
    return 0.5 + 1.5 * 0.5 * (1 + math.cos(math.pi * progress))
