"""Questions about one picture, one after the other: each costs its own tokens only."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from mobileo_export.pipelines import answer
from mobileo_export.pipelines.answer import Answer, OnText, Sampling
from mobileo_export.pipelines.generate import see
from mobileo_export.pipelines.model import Model, Observe
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.progress import OnProgress, ignore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array, LanguageModelSession


class VisualDialog:
    """A dialog about ``photo`` [H, W, 3] uint8; ``turns`` alternates between user and model.

    The picture is seen once. Between two answers the language model stays open with all that it has
    read, and a further question goes on from there. A prompt depends on the texts alone: what fails
    or is interrupted, or no longer fits with its oldest exchanges, is read anew, with the same
    tokens.

    A context manager: leaving it closes the language model.
    """

    def __init__(self, model: Model, photo: NDArray[np.uint8], how: Sampling | None = None) -> None:
        self.model, self.how = model, how or Sampling.of(model.recipe)
        self.turns: list[str] = []
        self._photo = photo
        self._features: NDArray[np.float32] | None = None
        self._llm: LanguageModelSession | None = None
        self._read: list[int] = []
        self._open = ExitStack()

    def ask(
        self,
        question: str,
        on_text: OnText = lambda text: None,
        progress: OnProgress = ignore,
        observe: Observe = ignore,
    ) -> Answer:
        """The answer to ``question`` and to all that was said before.

        What was said stays as it was if this fails or is interrupted.

        Raises:
            UsageError: the question is empty, or a number is out of range.
            BundleError: a component is missing or damaged.
        """
        self.model.require(*NEEDS["ask"])
        turns = [*self.turns, question]
        tokens = self.model.recipe.preprocessing.num_tokens
        prompt = self.model.prompter.ask(turns, answer.room(self.model, self.how), tokens)
        ids = prompt.input_ids[0].tolist()
        if self._features is None:
            self._features = see(self.model, self._photo, progress, observe)
        try:
            known = len(self._read)
            if self._llm is not None and known < len(ids) and ids[:known] == self._read:
                logits = self._extend(self._llm, ids[known:])
            else:
                self._llm = self._llm or self._beside(progress)
                logits = answer.read(self._llm, prompt, self._features, progress, observe)
            self._read = ids
            said = answer.write(self.model, prompt, logits, self.how, self._step, on_text, observe)
        except BaseException:
            self.close()  # nobody knows what it has read
            raise
        self.turns = [*turns, said.text]
        return said

    def close(self) -> None:
        """Give the language model back; another question opens it, and reads everything anew."""
        self._llm, self._read = None, []
        self._open.close()

    def __enter__(self) -> VisualDialog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _beside(self, progress: OnProgress) -> LanguageModelSession:
        """A session of our own: nobody else's prompt comes between two questions."""
        llm = self._open.enter_context(self.model.language_model(progress))
        if self.model.keep:  # then others are given the same session
            llm = llm.beside()
            self._open.callback(llm.close)
        return llm

    def _step(self, token: int) -> Array:
        assert self._llm is not None
        logits = self._llm.step(token)
        self._read.append(token)
        return logits

    @staticmethod
    def _extend(llm: LanguageModelSession, ids: list[int]) -> Array:
        for token in ids:
            logits = llm.step(token)
        return logits
