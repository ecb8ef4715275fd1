"""The folder that a merge writes: all that a checkpoint needs, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections import namedtuple
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export import components
from mobileo_export.checkpoint import shards
from mobileo_export.checkpoint.folder import INDEX, Checkpoint
from mobileo_export.errors import UsageError
from mobileo_export.export import run as export
from mobileo_export.export import workers
from mobileo_export.merging.folder import RECORD
from mobileo_export.merging.merge import MergeOptions, merge
from tests.merging.merges import differing, merged

from ..exports import convert_here
from ..surgery import change, configure
from .adapters import (
    EMBEDDINGS,
    HEAD,
    Q,
    factors,
    write,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path


def test_what_else_a_checkpoint_needs_travels_along(tiny_copy: Path, tmp_path: Path) -> None:
    (tiny_copy / "preprocessor_config.json").write_text("{}")
    (tiny_copy / "LICENSE").write_text("terms")
    (tiny_copy / "training_args.bin").write_bytes(b"pickle")
    configure(tiny_copy, {"model_type": "llava_qwen2", "architectures": ["X"]})
    base = Checkpoint.open(tiny_copy)
    merge(base, write(tmp_path / "a", factors(base, Q)), tmp_path / "out", MergeOptions())
    names = {path.name for path in tiny_copy.iterdir()} - {"training_args.bin"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {RECORD}
    for name in names - {"config.json", "model.safetensors", "diffusion"}:
        assert (tmp_path / "out" / name).read_bytes() == (tiny_copy / name).read_bytes()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["model_type"] == "mobileo_inference"
    assert str(tmp_path) not in (tmp_path / "out" / RECORD).read_text()


def test_a_diffusion_folder_elsewhere_comes_inside(tiny_copy: Path, tmp_path: Path) -> None:
    (tiny_copy / "diffusion").rename(tmp_path / "elsewhere")
    for name in ("../elsewhere", str(tmp_path / "elsewhere")):
        configure(tiny_copy, {"diffusion_name_or_path": name})
        base = Checkpoint.open(tiny_copy)
        output = merged(base, None, tmp_path / "out", weights="post-trained", overwrite=True)
        assert output.config["diffusion_name_or_path"] == "diffusion"
        assert output.model.diffusion.dit == base.model.diffusion.dit


def test_the_same_merge_gives_the_same_bytes(
    base: Checkpoint, adapter: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        merge(base, adapter, tmp_path / name, MergeOptions())
    for path in (tmp_path / "one").rglob("*.*"):
        if path.is_file():
            other = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == other.read_bytes(), path


def test_a_large_output_is_sharded(
    base: Checkpoint, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = merged(base, adapter, tmp_path / "one")
    whole = shards.split
    monkeypatch.setattr(shards, "split", lambda plan: whole(plan, 2 << 20))
    many = merged(base, adapter, tmp_path / "many")
    assert len(many.files) == 3
    assert (tmp_path / "many" / INDEX).is_file()
    assert differing(one, many) == set()


def test_only_a_merged_checkpoint_is_replaced(
    base: Checkpoint, adapter: Path, tiny_copy: Path, tmp_path: Path
) -> None:
    merge(base, adapter, tmp_path / "out", MergeOptions())
    with pytest.raises(UsageError, match="exists; use --overwrite"):
        merge(base, adapter, tmp_path / "out", MergeOptions())
    merge(base, adapter, tmp_path / "out", MergeOptions(overwrite=True))
    with pytest.raises(UsageError, match="is not a merged checkpoint of ours and is left alone"):
        merge(base, adapter, tiny_copy, MergeOptions(overwrite=True))


def test_the_base_is_never_replaced(base: Checkpoint, adapter: Path, tmp_path: Path) -> None:
    merge(base, adapter, tmp_path / "out", MergeOptions())
    own = Checkpoint.open(tmp_path / "out")
    with pytest.raises(UsageError, match="holds what is merged"):
        merge(own, adapter, tmp_path / "out", MergeOptions(overwrite=True))
    assert differing(own, Checkpoint.open(tmp_path / "out")) == set()


def test_a_failure_on_the_way_leaves_nothing(
    base: Checkpoint, adapter: Path, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge(base, adapter, tmp_path / "out", MergeOptions(), stop)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_small_disk_is_noticed_before_anything_is_written(
    base: Checkpoint, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 10**6))
    with pytest.raises(UsageError, match=r"1\.0 MB free, the checkpoint takes 72\.0 MB; free"):
        merge(base, adapter, tmp_path / "out", MergeOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_the_output_exports(
    base: Checkpoint, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "run", convert_here)
    output = merged(base, adapter, tmp_path / "out")
    chosen = components.select("mcp,llm")
    result = export.export(
        output, tmp_path / "bundle", export.Options(chosen), log=tmp_path / "log"
    )
    assert result.nested is None
    wanted = {spec.name: output.digest(spec.tensors(output.model), "released") for spec in chosen}
    assert {n: e.tensors_sha256 for n, e in result.manifest.components.items()} == wanted


def test_memory_does_not_grow_with_the_tensors(tiny_copy: Path, tmp_path: Path) -> None:
    """A vocabulary of 80 MB as bfloat16, merged and copied in a few."""
    rows = 320_000
    table = np.broadcast_to(np.uint16(0x3F80), (rows, 128))
    change(tiny_copy, {f"{name}.weight": ("BF16", table) for name in (EMBEDDINGS, HEAD)})
    configure(tiny_copy, {"vocab_size": rows})
    base = Checkpoint.open(tiny_copy)
    adapter = write(tmp_path / "a", factors(base, EMBEDDINGS, rank=1), r=1)
    tracemalloc.start()
    try:
        merge(base, adapter, tmp_path / "out", MergeOptions())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20
