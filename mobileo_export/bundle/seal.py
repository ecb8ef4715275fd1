"""Sealing: hash every file of a folder, and notice when a sealed folder has changed."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.bundle.manifest import MANIFEST, FileEntry
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Problem:
    """One way in which a bundle is not what its manifest says."""

    path: str
    kind: Literal["missing", "extra", "size", "content", "not a file"]
    detail: str


def entries(folder: Path, ignore: frozenset[str] = frozenset()) -> tuple[FileEntry, ...]:
    """Every file below ``folder`` but its manifest and ``ignore``, hashed, in path order.

    Raises:
        BundleError: something there is not a plain file (a link could point anywhere).
    """
    paths = {name: path for name, path in _files(folder).items() if name not in ignore}
    for relative, path in paths.items():
        if path.is_symlink() or not path.is_file():
            raise BundleError(f"{folder / relative}: not a plain file; it cannot be sealed")
    return tuple(
        FileEntry(relative, path.stat().st_size, sha256)
        for (relative, path), sha256 in zip(paths.items(), _digests(paths.values()), strict=True)
    )


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def verify(folder: Path, manifest: dict[str, Any]) -> list[Problem]:
    """Compare a bundle's files with its manifest; an empty list means that the seal holds.

    Raises:
        BundleError: the manifest's list of files is malformed or names a place outside.
    """
    listed = _listed(folder, manifest["files"])
    present = _files(folder)
    problems = [Problem(p, "extra", "not listed") for p in sorted(present.keys() - listed.keys())]
    problems += [Problem(p, "missing", "listed") for p in sorted(listed.keys() - present.keys())]
    same_size = {}
    for path in sorted(listed.keys() & present.keys()):
        file = present[path]
        if file.is_symlink() or not file.is_file():
            problems.append(Problem(path, "not a file", "a link or a special file"))
        elif (size := file.stat().st_size) != listed[path][0]:
            problems.append(Problem(path, "size", f"{size} bytes, listed {listed[path][0]}"))
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
