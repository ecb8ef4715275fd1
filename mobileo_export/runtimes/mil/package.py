"""Find the files of an ``.mlpackage`` without ever leaving its folder.

Layout: ``Manifest.json`` names the root model by identifier; items lie below ``Data/``. The
program's weights are named relative to ``@model_path``, the folder of the model file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mobileo_export.errors import BundleError, UsageError

_MODEL_PATH = "@model_path"


@dataclass(frozen=True)
class Package:
    """An opened package.

    Attributes:
        root: the package folder, resolved.
        model: the protobuf file, inside ``root``.
    """

    root: Path
    model: Path

    @property
    def name(self) -> str:
        """The folder's name, for messages."""
        return self.root.name

    def blob(self, name: str) -> Path:
        """The weight file a value calls ``name``.

        Raises:
            BundleError: the name leads outside the package or to no file.
        """
        parts = PurePosixPath(name).parts
        if not parts or parts[0] != _MODEL_PATH or "\0" in name:
            raise BundleError(f"{self.name}: weight file {name!r} does not start with @model_path")
        return _inside(self.root, self.model.parent.joinpath(*parts[1:]), "weight file")


def open_package(path: Path) -> Package:
    """Locate the root model of the package at ``path``.

    Raises:
        UsageError: there is nothing at ``path``.
        BundleError: it is no package, or it is incomplete.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such package")
    root = path.resolve()
    if not root.is_dir():
        raise BundleError(f"{path.name}: an .mlpackage is a folder, this is a file")
    manifest = _inside(root, root / "Manifest.json", "Manifest.json")
    try:
        content: Any = json.loads(manifest.read_bytes())
        entry = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{root.name}: Manifest.json is not valid JSON") from error
    except (KeyError, TypeError) as error:
        raise BundleError(f"{root.name}: Manifest.json names no root model") from error
    if not isinstance(entry, str) or "\0" in entry:
        raise BundleError(f"{root.name}: Manifest.json names no root model")
    return Package(root, _inside(root, root / "Data" / entry, "model file"))


def _inside(root: Path, path: Path, what: str) -> Path:
    """``path`` resolved, if it is a regular file below ``root``; symbolic links are followed."""
    try:
        resolved = path.resolve()
        found = resolved.is_file()
    except (OSError, RuntimeError) as error:
        raise BundleError(f"{root.name}: cannot resolve the {what} {path.name}") from error
    if not resolved.is_relative_to(root):
        raise BundleError(f"{root.name}: the {what} {path.name} leads outside the package")
    if not found:
        raise BundleError(f"{root.name}: the {what} {path.name} is missing")
    return resolved
