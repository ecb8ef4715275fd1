"""Texts as the pipelines send them: token ids, and how much each counts in the cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from miniature import lessons
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.pipelines.tokens import Prompter, Tokenizer, User
from mobileo_export.random_checkpoint import tokenizer
from mobileo_export.recipe import Prompts
from mobileo_export.reference.llm import LanguageModel

# What a user writes is learned too, a little: it makes the model look back over the words.
USER_WEIGHT = 0.2
_LONG = 1 << 16


@dataclass(frozen=True)
class Text:
    """Token ids, the image token repeated once a feature, and the weight of each as a target."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


class Texts:
    """Makes training texts; ``folder`` holds the tokenizer."""

    def __init__(self, folder: Path, image_tokens: int) -> None:
        self._tokenizer = Tokenizer(folder)
        self._prompts = Prompts()
        self._prompter = Prompter(self._tokenizer, self._prompts)
        special = tokenizer_files.special_ids(folder)
        self.image_token_id = special.image_token_id
        self._end = special.im_end_id
        self._image_tokens = image_tokens

    @lru_cache(maxsize=1 << 16)  # noqa: B019 - one instance a process
    def generate(self, caption: str) -> Text:
        """The prompt that draws a caption."""
        return self._weighted(
            self._prompter.generate(caption, _LONG).input_ids[0].tolist(), caption
        )

    @lru_cache(maxsize=1 << 16)  # noqa: B019
    def edit(self, instruction: str) -> Text:
        """The prompt that edits a picture."""
        ids = self._prompter.edit(instruction, _LONG, 1).input_ids[0].tolist()
        return self._weighted(self._spread(ids), instruction)

    def conversation(self, turns: Sequence[tuple[str, str]], image: bool) -> Text:
        """Questions and answers in turn; with ``image``, about one picture."""
        ids: list[int] = []
        weights: list[float] = []
        prompts = self._prompts
        for index, (question, answer) in enumerate(turns):
            if index == 0:
                opening = prompts.template.replace("{system}", prompts.system)
                before, _, after = opening.partition("{user}")
                lead = prompts.image_prefix if image else ""
                turn = self._encode((before, lead, User(question), after))
            else:
                before, _, after = prompts.next_turn.partition("{user}")
                # The token that ended the last answer opens this text.
                turn = self._encode((before, User(question), after))[1:]
            answered = [*self._encode((User(answer),)), self._end]
            ids += [*turn, *answered]
            weights += [0.0] * len(turn) + [1.0] * len(answered)
        spread = self._spread(ids)
        extra = len(spread) - len(ids)
        return Text(tuple(spread), (0.0,) * extra + tuple(weights))

    @lru_cache(maxsize=1 << 16)  # noqa: B019
    def _encode(self, parts: tuple[str | User, ...]) -> list[int]:
        return self._tokenizer.encode(parts)

    def _spread(self, ids: list[int]) -> list[int]:
        spread: list[int] = []
        for token in ids:
            spread += [token] * (self._image_tokens if token == self.image_token_id else 1)
        return spread

    def _weighted(self, ids: list[int], user: str) -> Text:
        """The user's words count; what closes the turn and the template do not."""
        words = len(self._tokenizer.encode_text(user))
        closing = len(self._encode((self._prompts.template.partition("{user}")[2],)))
        end = len(ids) - closing
        weights = [USER_WEIGHT if end - words <= i < end else 0.0 for i in range(len(ids))]
        return Text(tuple(ids), tuple(weights))


def write_tokenizer(folder: Path, vocab_size: int) -> None:
    """The miniature's tokenizer: bytes, merges of its own sentences, the six special tokens."""
    prompts = Prompts()
    fixed = [prompts.system, prompts.generate_prefix, prompts.edit_prefix, "user", "assistant"]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.write_small(folder, vocab_size, [*lessons.sentences(), *fixed * 3000])


def pad(texts: Sequence[Text]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Ids and weights, [B, N] each, zeros at the end, and the lengths."""
    lengths = [len(text.ids) for text in texts]
    ids = torch.zeros(len(texts), max(lengths), dtype=torch.long)
    weights = torch.zeros(len(texts), max(lengths))
    for row, text in enumerate(texts):
        ids[row, : lengths[row]] = torch.tensor(text.ids)
        weights[row, : lengths[row]] = torch.tensor(text.weights)
    return ids, weights, lengths


def embed(
    module: LanguageModel,
    ids: torch.Tensor,
    image_token_id: int,
    features: torch.Tensor | None,
) -> torch.Tensor:
    """Embeddings [B, N, d]; ``features`` [P, M, F] fill the image tokens, row after row."""
    embeddings: torch.Tensor = module.language_model.model.embed_tokens(ids)
    if features is None:
        return embeddings
    projected: torch.Tensor = module.projector(features)
    places = (ids == image_token_id).unsqueeze(-1).expand_as(embeddings)
    return embeddings.masked_scatter(places, projected)


def cross_entropy(
    module: LanguageModel, embeddings: torch.Tensor, ids: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted loss of the next token, and the share of answer tokens that is right."""
    # Padding is at the end, where causal attention does not see it.
    hidden = module.language_model.model(inputs_embeds=embeddings, use_cache=False)[0]
    targets, weights = ids[:, 1:], weights[:, 1:]
    counts = weights > 0
    logits = module.language_model.lm_head(hidden[:, :-1][counts])
    every = nn.functional.cross_entropy(logits, targets[counts], reduction="none")
    answers = weights[counts] == 1
    right = (logits.detach().argmax(-1) == targets[counts])[answers].float().mean()
    return (every * weights[counts]).sum() / weights.sum(), right


def hidden_states(
    module: LanguageModel,
    texts: Sequence[Text],
    image_token_id: int,
    features: torch.Tensor | None,
) -> tuple[torch.Tensor, list[int]]:
    """The last K hidden states [B, K, N, d] of prompts, as the MCP takes them; and the lengths."""
    ids, _, lengths = pad(texts)
    embeddings = embed(module, ids, image_token_id, features)
    output = module.language_model.model(
        inputs_embeds=embeddings, use_cache=False, output_hidden_states=True
    )
    return torch.stack(output.hidden_states[-module.num_layers :], dim=1), lengths
