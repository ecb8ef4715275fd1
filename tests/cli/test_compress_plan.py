"""``compress-plan`` as a user sees it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import assets
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.cli import compress_plan
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression import plan
from mobileo_export.converters.options import Options
from mobileo_export.converters.registry import load
from mobileo_export.export import plan as export_plan
from mobileo_export.export import workers
from mobileo_export.pipelines import drawing
from mobileo_export.sensitivity import choices, work
from tests.process_tree import wait_until

from ..command import finish, start
from ..exports import convert_here
from ..forked import fork

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.pipelines.model import Model
    from tests.exports import Exports

    from ..command import Command
    from ..conftest import Once

SMALL = ("--only", "mcp,vae_decoder", "--samples", "1")


@pytest.fixture
def begun(command: Command, once: Once) -> Path:
    """A plan of ``SMALL`` and what was measured for it. Shared by the run: take a copy."""

    def make(folder: Path) -> None:
        folder.mkdir()
        call = ("compress-plan", "miniature", "-o", folder / "plan.json", *SMALL, "--no-compare")
        done = command(*call, "--size", "6.7MB", "--quiet")
        assert (done.code, done.err) == (0, "")

    return once("plan", make)


@pytest.fixture
def output(begun: Path, tmp_path: Path) -> Path:
    """Where to write a plan: beside it lies what was measured already."""
    found = tmp_path / "plan.json"
    shutil.copytree(work.beside(begun / found.name), work.beside(found))
    return found


def test_a_plan_fits_its_size_and_its_checkpoint(command: Command, output: Path) -> None:
    done = command("compress-plan", "miniature", "--size", "6.7MB", "-o", output, *SMALL, "--json")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["bytes"] <= 6_700_000
    written = plan.load(str(output))
    written.check(Checkpoint.open(assets.miniature()).model)
    assert set(written.rules) == {"mcp", "vae_decoder"}
    for found in report["components"].values():
        assert found["measured_error"] == pytest.approx(found["predicted_error"], rel=0.3)
        like = [u for u in found["uniform"].values() if u["bytes"] >= found["bytes"]]
        assert all(found["measured_error"] < u["measured_error"] for u in like if u is not like[0])


def test_the_bundle_that_a_plan_makes_is_no_larger(
    command: Command, output: Path, exported: Exports
) -> None:
    """With all of its files, the manifest and the maps of stored matrices included."""
    call = ("compress-plan", "miniature", "--size", "6.7MB", "-o", output, *SMALL)
    promised = json.loads(command(*call, "--no-compare", "--json").out)["bytes"]
    bundle = exported(assets.miniature(), compression=plan.load(str(output)))
    written = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    assert 0.99 * promised <= written <= promised <= 6_700_000


def test_sizes_are_those_of_exports_and_the_tokenizer_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Path] = []
    real = tokenizer_files.checked

    def checked(folder: Path, vocabulary: int) -> Any:
        read.append(folder)
        return real(folder, vocabulary)

    monkeypatch.setattr(tokenizer_files, "checked", checked)
    checkpoint, (llm,) = Checkpoint.open(assets.miniature()), select("llm")
    others, folders = compress_plan._sizes(checkpoint, select("mcp"), "released")
    assert len(read) == 1
    rules = {"mcp": dict.fromkeys(plan.matrices(COMPONENTS["mcp"], checkpoint.model), plan.EXACT)}
    for bits, size in folders.items():
        options = Options((llm,), llm_bits=bits)
        assert export_plan.plan(checkpoint, options).components[0].bytes == size
        stated = Options(
            select(None), llm_bits=bits, compression=plan.CompressionPlan("exact", rules)
        )
        assert export_plan.plan(checkpoint, stated).bytes == others + size


def test_another_size_measures_nothing_again(
    command: Command, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("compress-plan", "miniature", "-o", output, *SMALL, "--no-compare", "--quiet")
    monkeypatch.setattr(choices, "of_matrix", None)
    assert command(*call, "--size", "6.8MB").code == 0
    first = output.read_bytes()
    assert command(*call, "--size", "6.6MB").code == 0
    assert output.read_bytes() != first
    assert command(*call, "--size", "6.8MB").code == 0
    assert output.read_bytes() == first


def test_the_same_bytes_from_nothing(command: Command, begun: Path, tmp_path: Path) -> None:
    output = tmp_path / "plan.json"
    call = ("compress-plan", "miniature", "-o", output, *SMALL, "--no-compare", "--quiet")
    assert command(*call, "--size", "6.7MB").code == 0
    assert output.read_bytes() == (begun / output.name).read_bytes()


def test_what_cannot_be_reached_is_refused_with_the_least(command: Command, output: Path) -> None:
    call = ("compress-plan", "miniature", "-o", output, *SMALL, "--no-compare", "--quiet")
    done = command(*call, "--size", "1MB")
    assert done.code == 2
    assert "--size 1.0 MB: with mcp, vae_decoder compressed as far as it goes" in done.error()
    assert not output.exists()
    least = done.error().partition("(")[2].partition(" ")[0].replace(",", "")
    assert command(*call, "--size", f"{int(least) / 1000}kB").code == 0
    assert command(*call, "--size", f"{int(least) / 1000 - 0.01}kB").code == 2


def test_calibrated_matrices_lie_beside_the_plan(command: Command, output: Path) -> None:
    beside = output.with_suffix(".safetensors")
    only = ("--only", "mcp", "--samples", "1", "--json")
    call = ("compress-plan", "miniature", "-o", output, *only)
    least = int(command(*call, "--size", "1MB").error().split("(")[1].split()[0].replace(",", ""))
    size = ("--size", f"{least // 1000 + 40}kB")
    nearest = json.loads(command(*call, *size).out)["components"]["mcp"]
    assert not beside.exists()
    report = json.loads(command(*call, *size, "--calibrate").out)["components"]["mcp"]
    assert report["bytes"] == nearest["bytes"]
    assert report["measured_error"] < 0.8 * nearest["measured_error"]
    read = plan.load(str(output))
    assert read.rounded is not None
    checkpoint = Checkpoint.open(assets.miniature())
    read.check(checkpoint.model)
    read.rounded.check(checkpoint, "released")
    shapes = plan.matrices(COMPONENTS["mcp"], checkpoint.model)
    made = {name: read.made("mcp", name) for name in shapes}
    assert sum(stored is not None for stored in made.values()) == report["calibrated"] > 0
    first = beside.read_bytes(), output.read_bytes()
    assert command(*call, *size, "--no-compare").code == 0
    assert not beside.exists()
    assert plan.load(str(output)).rounded is None
    assert command(*call, *size, "--calibrate", "--no-compare").code == 0
    for kept in work.beside(output).glob("*.npz"):  # as if from nothing
        kept.unlink()
    assert command(*call, *size, "--calibrate").code == 0
    assert (beside.read_bytes(), output.read_bytes()) == first


def test_an_interrupted_command_goes_on(command: Command, tmp_path: Path) -> None:
    output, kept = tmp_path / "plan.json", tmp_path / "plan.json.work"
    call = ("compress-plan", "miniature", "-o", output, "--size", "5MB", "--samples", "1")
    assert command(*call, "--only", "mcp").code == 2  # cannot be that small
    made = {path: path.stat().st_mtime_ns for path in kept.glob("[ms]*")}
    assert {path.name for path in made} == {"mcp.json", "mcp.matrices.json", "sample.npz"}
    process = start(*call, "--only", "mcp,dit")  # no fork: it takes gradients
    wait_until((kept / "dit.matrices.json").exists, 110)
    os.kill(process.pid, signal.SIGINT)
    finished = finish(process)
    assert finished.code == 130
    assert finished.err.endswith("error: interrupted\n")
    assert not output.exists()
    done = command(*call, "--only", "mcp,dit", "--no-compare")
    assert done.code == 0
    assert "sample: drawing" not in done.err
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_pictures_that_were_drawn_are_kept(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denoise, seeds = drawing.denoise, []

    def counted(model: Model, conditioning: Any, how: drawing.Drawing, *rest: Any) -> Any:
        seeds.append(how.seed)
        return denoise(model, conditioning, how, *rest)

    monkeypatch.setattr(drawing, "denoise", counted)
    samples = []
    for name in ("whole", "stopped"):
        output = tmp_path / f"{name}.json"
        kept = work.beside(output)
        call = ("compress-plan", "miniature", "-o", output, "--size", "6.7MB", "--samples", "2")
        rest = ("--only", "mcp", "--no-compare")
        if name == "stopped":
            with fork(*call, *rest) as process:
                wait_until((kept / "picture 0.npz").exists, 110)
                os.kill(process.pid, signal.SIGKILL)
                assert process.finish().code == -signal.SIGKILL
            assert not (kept / "sample.npz").exists()
            (kept / "picture 1.npz").write_bytes(b"PK torn")
            seeds.clear()
        assert command(*call, *rest).code == 0
        assert not list(kept.glob("picture*"))
        with np.load(kept / "sample.npz") as sample:
            samples.append({key: sample[key].tobytes() for key in sample.files})
    assert samples[0] == samples[1]
    assert seeds == [1, 2]


def test_a_calibrated_plan_is_exported_checked_and_tied_to_its_weights(
    command: Command, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "run", convert_here)
    bundle, other = tmp_path / "bundle", tmp_path / "other"
    call = ("compress-plan", "miniature", "-o", output, "--only", "mcp", "--samples", "1", "-q")
    least = int(command(*call, "--size", "1MB").error().split("(")[1].split()[0].replace(",", ""))
    size = ("--size", f"{least // 1000 + 40}kB", "--no-compare")
    assert command(*call, *size, "--calibrate").code == 0
    export = ("--only", "mcp", "--compression", output, "--quiet")
    assert command("export", "miniature", "-o", bundle, *export).code == 0
    told = json.loads((bundle / "connector.compression.json").read_text())["matrices"]
    assert any(entry.get("calibrated") for entry in told.values())
    assert command("verify", bundle, "--checkpoint", "miniature", "--no-chain", "-q").code == 0

    # Other roundings of the same rules are another package, of this component alone.
    read = plan.load(str(output))
    assert read.rounded is not None
    checkpoint = Checkpoint.open(assets.miniature())
    changed = replace(read, rounded=replace(read.rounded, sha256="0" * 64))

    def stated(planned: plan.CompressionPlan, name: str) -> dict[str, Any]:
        options = Options((COMPONENTS[name],), compression=planned)
        return load("mlpackage").concerns(checkpoint, COMPONENTS[name], options)

    assert stated(changed, "mcp") != stated(read, "mcp")
    assert stated(changed, "dit") == stated(read, "dit")

    shutil.copytree(assets.miniature(), other)
    info = Checkpoint.open(other).info(
        next(iter(COMPONENTS["mcp"].tensors(checkpoint.model))), "released"
    )
    with info.file.open("r+b") as file:
        file.seek(info.offset)
        first = file.read(1)[0]
        file.seek(info.offset)
        file.write(bytes([first ^ 1]))
    refused = command("export", other, "-o", tmp_path / "none", *export)
    assert refused.code == 2
    assert "was rounded for other weights of mcp" in refused.err
    assert not (tmp_path / "none").exists()


def test_weights_of_that_name_are_left_alone(command: Command, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes((assets.miniature() / "model.safetensors").read_bytes())
    before = weights.read_bytes()
    call = ("compress-plan", "miniature", "-o", tmp_path / "model.json", "--size", "5MB")
    for options in ((), ("--calibrate",)):
        assert "no such file; give the plan another name" in command(*call, *options).error()
    assert weights.read_bytes() == before
    assert list(tmp_path.iterdir()) == [weights]


def test_a_folder_that_is_busy_or_not_ours_is_left_alone(command: Command, tmp_path: Path) -> None:
    output = tmp_path / "plan.json"
    call = ("compress-plan", "miniature", "-o", output, "--size", "5MB", "--quiet")
    folder = work.beside(output)
    with work.claim(folder, "key"):
        assert "another compress-plan works there" in command(*call).error()
    for path in folder.iterdir():
        path.unlink()
    (folder / "mine.txt").write_text("")
    assert "is not ours" in command(*call).error()
    assert (folder / "mine.txt").exists()


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (("--size", "2"), "of which unit?"),
        (("--size", "-1GB"), "expected a size such as 2GB"),
        (("--size", "5MB", "--only", "unet"), "unknown component 'unet'"),
        (("--size", "5MB", "--samples", "99"), "there are 16 built-in captions"),
        (("--size", "5MB", "--prompts", "absent.txt"), "absent.txt: cannot be read"),
        (("--size", "5MB", "--weights", "post-trained"), "has no nested copies"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    command: Command, tmp_path: Path, rest: tuple[str, ...], message: str
) -> None:
    done = command("compress-plan", "miniature", "-o", tmp_path / "plan.json", *rest)
    assert done.code == 2
    assert message in done.error()
    assert list(tmp_path.iterdir()) == []


def test_own_captions_are_drawn(command: Command, tmp_path: Path) -> None:
    captions = tmp_path / "captions.txt"
    captions.write_text("a red circle\n\n")
    output = tmp_path / "plan.json"
    call = ("compress-plan", "miniature", "-o", output, "--size", "7MB", "--prompts", captions)
    assert "has 1 captions, --samples asks for 2" in command(*call, "--samples", "2").error()
    done = command(*call, "--samples", "1", "--only", "mcp", "--no-compare", "--quiet")
    assert (done.code, done.err) == (0, "")
