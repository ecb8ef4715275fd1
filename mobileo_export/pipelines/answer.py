"""Picture and question to text, and conversation: prompts that the language model goes on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mobileo_export.errors import UsageError
from mobileo_export.pipelines import noise, sampling
from mobileo_export.pipelines.generate import see
from mobileo_export.pipelines.model import Event, Model, Observe
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.pipelines.tokens import Prompt, Streamer
from mobileo_export.progress import OnProgress, Progress, ignore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.recipe import Recipe
    from mobileo_export.runtimes.base import Array, LanguageModelSession

OnText = Callable[[str], None]


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. :meth:`of` fills in a recipe's numbers and checks them.

    Attributes:
        temperature: 0 takes the most probable token each time.
        top_p: only the most probable tokens that together reach this share take part.
        max_new_tokens: the longest answer.
        seed: of the random numbers, 0 to 2⁶⁴ − 1; without effect at temperature 0.
    """

    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int = 0

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        temperature: float | None = None,
        top_p: float | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
    ) -> Sampling:
        """The recipe's numbers where none are given.

        Raises:
            UsageError: one of them is out of range.
        """
        text = recipe.text
        temperature = text.temperature if temperature is None else temperature
        top_p = text.top_p if top_p is None else top_p
        longest = text.max_new_tokens if max_new_tokens is None else max_new_tokens
        sampling.check(temperature, top_p)
        noise.check_seed(seed)
        if longest < 1:
            raise UsageError(f"{longest} new tokens: choose at least 1")
        return cls(temperature, top_p, longest, seed)


@dataclass(frozen=True)
class Answer:
    """What the model said, and why it stopped there.

    Attributes:
        text: without special tokens.
        token_ids: what was sampled, the stop token excluded.
        ended: ``stop`` at a stop token, ``length`` at the limit.
        input_ids: the prompt, [1, T].
        cut: tokens of the user's text, or of the conversation, that did not fit.
    """

    text: str
    token_ids: tuple[int, ...]
    ended: Literal["stop", "length"]
    input_ids: NDArray[np.int32]
    cut: int


def ask(
    model: Model,
    photo: NDArray[np.uint8],
    question: str,
    how: Sampling | None = None,
    on_text: OnText = lambda text: None,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Answer:
    """Answer a question about ``photo`` [H, W, 3] uint8; ``on_text`` gets the text as it comes.

    Raises:
        UsageError: the question is empty, or a number is out of range.
        BundleError: a component is missing or damaged.
    """
    model.require(*NEEDS["ask"])
    how = how or Sampling.of(model.recipe)
    prompt = model.prompter.ask(question, room(model, how), model.recipe.preprocessing.num_tokens)
    features = see(model, photo, progress, observe)
    return respond(model, prompt, features, how, on_text, progress, observe)


@dataclass
class Chat:
    """A conversation in text. ``turns`` alternates between the user and the model."""

    model: Model
    how: Sampling
    turns: list[str] = field(default_factory=list)

    def send(
        self,
        message: str,
        on_text: OnText = lambda text: None,
        progress: OnProgress = ignore,
        observe: Observe = ignore,
    ) -> Answer:
        """The model's answer to ``message`` and to all that was said before.

        What was said stays as it was if this fails or is interrupted.

        Raises:
            UsageError: the message is empty, or a number is out of range.
            BundleError: the language model is missing or damaged.
        """
        self.model.require(*NEEDS["chat"])
        turns = [*self.turns, message]
        prompt = self.model.prompter.chat(turns, room(self.model, self.how))
        answer = respond(self.model, prompt, None, self.how, on_text, progress, observe)
        self.turns = [*turns, answer.text]
        return answer


def respond(
    model: Model,
    prompt: Prompt,
    features: NDArray[np.float32] | None,
    how: Sampling,
    on_text: OnText = lambda text: None,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Answer:
    """Go on with ``prompt`` until a stop token or the limit."""
    with model.language_model(progress) as llm:
        logits = read(llm, prompt, features, progress, observe)
        return write(model, prompt, logits, how, llm.step, on_text, observe)


def read(
    llm: LanguageModelSession,
    prompt: Prompt,
    features: NDArray[np.float32] | None,
    progress: OnProgress = ignore,
    observe: Observe = ignore,
) -> Array:
    """Read a prompt from its beginning; the last position's logits [1, V]."""
    given = {} if features is None else {"image_features": features}
    progress(Progress("llm", "reading", 0, 1))
    hidden_states, logits = llm.prefill(prompt.input_ids, features)
    progress(Progress("llm", "reading", 1, 1))
    inputs = {"input_ids": prompt.input_ids, **given}
    outputs = {"stacked_hidden_states": hidden_states, "logits": logits}
    observe(Event("llm", {**inputs, **outputs}))
    return logits


def write(
    model: Model,
    prompt: Prompt,
    logits: Array,
    how: Sampling,
    step: Callable[[int], Array],
    on_text: OnText = lambda text: None,
    observe: Observe = ignore,
) -> Answer:
    """An answer behind ``prompt`` and its last ``logits``; ``step`` goes on with a token."""
    uniform = noise.Uniform(how.seed)
    stops = frozenset(model.recipe.text.stop_token_ids)
    streamer = Streamer(model.tokenizer)
    ended: Literal["stop", "length"] = "length"
    for place in range(how.max_new_tokens):
        token = sampling.choose(logits, how.temperature, how.top_p, uniform)
        chosen = {"logits": logits, "token_id": np.array([token], np.int32)}
        observe(Event("sampled", chosen, step=place))
        if token in stops:
            ended = "stop"
            break
        if text := streamer.push(token):
            on_text(text)
        if place + 1 < how.max_new_tokens:
            logits = step(token)
    if text := streamer.finish():
        on_text(text)
    return Answer(
        model.tokenizer.decode(streamer.ids),
        tuple(streamer.ids),
        ended,
        prompt.input_ids,
        prompt.cut,
    )


def room(model: Model, how: Sampling) -> int:
    """Positions left for a prompt when the longest answer shall fit behind it."""
    left = model.longest_text - how.max_new_tokens
    if left < 1:
        raise UsageError(
            f"{how.max_new_tokens} new tokens: the model has {model.longest_text} positions, "
            "prompt included"
        )
    return left
