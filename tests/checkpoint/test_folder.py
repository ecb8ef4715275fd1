"""Checkpoint folders: found, told from what is none, and their configuration."""

from __future__ import annotations

import pickle
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.folder import INDEX, NESTED, Checkpoint, read_json
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint
from tests import surgery
from tests.checkpoint.folders import check_all

if TYPE_CHECKING:
    from pathlib import Path


# --- finding it


def test_a_checkpoint_is_opened_without_reading_tensors(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(safetensors_file, "raw", refuse)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert checkpoint.path == tiny_checkpoint
    assert checkpoint.files == (tiny_checkpoint / "model.safetensors",)
    plan = random_checkpoint.tensors(models.model("tiny"))
    nested = {name for name in plan if name.startswith(NESTED)}
    assert checkpoint.top_level.keys() == plan.keys() - nested
    assert {NESTED + name for name in checkpoint.nested} == nested
    check_all(checkpoint)


def test_a_folder_around_the_checkpoint_is_seen_through(tiny_copy: Path) -> None:
    (tiny_copy.parent / "README.md").write_text("# Model card")
    (tiny_copy.parent / "training_args.bin").write_bytes(b"\x80\x04")
    (tiny_copy.parent / "assets").mkdir()
    checkpoint = Checkpoint.open(tiny_copy.parent)
    assert checkpoint.path == tiny_copy
    assert checkpoint.found_below == tiny_copy.name
    assert checkpoint.notes == (
        f"{tiny_copy.parent}: holds no weights itself; tiny in it is taken",
    )


def test_a_folder_that_was_named_is_not_worth_a_note(tiny_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert (checkpoint.found_below, checkpoint.notes) == (None, ())


def test_two_checkpoints_in_a_folder_are_ambiguous(tiny_copy: Path) -> None:
    shutil.copytree(tiny_copy, tiny_copy.with_name("second"))
    with pytest.raises(UsageError, match=r"holds several checkpoints \(second, tiny\); name one"):
        Checkpoint.open(tiny_copy.parent)


@pytest.mark.parametrize(("kind", "message"), [("absent", "no such folder"), ("file", "is a file")])
def test_no_folder_is_a_usage_error(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / kind
    if kind == "file":
        path.write_text("")
    with pytest.raises(UsageError, match=message):
        Checkpoint.open(path)


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        ((), "no checkpoint here"),
        (("config.json",), "no checkpoint here"),
        (("model.safetensors",), "has weights but no config.json"),
    ],
)
def test_half_a_checkpoint_is_refused(tiny_copy: Path, keep: tuple[str, ...], reason: str) -> None:
    for path in tiny_copy.iterdir():
        if path.is_file() and path.name not in keep:
            path.unlink()
    with pytest.raises(CheckpointError, match=reason):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            ["adapter_config.json", "adapter_model.safetensors"],
            "an adapter.*merge-lora --base",
        ),
        (["config.json", "model-00001-of-00002.safetensors"], f"shards .* but no {INDEX}"),
        (["config.json", "fp16.safetensors"], "has fp16.safetensors but no model.safetensors"),
        (["config.json"], "no checkpoint here"),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in (*files, "training_args.bin", "optimizer.pt", "._pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=reason):
        Checkpoint.open(tmp_path)


class Bomb:
    """Unpickling this would touch a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "weights.pth", "a.ckpt", "b.pkl"]
)
def test_a_pickle_is_named_and_never_loaded(tiny_copy: Path, name: str, with_config: bool) -> None:
    trap = tiny_copy / "trap"
    (tiny_copy / "model.safetensors").unlink()
    (tiny_copy / name).write_bytes(pickle.dumps(Bomb(trap)))
    if not with_config:
        (tiny_copy / "config.json").unlink()
    with pytest.raises(
        CheckpointError, match=f"{name}: a pickle, which can run any code"
    ) as caught:
        Checkpoint.open(tiny_copy)
    assert "weights_only=True" in str(caught.value)
    assert not trap.exists()


def test_a_truncated_download_is_refused(tiny_copy: Path) -> None:
    path = tiny_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a readable .* again"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_git_lfs_pointer_is_explained(tiny_copy: Path, name: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4775658842\n"
    (tiny_copy / name).write_text(pointer)
    with pytest.raises(CheckpointError, match=rf"{name}: .*a Git LFS pointer.*`git lfs pull`"):
        Checkpoint.open(tiny_copy)


# --- config.json


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe{}", b"\x00", b"[" * 100_000, b"1" * 5000],
)
def test_a_config_that_is_no_object_is_refused(tiny_copy: Path, content: bytes) -> None:
    (tiny_copy / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json: (cannot be read|holds no JSON)"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("name", [..., None, "", 5, ["a"], {}])
def test_a_config_without_diffusion_model_is_refused(tiny_copy: Path, name: Any) -> None:
    surgery.configure(tiny_copy, {"diffusion_name_or_path": name})
    with pytest.raises(CheckpointError, match="no diffusion_name_or_path; this is not a Mobile-O"):
        Checkpoint.open(tiny_copy).model  # noqa: B018


def test_a_diffusion_folder_is_found_from_the_checkpoint(
    tiny_copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Checkpoint.open(tiny_copy).model.diffusion.name == "diffusion"
    (tiny_copy / "diffusion").rename(tiny_copy / "sana")
    with pytest.raises(CheckpointError, match="'diffusion' is neither a published name"):
        Checkpoint.open(tiny_copy).model  # noqa: B018
    surgery.configure(tiny_copy, {"diffusion_name_or_path": "./sana"})
    assert Checkpoint.open(tiny_copy).model.image_size == 64


def test_a_published_name_that_does_not_fit_is_refused(tiny_copy: Path) -> None:
    name = "Efficient-Large-Model/Sana_600M_512px_diffusers"
    surgery.configure(tiny_copy, {"diffusion_name_or_path": name})
    with pytest.raises(CheckpointError, match=r"tiny: .* 192 channels but the DiT expects 2304"):
        Checkpoint.open(tiny_copy).model  # noqa: B018


def test_a_bad_field_is_reported_with_its_folder(tiny_copy: Path) -> None:
    surgery.configure(tiny_copy, {"num_attention_heads": True})
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(tiny_copy).model  # noqa: B018
    assert str(caught.value).startswith(f"{tiny_copy}: config.json: num_attention_heads is true")


def test_a_wrong_tie_flag_is_a_warning(tiny_copy: Path) -> None:
    surgery.configure(tiny_copy, {"tie_word_embeddings": True})
    model = Checkpoint.open(tiny_copy).model
    assert not model.llm.tie_word_embeddings
    assert len(model.warnings) == 1
    surgery.change(tiny_copy, {"lm_head.weight": None})
    checkpoint = Checkpoint.open(tiny_copy)
    assert checkpoint.model.llm.tie_word_embeddings
    assert checkpoint.model.warnings == ()
    check_all(checkpoint)


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(CheckpointError, match=r"config.json: .*the key 'a' occurs twice"):
        read_json(path)
