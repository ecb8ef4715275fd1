"""Find the files of an ``.mlpackage`` without ever leaving its folder.

Layout: ``Manifest.json`` names the root model by identifier; items lie below ``Data/``. The
program's weights are named relative to ``@model_path``, the folder of the model file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mobileo_export import json_file
from mobileo_export.artifacts.mlpackage import schema
from mobileo_export.bundle import links
from mobileo_export.errors import BundleError, UsageError

_MODEL_PATH = "@model_path"
# Weights lie in a file of their own; a graph alone has a few megabytes.
_MAX_MODEL_BYTES = 1 << 28


@dataclass(frozen=True)
class Package:
    """An opened package.

    Attributes:
        root: the package folder, resolved.
        model: the protobuf file, inside ``root``; in a download cache a link to its blob.
    """

    root: Path
    model: Path

    @property
    def name(self) -> str:
        """The folder's name, for messages."""
        return self.root.name

    def parse(self) -> Any:
        """The model file as its protobuf message.

        Raises:
            BundleError: it is too large, or no Core ML model.
        """
        size = self.model.stat().st_size
        if size > _MAX_MODEL_BYTES:
            raise BundleError(
                f"{self.name}: {self.model.name} has {size:,} bytes, at most {_MAX_MODEL_BYTES:,} "
                "are read; an ML Program keeps its weights in a file of their own"
            )
        message = schema.model_pb2().Model()
        try:
            message.ParseFromString(self.model.read_bytes())
        # Protobuf raises its own DecodeError, and plain errors for texts that are not UTF-8.
        except Exception as error:
            raise BundleError(f"{self.name}: {self.model.name} is not a Core ML model") from error
        return message

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
        content: Any = json_file.load(manifest)
        entry = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (OSError, ValueError) as error:
        raise BundleError(f"{root.name}: Manifest.json is not valid JSON") from error
    except (KeyError, TypeError) as error:
        raise BundleError(f"{root.name}: Manifest.json names no root model") from error
    if not isinstance(entry, str) or "\0" in entry:
        raise BundleError(f"{root.name}: Manifest.json names no root model")
    return Package(root, _inside(root, root / "Data" / entry, "model file"))


def _inside(root: Path, path: Path, what: str) -> Path:
    """``path`` resolved, if it is a regular file below ``root``.

    Links within the package are followed. A link of a download cache is not resolved: what it
    leads to has no neighbours.
    """
    try:
        resolved = path.resolve()
        if links.is_cached(path):
            resolved = path.parent.resolve() / path.name
        found = resolved.is_file()
    except (OSError, RuntimeError) as error:
        raise BundleError(f"{root.name}: cannot resolve the {what} {path.name}") from error
    if not resolved.is_relative_to(root):
        raise BundleError(f"{root.name}: the {what} {path.name} leads outside the package")
    if not found:
        raise BundleError(f"{root.name}: the {what} {path.name} is missing")
    return resolved
