"""Chat templates: those that are known give the recipe's text, others are said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import recipe
from mobileo_export.checkpoint import chat_template, tokenizer_files
from mobileo_export.errors import CheckpointError
from mobileo_export.random_checkpoint import tokenizer as random_tokenizer
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "{% for m in messages %}USER: {{ m['content'] }}\n{% endfor %}"
# Qwen2-Instruct's own, from its tokenizer_config.json.
QWEN2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tiny tokenizer and nothing else."""
    random_tokenizer.write_small(tmp_path, 512)
    return tmp_path


@pytest.mark.parametrize("template", [QWEN2, *chat_template.RECIPES])
def test_a_known_template_renders_the_recipe(folder: Path, template: str) -> None:
    """By transformers' own renderer."""
    transformers = pytest.importorskip("transformers")
    surgery.configure(folder, {"chat_template": template}, "tokenizer_config.json")
    assert tokenizer_files.check(folder) == ()
    prompts = recipe.Prompts()
    turns = ["Hello.", "Hi!", "What is it?"]
    messages = [{"role": "system", "content": prompts.system}]
    messages += [
        {"role": role, "content": turn}
        for role, turn in zip(("user", "assistant", "user"), turns, strict=True)
    ]
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    opening = prompts.template.replace("{system}", prompts.system).replace("{user}", turns[0])
    assert text == opening + turns[1] + prompts.next_turn.replace("{user}", turns[2])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", OTHER),
        ("tokenizer_config.json", [{"name": "default", "template": QWEN2}, {"name": "rag"}]),
        ("tokenizer_config.json", [7]),
        ("chat_template.jinja", OTHER),
        ("chat_template.json", {"chat_template": OTHER}),
        ("additional_chat_templates/tools.jinja", OTHER),
    ],
)
def test_another_template_is_said(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if name == "tokenizer_config.json":
        surgery.configure(folder, {"chat_template": content}, name)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    (warning,) = tokenizer_files.check(folder)
    assert warning.startswith(name)
    assert "is not the template of Qwen2: Mobile-O applies none" in warning


def test_a_template_that_says_the_same_is_none(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(QWEN2 + "\n")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": QWEN2}))
    assert tokenizer_files.check(folder) == ()


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_a_template_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=name):
        tokenizer_files.check(folder)
