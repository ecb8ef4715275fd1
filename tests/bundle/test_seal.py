"""Sealing and verifying, with every way in which a folder can differ from what was sealed."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle import seal
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    for name, content in {"a.bin": b"aaaa", "b.bin": b"bbbb", "deep/er/c.bin": b"c" * 5000}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def manifest(folder: Path) -> dict[str, Any]:
    return {"files": [vars(entry) for entry in seal.entries(folder)]}


def problems(folder: Path, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.path, problem.kind) for problem in seal.verify(folder, manifest)]


def test_an_untouched_folder_holds(folder: Path, manifest: dict[str, Any]) -> None:
    assert [entry["path"] for entry in manifest["files"]] == ["a.bin", "b.bin", "deep/er/c.bin"]
    assert manifest["files"][0]["size"] == 4
    # sha256 of b"aaaa", from `printf aaaa | sha256sum`
    assert manifest["files"][0]["sha256"] == (
        "61be55a8e2f6b4e172338bddf184d6dbee29c98853e0a0485ecee7f27b9af0b4"
    )
    (folder / "manifest.json").write_text("{}")  # does not list itself
    assert problems(folder, manifest) == []


def test_one_changed_byte_is_noticed(folder: Path, manifest: dict[str, Any]) -> None:
    content = bytearray((folder / "deep/er/c.bin").read_bytes())
    content[4321] ^= 1
    (folder / "deep/er/c.bin").write_bytes(content)
    assert problems(folder, manifest) == [("deep/er/c.bin", "content")]


def test_truncated_missing_and_extra_files_are_told_apart(
    folder: Path, manifest: dict[str, Any]
) -> None:
    os.truncate(folder / "deep/er/c.bin", 4999)
    (folder / "a.bin").unlink()
    (folder / "deep" / ".hidden").write_bytes(b"")
    assert problems(folder, manifest) == [
        ("deep/.hidden", "extra"),
        ("a.bin", "missing"),
        ("deep/er/c.bin", "size"),
    ]


def test_swapped_files_are_named_as_such(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "a.bin").write_bytes(b"bbbb")
    (folder / "b.bin").write_bytes(b"aaaa")
    found = seal.verify(folder, manifest)
    assert [problem.path for problem in found] == ["a.bin", "b.bin"]
    assert "contents of b.bin" in found[0].detail
    assert "contents of a.bin" in found[1].detail


def test_a_link_is_no_file_even_when_it_leads_to_the_same_bytes(
    folder: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    (folder / "a.bin").rename(tmp_path / "elsewhere")
    (folder / "a.bin").symlink_to(tmp_path / "elsewhere")
    assert problems(folder, manifest) == [("a.bin", "not a file")]
    with pytest.raises(BundleError, match="not a plain file"):
        seal.entries(folder)


def test_a_linked_folder_is_not_followed(
    folder: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    shutil.move(folder / "deep", tmp_path / "deep")
    (folder / "deep").symlink_to(tmp_path / "deep")
    assert problems(folder, manifest) == [("deep", "extra"), ("deep/er/c.bin", "missing")]


def test_a_pipe_is_not_opened(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "a.bin").unlink()
    os.mkfifo(folder / "a.bin")  # reading it would wait for ever
    assert problems(folder, manifest) == [("a.bin", "not a file")]
    with pytest.raises(BundleError, match="not a plain file"):
        seal.entries(folder)


def test_a_folder_in_place_of_a_file(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "a.bin").unlink()
    (folder / "a.bin").mkdir()
    assert problems(folder, manifest) == [("a.bin", "missing")]


@pytest.mark.parametrize(
    "path", ["../outside", "deep/../../outside", "/etc/passwd", "a\\b", "a\0b", "", ".", ".."]
)
def test_a_path_out_of_the_bundle_is_refused(folder: Path, path: str) -> None:
    (folder.parent / "outside").write_bytes(b"aaaa")
    entry = {"path": path, "size": 4, "sha256": seal.digest(folder.parent / "outside")}
    with pytest.raises(BundleError, match="leaves the bundle"):
        seal.verify(folder, {"files": [entry]})


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "a.bin",
        [],
        {},
        {"path": "a.bin", "size": 4},
        {"path": "a.bin", "size": "4", "sha256": "0"},
        {"path": "a.bin", "size": 4.0, "sha256": "0"},
        {"path": "a.bin", "size": True, "sha256": "0"},
        {"path": ["a.bin"], "size": 4, "sha256": "0"},
        {"path": "a.bin", "size": 4, "sha256": None},
    ],
)
def test_a_malformed_entry_is_refused(folder: Path, entry: object) -> None:
    with pytest.raises(BundleError, match="malformed"):
        seal.verify(folder, {"files": [entry]})


def test_a_path_listed_twice_is_refused(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["files"].append({**manifest["files"][0], "size": 9})
    with pytest.raises(BundleError, match="listed twice"):
        seal.verify(folder, manifest)


def test_ignored_names_are_left_out(folder: Path) -> None:
    found = seal.entries(folder, ignore=frozenset({"a.bin"}))
    assert [entry.path for entry in found] == ["b.bin", "deep/er/c.bin"]


STRAYS = [
    ".DS_Store",
    "deep/.DS_Store",
    "deep/er/._c.bin",
    "Thumbs.db",
    "deep/desktop.ini",
    ".gitattributes",
    ".gitignore",
    ".git/config",
    "README.md",
    ".cache/huggingface/download/a.bin.metadata",
]


@pytest.mark.parametrize("path", STRAYS)
def test_what_desktops_and_hubs_add_breaks_no_seal(
    folder: Path, manifest: dict[str, Any], path: str
) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(b"x")
    assert problems(folder, manifest) == []
    assert seal.strays(folder, manifest) == [path]
    assert [vars(entry) for entry in seal.entries(folder)] == manifest["files"]


@pytest.mark.parametrize(
    "path",
    ["deep/README.md", "deep/.gitattributes", ".cache/other", ".github/x", "x.DS_Store", "._/x"],
)
def test_no_other_name_is_left_aside(folder: Path, manifest: dict[str, Any], path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(b"x")
    assert problems(folder, manifest) == [(path, "extra")]
    assert seal.strays(folder, manifest) == []


def test_a_stray_that_was_sealed_has_to_be_there(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["files"].append({**manifest["files"][0], "path": "README.md"})
    assert problems(folder, manifest) == [("README.md", "missing")]
    (folder / "README.md").write_bytes(b"bbbb")
    assert problems(folder, manifest) == [("README.md", "content")]


def test_a_git_lfs_pointer_is_told(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "a.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (problem,) = found = seal.verify(folder, manifest)
    assert problem.detail.startswith("a Git LFS pointer, ")
    assert seal.advice(found) == "run `git lfs pull` in its clone"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["missing"], "export or download it again"),
        (["extra"], "delete extra0, or move what you keep out of the bundle"),
        (
            ["extra", "extra"],
            "delete extra0 and the other extra files, or move what you keep out of the bundle",
        ),
        (["extra", "content"], "export or download it again, and delete extra0"),
    ],
)
def test_an_extra_file_has_to_go(kinds: list[Any], expected: str) -> None:
    found = [seal.Problem(f"{kind}{n}", kind, "") for n, kind in enumerate(kinds)]
    assert seal.advice(found) == expected
