"""Stage 3: quadruplets of prompt, image, question and answer; drawing and answering together."""

from __future__ import annotations

import torch
from torch import nn

from miniature import drawing, lora, texts, understanding
from miniature.drawing import Batch, Library
from miniature.modules import Drawer
from miniature.sizes import Stage
from miniature.texts import Texts
from miniature.trainer import Chance, Workers
from mobileo_export.reference.llm import LanguageModel

# As published: flow matching and cross-entropy.
FLOW_WEIGHT, WORDS_WEIGHT = 1.0, 0.2


class Joint(nn.Module):
    """What learns: the LLM through adapters, its projector, MCP and DiT."""

    def __init__(self, language: LanguageModel, drawer: Drawer) -> None:
        super().__init__()
        self.language = lora.attach(language)
        self.language.projector.requires_grad_(True)
        self.drawer = drawer.requires_grad_(True)


class Joining:
    """The task of stage 3; ``features`` are those of the library's scenes."""

    name = "joint"

    def __init__(
        self,
        stage: Stage,
        workers: Workers,
        source: Texts,
        module: Joint,
        library: Library,
        features: torch.Tensor,
    ) -> None:
        self.stage, self.trained = stage, module
        self._source, self._library, self._features = source, library, features
        self._batch = stage.batch // workers.count

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """One batch of prompts to draw, and half as many pictures to answer about."""
        del step
        rng, module, source = chance.choose, self.trained, self._source
        assert isinstance(module, Joint)
        batch = Batch.choose(self._library, self._batch, rng, source, drawing.CAPTIONS["tune"])
        hidden, lengths = texts.hidden_states(
            module.language, batch.said, source.image_token_id, batch.features
        )
        flow = drawing.flow_loss(module.drawer, batch.latents, hidden, lengths, chance)
        chosen = [rng.randrange(len(self._library.drawn)) for _ in range(self._batch // 2)]
        said = [understanding.about(self._library.drawn[i], rng, source) for i in chosen]
        said += [understanding.without_picture(rng, source) for _ in range(self._batch // 4)]
        ids, weights, _ = texts.pad(said)
        embeddings = texts.embed(
            module.language, ids, source.image_token_id, self._features[chosen].float()
        )
        words, right = texts.cross_entropy(module.language, embeddings, ids, weights)
        return {
            "loss": FLOW_WEIGHT * flow + WORDS_WEIGHT * words,
            "flow": flow.detach(),
            "words": words.detach(),
            "right": right,
        }
