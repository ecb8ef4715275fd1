"""The tokenizer's chat templates, which Mobile-O does not apply: do they say what the recipe says?

The published pipelines write their prompts by a conversation template of their own, and so does the
recipe; a template of the tokenizer is for other programs. One that is not known to give the
recipe's text is a warning: whoever trained with it sees other prompts here. It is compared as text;
to render it would be to run a program out of a checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobileo_export.checkpoint.folder import read_json
from mobileo_export.errors import CheckpointError

JINJA = "chat_template.jinja"
JSON = "chat_template.json"
NAMED = "additional_chat_templates"  # transformers reads each *.jinja there

_TURN = "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
_OPEN = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_NO_SYSTEM = "{% if loop.first and messages[0]['role'] != 'system' %}"
# Those of Qwen1.5, Qwen2 and what was made from them: with a system message, which the recipe has,
# all of them give its text.
RECIPES = tuple(
    "{% for message in messages %}" + opening + turn + "{% endfor %}" + _OPEN
    for opening in (
        "",
        _NO_SYSTEM
        + "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}",
        _NO_SYSTEM
        + "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}",
    )
    for turn in (_TURN, _TURN.replace("'<|im_end|>' + '\n'", "'<|im_end|>\n'"))
)
QWEN2 = RECIPES[2]  # with a full stop, as Qwen2 itself has it


def warnings(folder: Path, config: dict[str, Any]) -> Iterator[str]:
    """A line for each chat template of ``folder`` that is not known to give the recipe's text.

    ``config`` is its ``tokenizer_config.json``.

    Raises:
        CheckpointError: a template's file cannot be read.
    """
    for where, template in _found(folder, config):
        if not isinstance(template, str) or _bare(template) not in map(_bare, RECIPES):
            yield (
                f"{where} is not the template of Qwen2: Mobile-O applies none, so that the prompts "
                "stay the recipe's (docs/recipe.md); a model that was trained with it was trained "
                "with other prompts"
            )


def _found(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    jinja, boxed = folder / JINJA, folder / JSON
    if jinja.is_file():
        yield JINJA, _text(jinja)
    if boxed.is_file():
        yield JSON, read_json(boxed).get("chat_template")
    named = folder / NAMED
    for path in sorted(named.glob("*.jinja")) if named.is_dir() else ():
        yield f"{NAMED}/{path.name}", _text(path)
    template = config.get("chat_template")
    if isinstance(template, list):
        for entry in template:
            name = entry.get("name") if isinstance(entry, dict) else None
            text = entry.get("template") if isinstance(entry, dict) else entry
            yield f"tokenizer_config.json: the chat_template {name!r}", text
    elif template is not None:
        yield "tokenizer_config.json: chat_template", template


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as text ({error})") from error


def _bare(template: str) -> str:
    """Without what Jinja does not look at: spaces inside its braces, a last line end."""
    inside = re.sub(r"(\{[{%])\s*|\s*([%}]\})", r"\1\2", template)
    return inside.replace("\\n", "\n").removesuffix("\n")
