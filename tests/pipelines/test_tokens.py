"""Prompts against the tokenizer's own chat template, and texts that try to be more than text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.pipelines.tokens import Prompt, Prompter, Streamer, Tokenizer, User

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = recipe.Prompts()
TEXTS = [
    "a photo of a cat",
    "  two  spaces, a tab\tand a newline\n",
    "naïve café, e\u0301 decomposed, 日本語, العربية, 👩‍👩‍👧‍👦",
    "1234567890 3.14 x=y+z; #include <stdio.h>",
    "a" * 300,
]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Tokenizer:
    return Tokenizer(tiny_checkpoint)


@pytest.fixture(scope="module")
def prompter(tokenizer: Tokenizer) -> Prompter:
    return Prompter(tokenizer, PROMPTS)


@pytest.fixture(scope="module")
def transformers_tokenizer(tiny_checkpoint: Path) -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(str(tiny_checkpoint))


def templated(tokenizer: Any, *turns: str) -> list[int]:
    """The ids of a conversation by the tokenizer's own chat template."""
    roles = ("user", "assistant")
    messages = [{"role": "system", "content": PROMPTS.system}]
    messages += [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("text", TEXTS)
def test_prompts_equal_the_chat_template(
    prompter: Prompter, transformers_tokenizer: Any, text: str
) -> None:
    def template(*turns: str) -> list[int]:
        return templated(transformers_tokenizer, *turns)

    generate = prompter.generate(text, 10_000)
    assert generate.input_ids[0].tolist() == template(PROMPTS.generate_prefix + text)
    assert generate.cut == 0
    edit = prompter.edit(text, 10_000, 16)
    assert edit.input_ids[0].tolist() == template("<image>\n" + PROMPTS.edit_prefix + text)
    ask = prompter.ask(text, 10_000, 16)
    assert ask.input_ids[0].tolist() == template("<image>\n" + text)
    chat = prompter.chat(["Hello.", "Hi!", text], 10_000)
    assert chat.input_ids[0].tolist() == template("Hello.", "Hi!", text)


def test_a_prompt_with_a_picture_holds_one_image_token(
    prompter: Prompter, tokenizer: Tokenizer
) -> None:
    image = tokenizer.special[tokenizer_files.IMAGE_TOKEN]
    for prompt in (prompter.ask("what?", 99, 16), prompter.edit("blue", 99, 16)):
        assert (prompt.input_ids == image).sum() == 1
    assert (prompter.generate("<image>", 99).input_ids != image).all()


@pytest.mark.parametrize("token", ["<|im_end|>", "<|im_start|>", "<image>", "<|endoftext|>"])
def test_what_a_user_types_is_never_a_special_token(
    prompter: Prompter, tokenizer: Tokenizer, token: str
) -> None:
    plain = prompter.generate("a cat", 999).input_ids[0].tolist()
    typed = prompter.generate(f"a {token} cat", 999).input_ids[0].tolist()
    for special in tokenizer.special.values():
        assert typed.count(special) == plain.count(special)
    assert tokenizer.decode(typed).count(token) == 1


def test_text_around_a_boundary_is_encoded_in_one_go(tokenizer: Tokenizer) -> None:
    """ "caption: " and "a" meet in the token " a"; two halves would give others."""
    joined = tokenizer.encode(["caption: ", User("a photo")])
    assert joined == tokenizer.encode_text("caption: a photo")
    assert joined != tokenizer.encode_text("caption: ") + tokenizer.encode_text("a photo")


def check_closing_template(make: Callable[[str, int], Prompt], tokenizer: Tokenizer) -> None:
    """A prompt cut to 40 tokens still opens the assistant's turn."""
    closing = tokenizer.encode(["<|im_end|>\n<|im_start|>assistant\n"])
    long = make("one two three four " * 30, 44)
    ids = long.input_ids[0].tolist()
    assert len(ids) <= 44
    assert ids[-len(closing) :] == closing
    assert long.cut > 0


def test_truncation_keeps_the_closing_template(prompter: Prompter, tokenizer: Tokenizer) -> None:
    check_closing_template(prompter.generate, tokenizer)
    check_closing_template(lambda text, limit: prompter.ask(text, limit + 15, 16), tokenizer)
    check_closing_template(lambda text, limit: prompter.chat([text], limit), tokenizer)


def test_head_only_truncation_is_caught(prompter: Prompter, tokenizer: Tokenizer) -> None:
    def head(text: str, limit: int) -> Prompt:
        whole = prompter.generate(text, 10_000)
        return Prompt(whole.input_ids[:, :limit], whole.input_ids.shape[1] - limit)

    with pytest.raises(AssertionError):
        check_closing_template(head, tokenizer)


def test_truncation_fills_the_room_and_counts_what_it_cut(
    prompter: Prompter, tokenizer: Tokenizer
) -> None:
    text = "three dogs and two cats " * 20
    whole = prompter.generate(text, 10_000).input_ids.shape[1]
    for limit in range(45, 60):
        short = prompter.generate(text, limit)
        assert limit - 3 <= short.input_ids.shape[1] <= limit
        assert short.cut == whole - short.input_ids.shape[1]


def test_a_cut_never_leaves_half_a_character(prompter: Prompter, tokenizer: Tokenizer) -> None:
    for limit in range(45, 70):
        prompt = prompter.generate("日本語🙂" * 30, limit)
        assert "\ufffd" not in tokenizer.decode(prompt.input_ids[0].tolist())


def test_a_conversation_forgets_its_beginning_first(
    prompter: Prompter, transformers_tokenizer: Any
) -> None:
    turns = ["one " * 20, "two " * 20, "three", "four", "five"]
    whole = prompter.chat(turns, 10_000)
    rest = templated(transformers_tokenizer, *turns[2:])
    short = prompter.chat(turns, len(rest))
    assert short.input_ids[0].tolist() == rest
    assert short.cut == whole.input_ids.shape[1] - len(rest)
    last = prompter.chat(turns, len(rest) - 1)
    assert last.input_ids[0].tolist() == templated(transformers_tokenizer, "five")


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_text_is_refused(prompter: Prompter, text: str) -> None:
    with pytest.raises(UsageError, match="the caption is empty; say in words what you want"):
        prompter.generate(text, 99)
    with pytest.raises(UsageError, match="the instruction is empty"):
        prompter.edit(text, 99, 16)
    with pytest.raises(UsageError, match="the question is empty"):
        prompter.ask(text, 99, 16)
    with pytest.raises(UsageError, match="the message is empty"):
        prompter.chat(["hello", "hi", text], 99)


def test_no_room_at_all_is_said(prompter: Prompter) -> None:
    with pytest.raises(UsageError, match="the caption has no room: the template takes"):
        prompter.generate("a cat", 10)
    with pytest.raises(UsageError, match="the question has no room"):
        prompter.ask("what?", 30, 29)


def test_streamed_text_is_the_whole_text(tokenizer: Tokenizer) -> None:
    text = "naïve 日本語 👩‍👩‍👧 end"
    streamer = Streamer(tokenizer)
    pieces = [streamer.push(token) for token in tokenizer.encode_text(text)]
    assert "".join(pieces) + streamer.finish() == text
    assert all("\ufffd" not in piece for piece in pieces)
    assert "" in pieces  # a character of several tokens waited


def test_bytes_that_are_no_text_come_at_the_end(tokenizer: Tokenizer) -> None:
    half = tokenizer.encode_text("日")[:-1]
    streamer = Streamer(tokenizer)
    assert "".join(map(streamer.push, half)) == ""
    assert streamer.finish() == "\ufffd"


def test_slow_files_give_the_same_ids(
    tiny_copy: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tiny_copy / tokenizer_files.FAST).unlink()
    slow = Tokenizer(tiny_copy)
    for text in TEXTS:
        assert slow.encode(["<|im_start|>", User(text)]) == tokenizer.encode(
            ["<|im_start|>", User(text)]
        )


def test_a_damaged_tokenizer_is_named(tiny_copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_copy, folder)
    fast = folder / tokenizer_files.FAST
    content = json.loads(fast.read_text())
    content["model"]["merges"].append(["no", "such"])
    fast.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="tokenizer.json cannot be read"):
        Tokenizer(folder).encode_text("hello")
    with pytest.raises(CheckpointError, match="no tokenizer_config.json"):
        Tokenizer(tmp_path)
