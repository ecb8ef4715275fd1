"""Pictures where GenEval's own tools look for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mobileo_export.errors import UsageError
from mobileo_export.evaluation import geneval
from mobileo_export.pipelines.model import open_model

LINES = [
    {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a bench"},
    {"tag": "counting", "include": [{"class": "cow", "count": 2}], "prompt": "zwei Kühe"},
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "evaluation_metadata.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES) + "\n\n", encoding="utf-8")
    return path


def test_the_layout_and_going_on(tiny_checkpoint: Path, prompts: Path, tmp_path: Path) -> None:
    lines = geneval.read(prompts)
    assert [line.text for line in lines] == ["a bench", "zwei Kühe"]
    folder = tmp_path / "out"
    with open_model(str(tiny_checkpoint), keep=True) as model:
        assert geneval.draw(model, lines[:1], folder, seed=5) == 4
        kept = (folder / "00000" / "samples" / "0002.png").read_bytes()
        assert geneval.draw(model, lines, folder, seed=5) == 4
        with pytest.raises(UsageError, match="holds another prompt"):
            geneval.draw(model, lines[1:], folder, seed=5)
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    names = ["grid.png", "metadata.jsonl", *(f"samples/000{i}.png" for i in range(4))]
    assert found == [f"0000{n}/{name}" for n in range(2) for name in names]
    assert (folder / "00000" / "samples" / "0002.png").read_bytes() == kept
    for number, line in enumerate(LINES):
        home = folder / f"0000{number}"
        assert json.loads((home / "metadata.jsonl").read_text()) == line
        samples = [np.asarray(Image.open(home / "samples" / f"000{i}.png")) for i in range(4)]
        assert len({sample.tobytes() for sample in samples}) == 4
        grid = np.asarray(Image.open(home / "grid.png"))
        assert (grid[:64, 64:] == samples[1]).all()
        assert (grid[64:, :64] == samples[2]).all()
        with Image.open(home / "samples" / "0001.png") as picture:
            assert picture.info["seed"] == "6"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no prompts"),
        (b'{"prompt": "a"}\n{"prompt"', "line 2 is no JSON"),
        (b'{"tag": 1}', "line 1 has no prompt"),
        (b'["prompt"]', "line 1 has no prompt"),
        (b'{"prompt": " "}', "line 1 has no prompt"),
        (b'{"prompt": 3}', "line 1 has no prompt"),
        (b"[" * 100_000, "line 1 is no JSON"),
        (b"\xff\xfe", "is no text"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        geneval.read(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        geneval.read(tmp_path / "absent.jsonl")
