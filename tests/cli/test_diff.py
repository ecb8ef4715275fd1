"""``mobileo-export diff`` as a user sees it."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

from mobileo_export.checkpoint.folder import Checkpoint

from ..parity.conftest import damage_weight

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ..command import Command
    from ..exports import Exports

TENSOR = "model.diffusion_connector.fusion.input_compress.0.weight"


def scale(values: np.ndarray) -> None:
    values *= 2


def test_identical(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    shown = command("diff", tiny_bundle, copy, "--quiet")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == f"{tiny_bundle} and {copy} are identical, and as sealed\n"
    shown = command("diff", tiny_bundle, copy, "--json")
    assert shown.code == 0
    assert json.loads(shown.out)["same"] is True


def test_a_changed_tensor(
    command: Command, tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    damage_weight(copy, "connector.mlpackage", Checkpoint.open(tiny_checkpoint), TENSOR, scale)
    shown = command("diff", tiny_bundle, copy, "--quiet")
    assert (shown.code, shown.err) == (1, "")
    (row,) = (line for line in shown.out.splitlines() if "input_compress.0.weight" in line)
    assert row.split()[:2] == ["input_compress.0.weight", "1"]
    assert "operations: the same" in shown.out
    found = json.loads(command("diff", tiny_bundle, copy, "--json").out)
    assert found["same"] is False
    (artifact,) = found["artifacts"]
    assert artifact["tensors"][0]["relative_l2"] == 1.0
    kinds = {file["path"]: file["kind"] for file in found["files"]}
    weights = "connector.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    assert kinds.pop(weights) == "changed", found["files"]
    assert not kinds, "what is sealed of the rest is the same"
    assert found["sealed"] == {"old": [], "new": []}


def test_a_broken_seal_is_warned_of(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    (copy / "NOTICE.txt").write_text("other")
    (copy / "more\x1b[31m").write_text("x")
    shown = command("diff", tiny_bundle, copy, "--quiet")
    assert shown.code == 1
    assert "NOTICE.txt" in shown.out
    assert "\x1b" not in shown.out + shown.err
    assert [line.split(":")[0] for line in shown.err.splitlines()] == ["warning", "warning"]


def test_tables_are_cut_where_the_user_says(
    command: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    for name in ("vocab.json", "merges.txt", "added_tokens.json"):
        (copy / "llm" / name).unlink()
    shown = command("diff", tiny_bundle, copy, "--limit", "1", "--quiet")
    assert "... 2 more; --limit 0 shows all" in shown.out
    assert "more;" not in command("diff", tiny_bundle, copy, "--limit", "0", "--quiet").out


def test_no_bundle(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    shown = command("diff", tiny_bundle, tmp_path, "--quiet")
    assert shown.code == 2
    assert "not a bundle" in shown.error()


def test_what_changed_stands_first_in_words(
    command: Command, tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    damage_weight(copy, "connector.mlpackage", Checkpoint.open(tiny_checkpoint), TENSOR, scale)
    first, second = command("diff", tiny_bundle, copy, "--quiet").out.splitlines()[:2]
    assert first == f"{tiny_bundle} -> {copy}"
    assert re.fullmatch(
        r"What changed: mcp: 1 of \d+ tensors by up to 1 of their size; files: 1 changed\.", second
    ), second


def test_other_options_and_components_in_words(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path, exported: Exports
) -> None:
    other = exported(tiny_checkpoint, "llm", llm_bits=4)
    told = command("diff", tiny_bundle, other, "--quiet").out.splitlines()[1]
    assert told.startswith("What changed: without dit, mcp, vae_decoder, vision_encoder; llm: ")
    assert "llm bits 8 → 4; " in told
    assert re.search(r"files: .*\d+ removed, [\d.]+ [kM]B less\.$", told)


def test_a_page_beside_the_tables(command: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    page = tmp_path / "page.html"
    shown = command("diff", tiny_bundle, copy, "--page", page, "-q")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[-1] == f"open {page}"
    assert "are identical" in page.read_text(encoding="utf-8")
    again = command("diff", tiny_bundle, copy, "--page", page, "--json", "-q")
    assert json.loads(again.out)["same"] is True
    for name, said in (("page.txt", "name a .html file"), ("none/page.html", "no such folder")):
        done = command("diff", tiny_bundle, copy, "--page", tmp_path / name)
        assert done.code == 2
        assert said in done.error()
        assert not (tmp_path / name).exists()
