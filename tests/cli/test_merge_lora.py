"""``merge-lora`` as a user sees it."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from tests.process_tree import wait_until

from ..command import finish, start
from ..merging.adapters import K, Q, factors, write
from ..surgery import change, configure

if TYPE_CHECKING:
    from pathlib import Path

    from ..command import Command


@pytest.fixture
def adapter(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    base = Checkpoint.open(tiny_checkpoint)
    return write(tmp_path / "adapter", factors(base, Q) | factors(base, K))


def test_an_adapter_is_merged(
    command: Command, tiny_checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    arguments = ("merge-lora", "--base", tiny_checkpoint, "--adapter", adapter)
    planned = command(*arguments, "--output", tmp_path / "out", "--dry-run")
    assert planned.code == 0
    assert f"would write {tmp_path / 'out'}: 375 tensors" in planned.out
    assert not (tmp_path / "out").exists()
    done = command(*arguments, "--output", tmp_path / "out", "--quiet")
    assert done.code == 0
    assert "2 of 375 tensors changed" in done.out
    assert "llm q_proj" in done.out
    assert all(line.startswith("warning: ") for line in done.err.splitlines())
    again = command(*arguments, "--output", tmp_path / "out")
    assert again.code == 2
    assert "use --overwrite to replace it" in again.error()


def test_nested_copies_are_promoted(
    command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    done = command(
        "merge-lora", "--base", tiny_checkpoint, "--weights", "post-trained",
        "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.code == 0
    report = json.loads(done.out)
    assert {group["name"] for group in report["groups"]} == {"vision_encoder", "mcp", "dit", "llm"}
    assert all(0 < group["largest"] < 0.1 for group in report["groups"])
    assert done.err == ""
    assert not Checkpoint.open(tmp_path / "out").nested


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to merge"),
        (("--adapter", "nowhere"), "no adapter_config.json"),
        (("--adapter", "{base}"), "no adapter_config.json"),
    ],
)
def test_what_cannot_be_merged_is_one_line(
    command: Command,
    tiny_checkpoint: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    rest = (argument.format(base=tiny_checkpoint) for argument in arguments)
    done = command("merge-lora", "--base", tiny_checkpoint, "-o", tmp_path / "out", *rest)
    assert done.code == 2
    assert message in done.error()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_merge_leaves_nothing(
    tiny_copy: Path, adapter: Path, tmp_path: Path, number: int
) -> None:
    import numpy as np

    rows = 1 << 20  # a checkpoint of half a gigabyte, so that there is time to interrupt
    table = np.broadcast_to(np.uint16(0x3F80), (rows, 128))
    names = ("model.embed_tokens.weight", "lm_head.weight")
    change(tiny_copy, dict.fromkeys(names, ("BF16", table)))
    configure(tiny_copy, {"vocab_size": rows})
    process = start("merge-lora", "--base", tiny_copy, "--adapter", adapter, "-o", tmp_path / "out")
    wait_until((tmp_path / "out.partial" / "new" / "model.safetensors").exists)
    os.kill(process.pid, number)
    finished = finish(process)
    assert finished.code == 128 + number
    assert finished.err.endswith("error: interrupted\n")
    assert "Traceback" not in finished.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "tiny"]
