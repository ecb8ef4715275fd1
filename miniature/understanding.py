"""Stage 0b: the vision-language model that stands for the pretrained FastVLM.

First tower, projector and language model together, in the tower's form of training, with labels
for the cells of its grid beside the cross-entropy; then, on the cached features of the folded
tower, projector and language model alone, which is many times faster.
"""

from __future__ import annotations

import random
from itertools import combinations

import torch
from torch import nn

from miniature import lessons, modules, pictures, texts
from miniature.sizes import Stage
from miniature.texts import Text, Texts
from miniature.trainer import Chance, Workers
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.evaluation import language, scenes
from mobileo_export.evaluation.scenes import Scene
from mobileo_export.recipe import Preprocessing
from mobileo_export.reference.llm import LanguageModel

_TURNS = 4  # questions about one picture in one conversation
_DESCRIBE = 0.2
_CELLS_WEIGHT = 2.0


def about(scene: Scene, rng: random.Random, source: Texts) -> Text:
    """A conversation about a picture."""
    turns = [(q.text, q.answer) for q in language.questions(scene, rng)][:_TURNS]
    if rng.random() < _DESCRIBE:
        place = rng.randrange(len(turns))
        turns[place] = ("Describe the picture.", lessons.full_caption(scene))
    return source.conversation(turns, image=True)


def without_picture(rng: random.Random, source: Texts) -> Text:
    """Small talk, or a prompt to draw."""
    if rng.random() < 0.5:
        return source.conversation(lessons.talk(rng), image=False)
    return source.generate(lessons.caption(lessons.trainable(rng), rng))


@torch.no_grad()
def told_apart(reader: LanguageModel, source: Texts) -> float:
    """How far apart hidden states of prompts are that differ in one word, in parts of their size.

    ‖a − b‖ / ‖a‖ of the mean of the layers that the MCP reads, at the token where it is largest; of
    all pairs of shapes and of colors the smallest.
    """
    prompts = [
        [f"a red {shape} on a white background" for shape in scenes.SHAPES],
        [f"a {color} circle on a white background" for color in scenes.COLORS],
    ]
    found = []
    for kind in prompts:
        said = [source.generate(prompt) for prompt in kind]
        hidden, _ = texts.hidden_states(reader, said, source.image_token_id, None)
        for one, other in combinations(hidden.mean(1), 2):
            found.append(float(((one - other).norm(dim=-1) / one.norm(dim=-1)).max()))
    return min(found)


class Seeing:
    """The first half of 0b."""

    name = "vlm"

    def __init__(
        self,
        model: ModelConfig,
        stage: Stage,
        workers: Workers,
        source: Texts,
        preprocessing: Preprocessing,
    ) -> None:
        self.stage = stage
        module = modules.VisionLanguage(model, source.image_token_id)
        module.vision.to(memory_format=torch.channels_last)  # a fifth faster
        self.trained: nn.Module = module
        self._source, self._preprocessing = source, preprocessing
        self._batch = stage.batch // workers.count
        self._side = model.vision.image_size // model.vision.stride

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """One batch of pictures with conversations, and half as many texts without."""
        del step
        rng, module = chance.choose, self.trained
        assert isinstance(module, modules.VisionLanguage)
        drawn = [lessons.trainable(rng) for _ in range(self._batch)]
        features = module.vision(pictures.inputs(drawn, self._preprocessing))
        said = [about(scene, rng, self._source) for scene in drawn]
        said += [without_picture(rng, self._source) for _ in range(self._batch // 2)]
        ids, weights, _ = texts.pad(said)
        embeddings = texts.embed(module.language, ids, self._source.image_token_id, features)
        words, right = texts.cross_entropy(module.language, embeddings, ids, weights)
        cells = nn.functional.binary_cross_entropy_with_logits(
            module.cells(features), pictures.cells(drawn, self._side)
        )
        return {
            "loss": words + _CELLS_WEIGHT * cells,
            "words": words.detach(),
            "cells": cells.detach(),
            "right": right,
        }


class Answering:
    """The second half of 0b: ``features`` [P, M, F] are those of ``drawn``."""

    name = "answers"

    def __init__(
        self,
        stage: Stage,
        workers: Workers,
        source: Texts,
        module: nn.Module,
        drawn: list[Scene],
        features: torch.Tensor,
    ) -> None:
        self.stage, self.trained = stage, module
        self._source, self._drawn, self._features = source, drawn, features
        self._batch = stage.batch // workers.count

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """Half conversations about pictures, an eighth edits of them, the rest without."""
        del step
        rng, module = chance.choose, self.trained
        said, chosen = [], []
        for place in range(self._batch):
            if place % 8 > 4:
                said.append(without_picture(rng, self._source))
                continue
            index = rng.randrange(len(self._drawn))
            chosen.append(index)
            scene = self._drawn[index]
            if place % 8 == 4:
                said.append(self._source.edit(language.edits(scene, rng)[0].text))
            else:
                said.append(about(scene, rng, self._source))
        ids, weights, _ = texts.pad(said)
        features = self._features[chosen].float()
        embeddings = texts.embed(module, ids, self._source.image_token_id, features)  # type: ignore[arg-type]
        words, right = texts.cross_entropy(module, embeddings, ids, weights)  # type: ignore[arg-type]
        return {"loss": words, "right": right}
