"""Recording: what it refuses, what it leaves, that it is the same every time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobileo_export import components
from mobileo_export.bundle import card, manifest, seal
from mobileo_export.bundle.workspace import workspace
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import BundleError, CheckFailedError, UsageError
from mobileo_export.parity import compare, results
from mobileo_export.parity.golden import bounds, record
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.random_checkpoint import write as random_checkpoint

from ...command import Command
from ...exports import Exports
from ...forked import fork
from ...process_tree import wait_until
from .conftest import Index

GOLDEN = ("golden/arrays.bin", "golden/index.json")


@pytest.fixture
def plain(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle without a trace."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "plain"))


def state(bundle: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file: whether anything at all was touched."""
    files = [path for path in sorted(bundle.rglob("*")) if path.is_file()]
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_seal_holds_and_lists_the_trace(recorded: Path) -> None:
    content = manifest.read(recorded)
    assert seal.verify(recorded, content) == []
    assert content["golden"] == {"index": "golden/index.json", "format_version": 1}
    assert "parity" not in content
    paths = [file["path"] for file in content["files"]]
    assert {*GOLDEN, card.CARD} <= set(paths)
    paths.remove(card.CARD)  # a stray where it is not listed
    assert paths == [entry.path for entry in seal.entries(recorded)]
    assert b"/tmp" not in (recorded / "golden" / "index.json").read_bytes()


def test_the_gates_are_those_of_the_table(index: Index, recorded: Path) -> None:
    entries = manifest.read(recorded)["components"]
    assert index["gates"] == bounds.table(entries)
    for name in ("image_features", "conditioning", "velocity", "image", "logits"):
        host, device = (index["gates"][name][k] for k in ("host", "device"))
        assert 0 < host["relative_l2"] < device["relative_l2"]
    assert index["gates"]["velocity"]["device"]["provisional"]
    assert index["gates"]["exact"]["device"]["max_absolute"] == 0


