"""Links of a download cache are followed, every other one is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlx.folder import open_folder
from mobileo_export.bundle import card, links, manifest, seal
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.pipelines.model import open_model
from tests.command import Command
from tests.hub_cache import REVISION, relay

Damage = Callable[[Path, Path], None]  # what becomes of a link, and where there is room
WEIGHT = "transformer.mlpackage/Data/com.apple.CoreML/weights/weight.bin"


@pytest.fixture
def cached(tiny_bundle: Path, tmp_path: Path) -> Path:
    return relay(tiny_bundle, tmp_path / "hub")


def test_links_of_a_cache_hold_the_seal(cached: Path, tiny_bundle: Path, command: Command) -> None:
    assert all(path.is_symlink() for path in cached.rglob("*") if not path.is_dir())
    content = manifest.read(cached)
    assert seal.verify(cached, content) == []
    paths = [entry["path"] for entry in content["files"]]
    assert (cached / card.CARD).is_symlink()
    paths.remove(card.CARD)  # sealed, and a stray where it is not listed
    entries = [entry for entry in content["files"] if entry["path"] in paths]
    assert [vars(entry) for entry in seal.entries(cached)] == entries
    assert (
        open_package(cached / "transformer.mlpackage")
        .blob("@model_path/weights/weight.bin")
        .samefile(cached / WEIGHT)
    )
    assert open_folder(cached / "llm").stored
    assert command("diff", tiny_bundle, cached).code == 0


@pytest.mark.parametrize("below", ["final", "deep/er"])
def test_a_bundle_may_be_a_folder_of_its_repository(
    tiny_bundle: Path, tmp_path: Path, below: str
) -> None:
    folder = relay(tiny_bundle, tmp_path / "hub", below)
    assert seal.verify(folder, manifest.read(folder)) == []


def test_a_link_to_the_snapshot_is_as_good_as_its_name(cached: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(cached)
    assert seal.verify(tmp_path / "bundle", manifest.read(tmp_path / "bundle")) == []


def test_a_cached_bundle_draws(cached: Path, tmp_path: Path, command: Command) -> None:
    output = tmp_path / "a.png"
    shown = command("generate", cached, "a cat", "-o", output, "--steps", "2", "--quiet")
    assert shown.code == 0, shown.err
    assert output.is_file()


def test_a_cached_jetson_bundle_draws(tiny_jetson: Path, tmp_path: Path, command: Command) -> None:
    folder, output = relay(tiny_jetson, tmp_path / "hub"), tmp_path / "a.png"
    assert seal.verify(folder, manifest.read(folder)) == []
    shown = command("generate", folder, "a cat", "-o", output, "--steps", "2", "--quiet")
    assert shown.code == 0, shown.err


def test_a_changed_blob_is_noticed(cached: Path) -> None:
    blob = (cached / WEIGHT).resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    kinds = [(p.path, p.kind) for p in seal.verify(cached, manifest.read(cached))]
    assert kinds == [(WEIGHT, "content")]


def _outside(link: Path, place: Path) -> None:
    shutil.copyfile(link, place / "outside")
    link.unlink()
    link.symlink_to(place / "outside")


def _named_like_a_blob(link: Path, place: Path) -> None:
    """Outside, by a name that the cache has too."""
    outside = place / link.resolve().name
    outside.write_bytes(b"other contents")
    link.unlink()
    link.symlink_to(outside)


def _other_cache(link: Path, place: Path) -> None:
    blobs = place / "models--other--one" / "blobs"
    blobs.mkdir(parents=True)
    shutil.copyfile(link, blobs / "abc")
    link.unlink()
    link.symlink_to(blobs / "abc")


def _below_blobs(link: Path, place: Path) -> None:
    blobs = link.resolve().parent
    (blobs / "deep").mkdir()
    shutil.copyfile(link, blobs / "deep" / "abc")
    link.unlink()
    link.symlink_to(blobs / "deep" / "abc")


def _linked_blob(link: Path, place: Path) -> None:
    blob = link.resolve()
    shutil.move(blob, place / "outside")
    blob.symlink_to(place / "outside")


def _back_out(link: Path, place: Path) -> None:
    shutil.copyfile(link, place / "outside")
    blobs = link.resolve().parent
    link.unlink()
    link.symlink_to(f"{blobs}/../../../outside")


def _chain(link: Path, place: Path) -> None:
    target = link.with_name("second")
    link.rename(target)
    link.symlink_to("second")


def _linked_blobs(link: Path, place: Path) -> None:
    blobs = link.resolve().parent
    shutil.move(blobs, place / "elsewhere")
    blobs.symlink_to(place / "elsewhere")


HOSTILE = [
    _outside, _named_like_a_blob, _other_cache, _below_blobs, _linked_blob, _back_out,
    _linked_blobs,
]  # fmt: skip


@pytest.mark.parametrize("damage", [*HOSTILE, _chain])
def test_no_other_link_is_a_caches(cached: Path, tmp_path: Path, damage: Damage) -> None:
    content = manifest.read(cached)
    damage(cached / WEIGHT, tmp_path)
    assert not links.is_cached(cached / WEIGHT)
    problems = {problem.path: problem.kind for problem in seal.verify(cached, content)}
    assert problems[WEIGHT] == "not a file"


@pytest.mark.parametrize("damage", HOSTILE)
def test_no_package_is_read_through_another_link(
    cached: Path, tmp_path: Path, damage: Damage
) -> None:
    damage(cached / WEIGHT, tmp_path)
    with pytest.raises(BundleError, match="leads outside"):
        open_package(cached / "transformer.mlpackage").blob("@model_path/weights/weight.bin")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_language_model_is_not_read_through_another_link(
    tiny_bundle: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    _outside(folder / "llm" / name, tmp_path)
    with pytest.raises(BundleError, match=f"llm/{name}: a link that leads outside"):
        open_folder(folder / "llm")
    with pytest.raises(BundleError, match="a link that leads outside"), open_model(str(folder)):
        pass


def test_a_graph_is_not_read_through_another_link(
    tiny_jetson: Path, tmp_path: Path, command: Command
) -> None:
    folder = Path(shutil.copytree(tiny_jetson, tmp_path / "bundle"))
    graph = next(folder.glob("*.onnx.data"))
    _outside(graph, tmp_path)
    shown = command("verify", folder)
    assert "not a file" in shown.out
    name = graph.name.removesuffix(".onnx.data")
    from mobileo_export.runtimes.onnx.onnxruntime import OnnxRuntime

    with pytest.raises(BundleError, match=f"{name}.onnx.data: a link that leads outside"):
        OnnxRuntime().load(folder / f"{name}.onnx")


def test_a_manifest_is_not_read_through_another_link(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    _outside(folder / "manifest.json", tmp_path)
    with pytest.raises(BundleError, match="manifest.json: a link that leads outside"):
        manifest.read(folder)


def test_nothing_is_written_into_a_cache(
    cached: Path, tiny_checkpoint: Path, command: Command
) -> None:
    before = sorted(cached.parent.parent.rglob("*"))
    cache, bundle = "lies in the cache of a hub", "lies inside the bundle"
    lines: tuple[tuple[str, tuple[str | Path, ...]], ...] = (
        (cache, ("record", cached, "--checkpoint", tiny_checkpoint, "--no-parity")),
        (cache, ("export", tiny_checkpoint, "-o", cached, "--overwrite")),
        (bundle, ("export", tiny_checkpoint, "-o", cached / "inner")),
    )
    for reason, arguments in lines:
        shown = command(*arguments, "--quiet")
        assert shown.code == 2
        assert reason in shown.error()
    assert sorted(cached.parent.parent.rglob("*")) == before
    assert cached.name == REVISION


def test_a_folder_called_snapshots_alone_is_no_cache(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / "mine"
    shutil.copytree(tiny_bundle, folder)
    assert links.blobs_of(folder) is None
    from mobileo_export.bundle.workspace import check_output

    with pytest.raises(UsageError, match="use --overwrite"):
        check_output(folder, overwrite=False)
