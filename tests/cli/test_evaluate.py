"""``mobileo-export evaluate`` as a user types it, on a model that has learned nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command


def test_a_table_for_a_person(command: Command, tiny_checkpoint: Path) -> None:
    done = command("evaluate", tiny_checkpoint, "--only", "chat,ask/count", "--limit", "2")
    assert done.code == 0
    assert "ask: judging" in done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert any(line.startswith("ask count 0 of 2 0% 0% to 66%") for line in lines)
    assert any(line.startswith("chat overall 0 of 4 0%") for line in lines)
    assert "6 items of held-out combinations, seed 0, in " in lines[-1]


def test_a_page_for_a_person(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = command(
        *("evaluate", tiny_checkpoint, "--only", "chat/name", "--limit", "1", "--page", page, "-q")
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"open {page}"
    assert "has 0 of 1 right" in page.read_text(encoding="utf-8")


def test_json_and_pictures(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    done = command(
        *("evaluate", tiny_checkpoint, "--only", "draw/colors,edit/color", "--limit", "1"),
        *("--seed", "3", "--json", "--images", images),
    )
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert [s["category"] for s in found["scores"]] == ["colors", "overall", "color", "overall"]
    assert (found["seed"], found["held_out"]) == (3, True)
    assert found["runtime"] == dict.fromkeys(
        ("vision_encoder", "mcp", "dit", "vae_decoder", "llm"), "torch"
    )
    (drawn, edited) = found["outcomes"]
    assert drawn["wrong"]
    assert drawn["text"].startswith("a ")
    assert edited["text"].startswith("make the ")
    assert sorted(path.name for path in images.iterdir()) == [
        "draw-colors-000-wrong.png",
        "edit-color-000-before.png",
        "edit-color-000-wrong.png",
    ]


def test_json_says_what_each_component_ran_on(command: Command, tiny_bundle: Path) -> None:
    done = command(
        *("evaluate", tiny_bundle, "--only", "chat", "--limit", "1", "--json"),
        *("--runtime", "mlx-dequantized"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["runtime"] == {"llm": "mlx-dequantized"}


def test_prompts_for_the_public_benchmark(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "evaluation_metadata.jsonl"
    prompts.write_text('{"prompt": "a bench"}\n{"prompt": "a cow"}\n')
    images = tmp_path / "images"
    done = command(
        *("evaluate", tiny_checkpoint, "--prompts", prompts, "--images", images),
        *("--limit", "1", "-q"),
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == f"drew 4 pictures of 1 prompts in {images}\n"
    assert [path.name for path in images.iterdir()] == ["00000"]


def test_against_another_model(
    command: Command, tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--only", "chat/name,draw/colors", "--limit", "1")
    done = command("evaluate", tiny_bundle, "--against", tiny_checkpoint, *options)
    assert done.code == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert any(line.startswith("all overall 0 of 2 0 0 ") for line in lines)
    assert lines[-2].startswith("1 pictures: median ")
    assert lines[-1].startswith(
        f"{tiny_bundle}: 0 of 2 right where {tiny_checkpoint} has 0; lost 0, won 0 (p = 1), in "
    )
    images = tmp_path / "images"
    found = json.loads(
        command(
            *("evaluate", tiny_checkpoint, "--against", tiny_checkpoint, *options),
            *("--json", "--images", images),
        ).out
    )
    assert found["paired"]["runtime"] == dict.fromkeys(
        ("mcp", "dit", "vae_decoder", "llm"), "torch"
    )
    assert found["paired"]["pictures"] == {
        **{"count": 1, "equal": 1, "median": None, "tenth": None, "worst": None}
    }
    assert len(list(images.iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "absent"), "absent"),
        (("--prompts", "a", "--images", "x", "--against", "b"), "--against compares what is"),
        (("--only", "sing"), "no judged set 'sing'"),
        (("--limit", "0"), "limit 0: choose at least 1"),
        (("--seed", "-1"), "seed -1: choose one from"),
        (("--prompts", "absent.jsonl"), "--prompts needs --images"),
        (("--prompts", "absent.jsonl", "--images", "x"), "absent.jsonl: no such file"),
        (("--prompts", "a", "--images", "x", "--only", "ask"), "--only chooses judged sets"),
        (("--runtime", "mil"), "export it and run"),
    ],
)
def test_a_mistake_is_one_line(
    command: Command,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("evaluate", tiny_checkpoint, *arguments)
    assert done.code == 2
    assert message in done.error()
    assert list(tmp_path.iterdir()) == []
