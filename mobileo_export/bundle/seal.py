"""Sealing: hash every file of a folder, and notice when a sealed folder has changed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export import git_lfs
from mobileo_export.bundle import links
from mobileo_export.bundle.manifest import MANIFEST, FileEntry
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CHUNK = 1 << 18  # bytes read at a time: they stay in a core's cache while they are hashed
_POINTER = "a Git LFS pointer"
# What desktops drop into any folder that they show, and copy tools onto foreign disks.
_STRAY_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_STRAY_PREFIX = "._"
# What the hub keeps beside the files of any repository, at its root.
_HUB_NAMES = frozenset({".git", ".gitattributes", ".gitignore", "README.md"})
_HUB_FOLDERS = (".git/", ".cache/huggingface/")


@dataclass(frozen=True)
class Problem:
    """One way in which a bundle is not what its manifest says."""

    path: str
    kind: Literal["missing", "extra", "size", "content", "not a file"]
    detail: str


def entries(folder: Path, ignore: frozenset[str] = frozenset()) -> tuple[FileEntry, ...]:
    """Every file below ``folder`` but its manifest, strays and ``ignore``, hashed, in path order.

    Raises:
        BundleError: something there is not a plain file (a link could point anywhere).
    """
    paths = {
        name: path
        for name, path in _files(folder).items()
        if name not in ignore and not is_stray(name)
    }
    for relative, path in paths.items():
        if not links.is_plain(path):
            raise BundleError(f"{folder / relative}: not a plain file; it cannot be sealed")
    return tuple(
        FileEntry(relative, path.stat().st_size, sha256)
        for (relative, path), sha256 in zip(paths.items(), _digests(paths.values()), strict=True)
    )


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    state = hashlib.sha256()
    part = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(part):
            state.update(part[:size])
    return state.hexdigest()


def verify(folder: Path, manifest: dict[str, Any]) -> list[Problem]:
    """Compare a bundle's files with its manifest; an empty list means that the seal holds.

    Raises:
        BundleError: the manifest's list of files is malformed or names a place outside.
    """
    listed = _listed(folder, manifest["files"])
    present = _files(folder)
    extra = sorted(p for p in present.keys() - listed.keys() if not is_stray(p))
    problems = [Problem(path, "extra", "not listed") for path in extra]
    problems += [Problem(p, "missing", "listed") for p in sorted(listed.keys() - present.keys())]
    same_size = {}
    for path in sorted(listed.keys() & present.keys()):
        file = present[path]
        if not links.is_plain(file):
            problems.append(Problem(path, "not a file", "a link or a special file"))
        elif (size := file.stat().st_size) != listed[path][0]:
            detail = f"{size} bytes, listed {listed[path][0]}"
            pointer = git_lfs.is_pointer(file)
            problems.append(Problem(path, "size", f"{_POINTER}, {detail}" if pointer else detail))
        else:
            same_size[path] = file
    owners = {sha256: path for path, (_, sha256) in listed.items()}
    for path, found in zip(same_size, _digests(same_size.values()), strict=True):
        sha256 = listed[path][1]
        if found != sha256:
            other = owners.get(found)
            detail = f"holds the contents of {other}" if other else f"sha256 {found[:16]}…"
            problems.append(Problem(path, "content", f"{detail}, listed {sha256[:16]}…"))
    return problems


def is_stray(path: str) -> bool:
    """Whether a file, by its path in a bundle, is one that desktops and hubs add to any folder.

    No reader looks at it, so that a seal holds with and without it.
    """
    name = path.rpartition("/")[2]
    if name.lower() in _STRAY_NAMES or name.startswith(_STRAY_PREFIX):
        return True
    return path in _HUB_NAMES or path.startswith(_HUB_FOLDERS)


def strays(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The files that :func:`verify` leaves aside, in order."""
    listed = _listed(folder, manifest["files"])
    return sorted(path for path in _files(folder) if path not in listed and is_stray(path))


def advice(problems: list[Problem]) -> str:
    """What to do about a broken seal: an extra file has to go, any other takes a new copy."""
    extra = [problem.path for problem in problems if problem.kind == "extra"]
    pointers = any(problem.detail.startswith(_POINTER) for problem in problems)
    again = "run `git lfs pull` in its clone" if pointers else "export or download it again"
    if not extra:
        return again
    them = extra[0] if len(extra) == 1 else f"{extra[0]} and the other extra files"
    if len(extra) == len(problems):
        return f"delete {them}, or move what you keep out of the bundle"
    return f"{again}, and delete {them}"


def _digests(paths: Iterable[Path]) -> list[str]:
    with ThreadPoolExecutor(2) as pool:  # hashlib releases the interpreter lock
        return list(pool.map(digest, paths))


def _listed(folder: Path, items: Any) -> dict[str, tuple[int, str]]:
    """Size and digest by path; the paths stay inside the bundle and are named once."""
    where = folder / MANIFEST
    listed: dict[str, tuple[int, str]] = {}
    for item in items if isinstance(items, list) else [items]:
        keys = ("path", "size", "sha256")
        path, size, sha256 = map(item.get, keys) if isinstance(item, dict) else (None, None, None)
        if not (isinstance(path, str) and type(size) is int and isinstance(sha256, str)):
            raise BundleError(f"{where}: a file entry is malformed: {item!r}; export again")
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
            raise BundleError(f"{where}: file path {path!r} leaves the bundle; do not trust it")
        if path in listed:
            raise BundleError(f"{where}: file path {path!r} is listed twice; export again")
        listed[path] = (size, sha256)
    return listed


def _files(folder: Path) -> dict[str, Path]:
    """Everything below ``folder`` that is no plain folder, by relative path; links count."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if relative != MANIFEST and (path.is_symlink() or not path.is_dir()):
            found[relative] = path
    return found
