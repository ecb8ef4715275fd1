"""Exports again: only what is missing or changed is done, and the bytes are the same."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import components
from mobileo_export.bundle import manifest, seal
from mobileo_export.bundle.workspace import NEW, partial_of
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError
from mobileo_export.export import fingerprint, manifest_entries, plan, resume
from mobileo_export.export import run as export
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command
    from tests.exports import Exports

PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")
WEIGHTS = "llm/model.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def again(
    checkpoint: Path, output: Path, only: str | None = None, fresh: bool = False, **chosen: Any
) -> export.Result:
    options = export.Options(components.select(only), **chosen)
    return export.export(Checkpoint.open(checkpoint), output, options, overwrite=True, fresh=fresh)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A whole bundle of the test's own."""
    return shutil.copytree(tiny_bundle, tmp_path / "out")


@pytest.fixture
def llm(tiny_checkpoint: Path, exported: Exports, tmp_path: Path) -> Path:
    """A bundle with the language model alone, which takes a second to make."""
    return shutil.copytree(exported(tiny_checkpoint, "llm"), tmp_path / "out")


def test_an_unchanged_export_converts_nothing_and_is_the_same(
    tiny_checkpoint: Path, tiny_bundle: Path, bundle: Path
) -> None:
    inode = (bundle / WEIGHTS).stat().st_ino
    result = again(tiny_checkpoint, bundle)
    assert result.reused == tuple(components.COMPONENTS)
    assert result.peaks == {}
    assert contents(bundle) == contents(tiny_bundle)
    assert (bundle / WEIGHTS).stat().st_ino == inode  # linked, not copied
    assert not partial_of(bundle).exists()


def test_other_bits_rebuild_the_language_model_alone(
    tiny_checkpoint: Path, tiny_bundle: Path, bundle: Path
) -> None:
    result = again(tiny_checkpoint, bundle, llm_bits=4)
    assert result.reused == PACKAGES
    assert (bundle / WEIGHTS).stat().st_size < 0.7 * (tiny_bundle / WEIGHTS).stat().st_size
    assert seal.verify(bundle, manifest.read(bundle)) == []
    assert again(tiny_checkpoint, bundle).reused == PACKAGES
    assert contents(bundle) == contents(tiny_bundle)


def test_another_tokenizer_rebuilds_the_language_model_alone(tiny_copy: Path, bundle: Path) -> None:
    path = tiny_copy / "generation_config.json"
    path.write_text(path.read_text() + "\n")
    assert again(tiny_copy, bundle).reused == PACKAGES
    assert (bundle / "llm" / path.name).read_text() == path.read_text()


def test_other_tensors_rebuild_their_component(tiny_copy: Path, llm: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    dtype, values = surgery.load(tiny_copy / "model.safetensors")[name]
    values = values.copy()
    values.reshape(-1)[3] ^= 1
    surgery.change(tiny_copy, {name: (dtype, values)})
    assert again(tiny_copy, llm, "llm").reused == ()


@pytest.mark.parametrize("damage", ["a bit", "a file more", "a file less"])
def test_a_damaged_bundle_is_made_anew(tiny_checkpoint: Path, llm: Path, damage: str) -> None:
    pristine = contents(llm)
    if damage == "a bit":
        data = bytearray((llm / WEIGHTS).read_bytes())
        data[-1] ^= 1
        (llm / WEIGHTS).write_bytes(data)
    elif damage == "a file less":
        (llm / "llm" / "config.json").unlink()
    else:
        (llm / "llm" / "more.json").write_text("{}")
    again(tiny_checkpoint, llm, "llm")
    assert contents(llm) == pristine


def test_fresh_takes_nothing_over(tiny_checkpoint: Path, llm: Path) -> None:
    pristine = contents(llm)
    assert again(tiny_checkpoint, llm, "llm", fresh=True).reused == ()
    assert contents(llm) == pristine


def interrupt_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest_entries, "of_bundle", strike)


def test_what_was_finished_before_an_interruption_is_not_done_again(
    tiny_checkpoint: Path, llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "other"
    with monkeypatch.context() as patch:
        interrupt_at_the_end(patch)
        with pytest.raises(KeyboardInterrupt):
            again(tiny_checkpoint, output, "llm")
    assert not output.exists()
    assert resume.names(output) == ["llm"]
    assert again(tiny_checkpoint, output, "llm").reused == ("llm",)
    assert contents(output) == contents(llm)
    assert not partial_of(output).exists()


def test_what_was_finished_for_other_options_is_not_taken(
    tiny_checkpoint: Path, llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "other"
    with monkeypatch.context() as patch:
        interrupt_at_the_end(patch)
        with pytest.raises(KeyboardInterrupt):
            again(tiny_checkpoint, output, "llm", llm_bits=4)
    assert again(tiny_checkpoint, output, "llm").reused == ()
    assert contents(output) == contents(llm)


def test_what_was_finished_and_then_damaged_is_done_again(
    tiny_checkpoint: Path, llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "other"
    with monkeypatch.context() as patch:
        interrupt_at_the_end(patch)
        with pytest.raises(KeyboardInterrupt):
            again(tiny_checkpoint, output, "llm")
    path = partial_of(output) / NEW / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert again(tiny_checkpoint, output, "llm").reused == ()
    assert contents(output) == contents(llm)


def test_nothing_is_kept_of_a_checkpoint_that_changed_meanwhile(
    tiny_copy: Path, tmp_path: Path
) -> None:
    """Noticed when the component is done; then neither a bundle nor a record is left."""

    def progress(event: Any) -> None:
        if event.stage == "quantizing":
            (tiny_copy / "config.json").touch()

    options = export.Options(components.select("llm"))
    with pytest.raises(CheckpointError, match="changed while it was being exported"):
        export.export(Checkpoint.open(tiny_copy), tmp_path / "out", options, progress=progress)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_a_dry_run_says_what_is_finished(
    command: Command, tiny_checkpoint: Path, bundle: Path
) -> None:
    arguments = ("export", tiny_checkpoint, "-o", bundle, "--overwrite", "--dry-run")
    shown = command(*arguments, "--llm-bits", "4").out.splitlines()
    finished_ones = [line.split()[0] for line in shown if line.rstrip().endswith("finished")]
    assert finished_ones == list(PACKAGES)
    assert "finished" not in command(*arguments, "--fresh").out


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The first argument of each call of ``owner.name`` from now on."""
    calls: list[Any] = []
    real = getattr(owner, name)

    def call(first: Any, *others: Any, **named: Any) -> Any:
        calls.append(first)
        return real(first, *others, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_an_export_plans_once_and_reads_everything_once(
    tiny_checkpoint: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = counted(monkeypatch, plan, "estimates")
    tokenizers = counted(monkeypatch, tokenizer_files, "_read")
    stated = counted(monkeypatch, fingerprint, "inputs")
    tensors = counted(monkeypatch, Checkpoint, "digest")
    files = counted(monkeypatch, seal, "digest")
    read = counted(monkeypatch, safetensors_file, "blocks")
    sealed = manifest.read(bundle)["files"]
    assert again(tiny_checkpoint, bundle).reused == tuple(components.COMPONENTS)
    assert len(plans) == len(tokenizers) == 1
    assert len(stated) == len(tensors) == len(components.COMPONENTS)
    assert len(files) == len(set(files))
    assert len(read) == len(set(read))  # also of those that have two copies
    assert set(read) >= {*Checkpoint.open(tiny_checkpoint).nested.values()}
    assert sum(not path.is_relative_to(tiny_checkpoint) for path in files) == len(sealed)
