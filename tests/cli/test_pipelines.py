"""``generate``, ``ask``, ``edit`` and ``chat`` as a user types them."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.command import execute, finish, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command
    from tests.exports import Exports


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_generate_draws_a_picture(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    done = command("generate", tiny_bundle, "two red circles", "-o", output, "--steps", "2")
    assert done.code == 0
    assert done.out.startswith(f"wrote {output}: 64 x 64, 2 steps, guidance 1.5, seed 0, in ")
    assert "dit: drawing" in done.err
    with Image.open(output) as picture:
        assert picture.size == (64, 64)
        assert picture.info["prompt"] == "two red circles"
    assert {path.name for path in tmp_path.iterdir()} == {"out.png"}


def test_a_picture_goes_to_standard_output(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    options = ("a cat", "--steps", "1", "-q", "-o")
    assert command("generate", tiny_bundle, *options, output).code == 0
    sent = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with redirect_stdout(sent):
        assert command("generate", tiny_bundle, *options, "-").code == 0
    assert sent.buffer.getvalue() == output.read_bytes()


def test_the_suffix_says_the_format_and_the_picture_can_be_an_option(
    command: Command, tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    options = ("--steps", "1", "-q", "-o")
    drawn = []
    for name in ("a.jpg", "b.WEBP"):
        where = (photo, "blue") if name == "a.jpg" else ("blue", "--image", photo)
        done = command("edit", tiny_bundle, *where, *options, tmp_path / name)
        assert (done.code, done.err) == (0, "")
        with Image.open(tmp_path / name) as picture:
            drawn.append((picture.format, picture.getexif()[0x010E]))
    assert drawn == [("JPEG", "blue"), ("WEBP", "blue")]
    asked = ("what?", "--max-new-tokens", "2", "-q")
    positional = command("ask", tiny_bundle, photo, *asked)
    assert positional.code == 0
    assert command("ask", tiny_bundle, *asked, "--image", photo) == positional


def test_a_checkpoint_draws_the_same_picture_up_to_the_quantized_language_model(
    command: Command, tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for name, source in (("a", tiny_bundle), ("b", tiny_checkpoint)):
        done = command(
            *("generate", source, "a cat", "-o", tmp_path / f"{name}.png", "--steps", "2", "-q")
        )
        assert (done.code, done.err) == (0, "")
    first, second = (np.asarray(Image.open(tmp_path / f"{n}.png")).astype(int) for n in "ab")
    assert np.abs(first - second).mean() < 2
    assert first.std() > 5


def test_generate_as_json(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    done = command(
        *("generate", tiny_bundle, "one two " * 600, "--output", output, "--steps", "1"),
        *("--guidance", "1", "--seed", "7", "--json"),
    )
    assert done.code == 0
    found = json.loads(done.out)
    assert found.pop("seconds") > 0
    cut = found.pop("cut_tokens")
    assert cut > 0
    assert f"the text is too long for this model: {cut} tokens of its end left out" in done.err
    assert found.pop("prompt_tokens") <= 768
    assert found == {
        "output": str(output),
        "width": 64,
        "height": 64,
        "steps": 1,
        "guidance": 1.0,
        "seed": 7,
    }


def test_edit_draws_a_picture(
    command: Command, tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    done = command("edit", tiny_bundle, photo, "make it blue", "-o", output, "--steps", "1")
    assert done.code == 0
    assert done.out.startswith(f"wrote {output}: 64 x 64, 1 steps")
    assert "vision_encoder: looking" in done.err
    assert output.is_file()


def test_ask_streams_an_answer(command: Command, tiny_bundle: Path, photo: Path) -> None:
    options = ("--max-new-tokens", "6")
    done = command("ask", tiny_bundle, photo, "what?", *options)
    assert done.code == 0
    answered = command("ask", tiny_bundle, photo, "what?", *options, "--json")
    found = json.loads(answered.out)
    assert done.out == found["text"] + "\n"
    assert found["ended"] in {"length", "stop"}
    assert len(found["token_ids"]) <= 6
    if found["ended"] == "length":
        assert "stopped after 6 tokens; see --max-new-tokens" in done.err


def test_ask_goes_on_with_several_questions(
    command: Command, tiny_bundle: Path, photo: Path
) -> None:
    options = ("--max-new-tokens", "3")
    done = command("ask", tiny_bundle, photo, "what?", "and why?", *options)
    several = command("ask", tiny_bundle, photo, "what?", "and why?", *options, "--json")
    found = [json.loads(line) for line in several.out.splitlines()]
    assert done.code == several.code == 0
    assert done.out == "".join(answer["text"] + "\n" for answer in found)
    alone = json.loads(command("ask", tiny_bundle, photo, "what?", *options, "--json").out)
    assert found[0]["token_ids"] == alone["token_ids"]
    assert found[1]["prompt_tokens"] > found[0]["prompt_tokens"] + len(found[0]["token_ids"])


def test_chat_reads_lines_from_a_pipe(
    command: Command, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(text: str, *options: str) -> list[dict[str, object]]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        done = command("chat", tiny_bundle, "--max-new-tokens", "3", "--json", *options)
        assert done.code == 0
        return [json.loads(line) for line in done.out.splitlines()]

    two = lines("hello\nwhat did I say?\n")
    forgot = lines("hello\n/reset\nwhat did I say?\n/exit\nnever read\n")
    alone = lines("what did I say?\n\nnever read\n")
    assert len(two) == len(forgot) == 2
    assert two[0]["text"] == forgot[0]["text"]
    assert forgot[1]["token_ids"] == alone[0]["token_ids"]
    assert int(str(two[1]["prompt_tokens"])) > int(str(forgot[1]["prompt_tokens"]))


def test_chat_for_a_person(
    command: Command, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n"))
    done = command("chat", tiny_bundle, "--max-new-tokens", "2", "-q")
    assert done.code == 0
    assert done.out.endswith("\n")


BAD = [
    (("generate", "{bundle}", "", "-o", "{out}"), "the caption is empty"),
    (("generate", "{bundle}", "a cat", "-o", "{out}", "--steps", "0"), "0 steps: choose 1 to 500"),
    (("generate", "{bundle}", "a cat", "-o", "{out}", "--guidance", "0"), "guidance 0: choose 1"),
    (("generate", "{bundle}", "a cat", "-o", "{out}", "--seed", "-1"), "seed -1: choose one from"),
    (("generate", "{bundle}", "a cat", "-o", "out.gif"), "out.gif: name a .png, .jpg, "),
    (("edit", "{bundle}", "-o", "{out}"), "name a picture, behind the source or with --image"),
    (("edit", "{bundle}", "{photo}", "-o", "{out}"), "name what to change, behind the picture"),
    (
        ("edit", "{bundle}", "{photo}", "blue", "--image", "{photo}", "-o", "{out}"),
        "the picture is that of --image",
    ),
    (("ask", "{bundle}", "--image", "{photo}"), "name a question, behind the picture"),
    (
        ("ask", "{bundle}", "{photo}", "what?", "--image", "{photo}"),
        "the picture is that of --image",
    ),
    (("generate", "absent", "a cat", "-o", "{out}"), "absent"),
    (("generate", "{checkpoint}", "a cat", "-o", "{out}", "--runtime", "mil"), "export it and run"),
    (("generate", "{bundle}", "a cat", "-o", "{out}", "--runtime", "torch"), "torch"),
    (("edit", "{bundle}", "{photo}", " ", "-o", "{out}"), "the instruction is empty"),
    (("edit", "{bundle}", "absent.jpg", "blue", "-o", "{out}"), "absent.jpg: no such file"),
    (("ask", "{bundle}", "{text}", "what?"), "is no picture that can be read"),
    (("ask", "{bundle}", "{photo}", ""), "the question is empty"),
    (("ask", "{bundle}", "{photo}", "what?", " "), "the question is empty"),
    (("ask", "{bundle}", "{photo}", "what?", "--temperature", "-1"), "temperature -1"),
    (("chat", "absent"), "absent"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: str(value)[:60])
def test_a_mistake_is_one_line(
    command: Command,
    tiny_bundle: Path,
    tiny_checkpoint: Path,
    photo: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    places = {
        "bundle": tiny_bundle,
        "checkpoint": tiny_checkpoint,
        "photo": photo,
        "text": text,
        "out": tmp_path / "out.png",
    }
    done = command(*(argument.format(**places) for argument in arguments))
    assert done.code == 2
    assert message in done.error()
    assert not (tmp_path / "out.png").exists()


def test_a_bundle_without_the_component(
    command: Command, tiny_checkpoint: Path, exported: Exports, photo: Path, tmp_path: Path
) -> None:
    part = exported(tiny_checkpoint, "mcp,llm")
    drawn = command("generate", part, "a cat", "-o", tmp_path / "out.png")
    assert drawn.code == 2
    assert "has no dit and no vae_decoder; export it again without --only" in drawn.error()
    assert "has no vision_encoder" in command("ask", part, photo, "what?").error()


def test_interrupted_drawing_leaves_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    """In the program itself: MLX, which computes the language model, survives no fork."""
    output = tmp_path / "out.png"
    process = start("generate", tiny_bundle, "a cat", "-o", output, "--steps", "500")
    read = ""
    assert process.stderr is not None
    while "dit: drawing" not in read:
        read += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    done = finish(process, read)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "error: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_the_program_draws_in_another_language(tiny_jetson: Path, tmp_path: Path) -> None:
    """In the C locale too: what is typed are bytes, what is drawn is what they say.

    Graphs for a board are drawn with here, which are executed without torch.
    """
    done = execute(
        *("generate", str(tiny_jetson), "ein Käse 日本", "-o", str(tmp_path / "o.png")),
        *("--steps", "1", "-q"),
        LC_ALL="C",
        PATH=os.environ["PATH"],
    )
    assert done.code == 0, done.err
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.info["prompt"] == "ein Käse 日本"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("generate BUNDLE text -o o.png --runtime onnxruntime", "does not execute a Core ML"),
        ("generate BUNDLE text -o o.png --runtime tensorrt", "does not execute a Core ML package"),
        ("chat BUNDLE --runtime mil", "the mil runtime does not execute an MLX folder"),
        ("ask BUNDLE photo.jpg text --runtime emulated-half", "does not execute a Core ML package"),
        ("edit BUNDLE photo.jpg text -o o.png --runtime tensorrt", "does not execute a Core ML"),
        ("evaluate BUNDLE --only chat --runtime coreml", "does not execute an MLX folder"),
        ("run BUNDLE mcp --inputs i.npz -o o.npz --runtime tensorrt", "i.npz: no such file"),
    ],
)
def test_a_runtime_that_executes_nothing_is_refused(
    command: Command,
    tiny_bundle: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    message: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    done = command(*call.replace("BUNDLE", str(tiny_bundle)).split())
    assert (done.code, done.out) == (2, "")
    assert message in done.error()
    assert list(photo.parent.iterdir()) == [photo]


def test_the_folder_that_was_chosen_by_itself_is_named(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "final").symlink_to(tiny_checkpoint)
    outer, output = tmp_path / "outer", tmp_path / "bundle"
    note = f"note: {outer}: holds no weights itself; final in it is taken\n"
    planned = command("export", outer, "-o", output, "--dry-run")
    assert planned.err == note
    assert f"would write {output}, from {outer / 'final'}" in planned.out
    as_json = command("export", outer, "-o", output, "--dry-run", "--json")
    assert json.loads(as_json.out)["checkpoint"] == str(outer / "final")
    merged = ("merge-lora", "--base", outer, "-o", output, "--weights", "post-trained")
    assert command(*merged, "--dry-run").err == note
    drawn = command("generate", outer, "a", "-o", tmp_path / "o.png", "--steps", "1", "-q")
    assert (drawn.code, drawn.err) == (0, note)
