"""Prompts to token ids, token ids to text.

The recipe's texts may hold special tokens; what a user writes never does: ``<|im_end|>`` typed by a
user is eleven characters, not the end of the turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import CheckpointError, UsageError, first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer as Fast

    from mobileo_export.recipe import Prompts

_REPLACEMENT = "\ufffd"  # what the bytes of half a character decode to


@dataclass(frozen=True)
class Prompt:
    """A prompt's ids, [1, T] int32, and how many tokens of the user's text did not fit."""

    input_ids: NDArray[np.int32]
    cut: int = 0


class Tokenizer:
    """The tokenizer files of a checkpoint or of a bundle's language model; needs no torch."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds the files. Raises CheckpointError when they are missing or damaged."""
        added = tokenizer_files.added_tokens(folder).values()
        self.special = {token.content: token.id for token in added if token.special}
        self._folder = folder

    @cached_property
    def _library(self) -> Fast:
        from tokenizers import Tokenizer as Loader

        content = {**tokenizer_files.fast_content(self._folder), "post_processor": None}
        try:
            loaded: Fast = Loader.from_str(json.dumps(content))
        except Exception as error:  # the library raises plain exceptions of its own
            raise CheckpointError(
                f"{self._folder}: {tokenizer_files.FAST} cannot be read ({first_line(error)}); "
                "copy the tokenizer files of the released checkpoint"
            ) from error
        loaded.encode_special_tokens = True  # what looks like one is text
        return loaded

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text; nothing in it is taken for a special token.

        A token that was added to the vocabulary as a word, not as a special one, is a word.
        """
        ids: list[int] = self._library.encode(text, add_special_tokens=False).ids
        return ids

    def encode(self, parts: Sequence[str | User]) -> list[int]:
        """Ids of the recipe's texts, whose special tokens count, and of a user's, whose do not.

        Text between two special tokens is encoded in one go, whoever wrote it.
        """
        return [token for segment in self._segments(parts) for token in segment]

    def _segments(self, parts: Sequence[str | User]) -> list[list[int]]:
        """The ids between special tokens and those tokens themselves, in order."""
        segments: list[list[int]] = []
        text = ""
        for part in parts:
            if isinstance(part, User):
                text += part.text
                continue
            for piece in self._split.split(part):
                if piece in self.special:
                    segments += [self.encode_text(text), [self.special[piece]]]
                    text = ""
                else:
                    text += piece
        segments.append(self.encode_text(text))
        return segments

    @cached_property
    def _split(self) -> re.Pattern[str]:
        longest_first = sorted(self.special, key=len, reverse=True)
        return re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special tokens are left out."""
        text: str = self._library.decode(list(ids), skip_special_tokens=True)
        return text


@dataclass(frozen=True)
class User:
    """Text that somebody typed."""

    text: str

    def __post_init__(self) -> None:
        check_text(self.text)


def check_text(text: str) -> None:
    """Raise UsageError where a text holds bytes that are no characters of its encoding."""
    try:
        text.encode()
    except UnicodeEncodeError as error:  # Python and JSON can hold half a character
        wrong = ord(text[error.start])
        byte = f"the byte 0x{wrong - 0xDC00:02x}" if 0xDC80 <= wrong <= 0xDCFF else "what"
        raise UsageError(
            f"{byte} after {text[: error.start][-20:]!r} is no character of the text's encoding; "
            "write it in UTF-8 (iconv -f latin1 -t utf-8 converts)"
        ) from None


def check_words(what: str, text: str) -> None:
    """Raise UsageError where there is nothing but space in a text; ``what`` names it."""
    if not text.strip():
        raise UsageError(f"{what} is empty; say in words what you want")


