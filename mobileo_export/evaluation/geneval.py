"""Pictures for the public GenEval benchmark, in the folders that its own tools read.

The prompt file is the benchmark's ``evaluation_metadata.jsonl``: one JSON object a line, with a
``prompt``. Prompt n goes to ``nnnnn/metadata.jsonl`` (its line), ``nnnnn/samples/0000.png`` and so
on, and ``nnnnn/grid.png``. The benchmark's tools judge the pictures; nothing is judged here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.errors import UsageError
from mobileo_export.progress import OnCount, ignore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.pipelines.model import Model

SAMPLES = 4
_LONGEST_FILE = 1 << 24


@dataclass(frozen=True)
class GenevalPrompt:
    """One line of the prompt file."""

    text: str
    metadata: dict[str, Any]


def read(path: Path) -> list[GenevalPrompt]:
    """The prompts of a file.

    Raises:
        UsageError: it is missing, or a line is no JSON object with a ``prompt``.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name the benchmark's evaluation_metadata.jsonl")
    if path.stat().st_size > _LONGEST_FILE:
        raise UsageError(f"{path}: is too large for a prompt file")
    prompts = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # U+2028 ends no line of JSON
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is no text ({error.reason})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}: line {number} is no JSON ({error})") from error
        text = content.get("prompt") if isinstance(content, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{path}: line {number} has no prompt")
        prompts.append(GenevalPrompt(text, content))
    if not prompts:
        raise UsageError(f"{path}: holds no prompts")
    return prompts


def draw(
    model: Model,
    prompts: list[GenevalPrompt],
    folder: Path,
    seed: int = 0,
    on_prompt: OnCount = ignore,
) -> int:
    """Draw every prompt four times; prompts that are complete in ``folder`` are left alone.

    Sample i is drawn with ``seed + i``, whatever the prompt: a run can be cut and continued.

    Returns:
        How many pictures were drawn now.

    Raises:
        UsageError: the folder holds the pictures of other prompts.
        BundleError: a component is missing or damaged.
    """
    from mobileo_export.pipelines import generate, images
    from mobileo_export.pipelines.drawing import Drawing

    drawn = 0
    for index, prompt in enumerate(prompts):
        on_prompt(index, len(prompts))
        home = folder / f"{index:05d}"
        samples = home / "samples"
        samples.mkdir(parents=True, exist_ok=True)
        line = json.dumps(prompt.metadata, ensure_ascii=False) + "\n"
        metadata = home / "metadata.jsonl"
        if metadata.is_file() and metadata.read_text(encoding="utf-8") != line:
            raise UsageError(f"{home}: holds another prompt; choose another folder")
        metadata.write_text(line, encoding="utf-8")
        if (home / "grid.png").is_file():  # written last
            continue
        pictures = []
        for number in range(SAMPLES):
            drawing = Drawing.of(model.recipe, seed=seed + number)
            pixels = generate.generate(model, prompt.text, drawing).pixels
            texts = drawing.texts(prompt.text)
            images.write_png(samples / f"{number:04d}.png", pixels, texts)
            pictures.append(pixels)
            drawn += 1
        images.write_png(home / "grid.png", _grid(pictures), {"prompt": prompt.text})
    on_prompt(len(prompts), len(prompts))
    return drawn


def _grid(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Two a row."""
    rows = [np.concatenate(pictures[start : start + 2], axis=1) for start in (0, 2)]
    return np.ascontiguousarray(np.concatenate(rows, axis=0))