def test_recording_again_replaces_and_gives_the_same_bytes(
    recorded: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    again = Path(shutil.copytree(recorded, tmp_path / "bundle"))
    (again / "golden" / "old.bin").write_bytes(b"of an earlier release")
    content = manifest.read(again)
    listed = [file for file in content["files"] if file["path"] == card.CARD]
    content["files"] = [*listed, *(vars(entry) for entry in seal.entries(again))]
    (again / "manifest.json").write_text(manifest.dumps(content))
    kept = state(again / "transformer.mlpackage")
    done = record.record(again, Checkpoint.open(tiny_checkpoint), figures=False)
    assert seal.verify(again, manifest.read(again)) == []
    for name in ("manifest.json", *GOLDEN):
        assert (again / name).read_bytes() == (recorded / name).read_bytes(), name
    assert state(again / "transformer.mlpackage") == kept  # linked, not copied
    assert names(tmp_path) == ["bundle"]
    assert done.bytes == sum((again / name).stat().st_size for name in GOLDEN)


def test_figures_are_those_of_the_comparison_without_times_and_paths(
    plain: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcp = (components.COMPONENTS["mcp"],)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    only_mcp = partial(compare.compare_bundle, components=mcp)  # the others take a minute
    monkeypatch.setattr(compare, "compare_bundle", only_mcp)
    monkeypatch.setattr(record, "_record", lambda *_: _empty_trace(_[3]))
    record.record(plain, checkpoint)
    content = manifest.read(plain)
    assert content["parity"] == {"path": "parity.json", "format_version": 1}
    assert seal.verify(plain, content) == []
    text = (plain / "parity.json").read_text()
    assert str(plain.parent) not in text
    assert "seconds" not in text
    found = json.loads(text)
    expected = results.as_json(only_mcp(plain, checkpoint))
    case, wanted = found["components"][0]["cases"][0], expected["components"][0]["cases"][0]
    assert case["outputs"] == [{**output, "profiles": []} for output in wanted["outputs"]]
    jsonschema.validate({**expected, **found, "format": "mobileo-parity"}, _untimed_schema())


def _empty_trace(folder: Path) -> tuple[int, int, int]:
    folder.mkdir()
    for name in GOLDEN:
        (folder.parent / name).write_text("{}")
    return 0, 0, 0


def _untimed_schema() -> Any:
    """The report's schema, with nothing required that ends in seconds."""

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: stripped(v) for k, v in value.items()}
        if isinstance(value, list):
            return [stripped(v) for v in value if not str(v).endswith("seconds")]
        return value

    return stripped(results.schema())


def test_a_bundle_that_fails_its_gates_is_not_recorded(
    plain: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failed:
        ok = False

        @staticmethod
        def failures() -> list[str]:
            return ["dit, t=1, velocity: relative_l2 is 1.0"]

    monkeypatch.setattr(compare, "compare_bundle", lambda *_, **__: Failed())
    before = state(plain)
    with pytest.raises(CheckFailedError, match="first dit, t=1.+nothing was recorded"):
        record.record(plain, Checkpoint.open(tiny_checkpoint))
    assert state(plain) == before


def test_other_weights_are_refused(plain: Path, tmp_path: Path) -> None:
    other = random_checkpoint.write(tmp_path / "other", "tiny", seed=1)
    before = state(plain)
    with pytest.raises(BundleError, match="was made from other weights"):
        record.record(plain, Checkpoint.open(other), figures=False)
    assert state(plain) == before
    assert not plain.with_name("plain.partial").exists()


def test_what_a_hub_keeps_in_the_folder_is_kept(plain: Path, tiny_checkpoint: Path) -> None:
    content = manifest.read(plain)  # as it was before a card was part of it
    content["files"] = [file for file in content["files"] if file["path"] != "README.md"]
    (plain / "manifest.json").write_text(manifest.dumps(content))
    (plain / "README.md").write_text("# Model card")
    (plain / ".git" / "refs").mkdir(parents=True)
    (plain / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (plain / "llm" / ".DS_Store").write_bytes(b"")
    record.record(plain, Checkpoint.open(tiny_checkpoint), figures=False)
    assert (plain / "README.md").read_text() == "# Model card"
    assert (plain / ".git" / "refs").is_dir()
    assert (plain / ".git" / "HEAD").is_file()
    assert seal.verify(plain, manifest.read(plain)) == []
    assert "README.md" in seal.strays(plain, manifest.read(plain))


def test_the_card_is_that_of_a_recorded_bundle(plain: Path, tiny_checkpoint: Path) -> None:
    record.record(plain, Checkpoint.open(tiny_checkpoint), figures=False)
    content = manifest.read(plain)
    assert seal.verify(plain, content) == []
    assert "README.md" in {file["path"] for file in content["files"]}
    assert (plain / "README.md").read_text() == card.text(content, NEEDS)


def test_a_broken_seal_is_refused(plain: Path, tiny_checkpoint: Path) -> None:
    (plain / "NOTICE.txt").write_text("changed")
    with pytest.raises(CheckFailedError, match=r"not as sealed \(size NOTICE.txt\)"):
        record.record(plain, Checkpoint.open(tiny_checkpoint), figures=False)
    assert (plain / "NOTICE.txt").read_text() == "changed"


def test_two_do_not_write_one_bundle(plain: Path, tiny_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    # Left by an exception, so that the other one's folder never becomes the bundle.
    with contextlib.suppress(InterruptedError), workspace(plain, True):
        with pytest.raises(UsageError, match="another export or recording is writing it"):
            record.record(plain, checkpoint, figures=False)
        raise InterruptedError


def test_all_components_are_needed(tiny_checkpoint: Path, exported: Exports) -> None:
    with pytest.raises(BundleError, match="has no vision_encoder and no mcp .+ without --only"):
        record.record(exported(tiny_checkpoint, "llm"), Checkpoint.open(tiny_checkpoint))


@pytest.mark.parametrize("steps", [0, 51])
def test_steps_out_of_range(command: Command, plain: Path, steps: int) -> None:
    options = ("--checkpoint", "nowhere", "--steps", str(steps))
    finished = command("record", plain, *options)
    assert finished.code == 2
    assert finished.error() == f"{steps} steps: a trace holds 1 to 50"


def test_golden_goes_with_all_components(command: Command, tmp_path: Path) -> None:
    options = ("--output", tmp_path / "out", "--only", "llm", "--golden")
    finished = command("export", "nowhere", *options)
    assert finished.code == 2
    assert "--golden" in finished.error()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_recording_leaves_the_bundle_as_it_was(
    plain: Path, tiny_checkpoint: Path, number: int
) -> None:
    before = state(plain)
    many = ("--no-parity", "--steps", str(record.MAX_STEPS))  # or it is done meanwhile
    with fork("record", plain, "--checkpoint", tiny_checkpoint, *many) as process:
        # The first calls are written.
        wait_until(lambda: "mcp: loading\n" in process.printed()[1])
        assert (plain.with_name("plain.partial") / "new" / "golden" / "arrays.bin").exists()
        os.kill(process.pid, number)
        finished = process.finish()
    assert finished.code == (130 if number == signal.SIGINT else -number)
    assert state(plain) == before
    assert seal.verify(plain, manifest.read(plain)) == []
    if number == signal.SIGINT:
        assert finished.err.endswith("error: interrupted\n")
        assert names(plain.parent) == ["plain"]
    else:  # what a killed one leaves does not block the next
        with workspace(plain, True, record.RECORDING) as folder:
            shutil.copytree(plain, folder, dirs_exist_ok=True)
        assert names(plain.parent) == ["plain"]