class Prompter:
    """The prompts of the four tasks, as the recipe has them.

    A prompt that is too long loses the end of the user's text, never the template that closes it:
    without the open assistant turn the model does not know that it is to answer.
    """

    def __init__(self, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._tokenizer = tokenizer
        self._prompts = prompts

    def generate(self, caption: str, limit: int) -> Prompt:
        """The prompt that draws ``caption``, at most ``limit`` tokens.

        Raises:
            UsageError: the caption is empty, or there is no room for any of it.
        """
        return self._turn("the caption", "", self._prompts.generate_prefix, caption, limit)

    def edit(self, instruction: str, limit: int, image_tokens: int) -> Prompt:
        """The prompt that edits a picture; its one image token stands for ``image_tokens``.

        Raises:
            UsageError: the instruction is empty, or there is no room for any of it.
        """
        prompts = self._prompts
        room = limit - image_tokens + 1
        image, prefix = prompts.image_prefix, prompts.edit_prefix
        return self._turn("the instruction", image, prefix, instruction, room)

    def ask(self, turns: str | Sequence[str], limit: int, image_tokens: int) -> Prompt:
        """The prompt that asks about a picture, or goes on asking: question, answer, …, question.

        The picture stands before the first question that is left. Where they do not fit, the oldest
        exchanges are left out, then the end of the last question.

        Raises:
            UsageError: the question is empty, or there is no room for any of it.
        """
        asked = [turns] if isinstance(turns, str) else turns
        room = limit - image_tokens + 1
        return self._talk("the question", self._prompts.image_prefix, asked, room)

    def chat(self, turns: Sequence[str], limit: int) -> Prompt:
        """A conversation: user, assistant, user, …, user.

        The oldest exchanges are left out where they do not fit, then the end of the last text.

        Raises:
            UsageError: the last text is empty, or there is no room for any of it.
        """
        return self._talk("the message", "", turns, limit)

    def _talk(self, what: str, image: str, turns: Sequence[str], limit: int) -> Prompt:
        whole = len(self._tokenizer.encode(self._conversation(image, turns)))
        for start in range(0, len(turns), 2):
            ids = self._tokenizer.encode(self._conversation(image, turns[start:]))
            if len(ids) <= limit and turns[-1].strip():
                return Prompt(_array(ids), whole - len(ids))
        last = self._turn(what, image, "", turns[-1], limit)
        return Prompt(last.input_ids, whole - last.input_ids.shape[1])

    def _conversation(self, image: str, turns: Sequence[str]) -> list[str | User]:
        prompts = self._prompts
        opening = prompts.template.replace("{system}", prompts.system)
        parts = _around(opening, [image, User(turns[0])])
        for answer, question in zip(turns[1::2], turns[2::2], strict=True):
            parts += [User(answer), *_around(prompts.next_turn, [User(question)])]
        return parts

    def _turn(self, what: str, image: str, prefix: str, text: str, limit: int) -> Prompt:
        check_words(what, text)
        opening = self._prompts.template.replace("{system}", self._prompts.system)
        encode = self._tokenizer.encode
        ids = encode(_around(opening, [image, prefix, User(text)]))
        if len(ids) <= limit:
            return Prompt(_array(ids))
        bare = len(encode(_around(opening, [image, prefix])))
        if bare >= limit:
            raise UsageError(
                f"{what} has no room: the template takes {bare} of {limit} tokens; "
                "this model takes longer prompts than that only if exported anew"
            )
        low, high = 0, len(text)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            tried = encode(_around(opening, [image, prefix, User(text[:middle])]))
            low, high = (middle, high) if len(tried) <= limit else (low, middle - 1)
        shortened = encode(_around(opening, [image, prefix, User(text[:low])]))
        return Prompt(_array(shortened), len(ids) - len(shortened))


class Streamer:
    """Turns tokens into text as they come; a character whose bytes are incomplete waits."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.ids: list[int] = []
        self._shown = ""

    def push(self, token_id: int) -> str:
        """The text that ``token_id`` completes, possibly none."""
        self.ids.append(token_id)
        text = self._tokenizer.decode(self.ids)
        if text.endswith(_REPLACEMENT):
            return ""
        return self._advance(text)

    def finish(self) -> str:
        """What was still waiting."""
        return self._advance(self._tokenizer.decode(self.ids))

    def _advance(self, text: str) -> str:
        new, self._shown = text[len(self._shown) :], text
        return new


def _around(template: str, user: Sequence[str | User]) -> list[str | User]:
    before, _, after = template.partition("{user}")
    return [before, *user, after]


def _array(ids: Sequence[int]) -> NDArray[np.int32]:
    return np.array([ids], np.int32)
