"""Write an ML Program as an ``.mlpackage`` whose bytes depend on nothing but its contents.

coremltools gives every package random identifiers, a conversion date and an unordered protobuf.
A package is three files (``Manifest.json``, ``model.mlmodel``, ``weights/weight.bin``), so they
are written here, in a form that Core ML and coremltools read.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path("Data") / "com.apple.CoreML"
MODEL = DATA / "model.mlmodel"
WEIGHTS = DATA / "weights"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://coremltools.readme.io/mlpackage")


def prepare(package: Path) -> Path:
    """Create an empty package; returns the folder that ``weight.bin`` goes into."""
    weights = package / WEIGHTS
    weights.mkdir(parents=True)
    return weights


def finish(package: Path, protobuf: Any) -> None:
    """Write the specification and the manifest beside the weights that are already there."""
    (package / MODEL).write_bytes(protobuf.SerializeToString(deterministic=True))
    entries = {
        _identifier("model.mlmodel"): {
            "author": "com.apple.CoreML",
            "description": "CoreML Model Specification",
            "name": "model.mlmodel",
            "path": "com.apple.CoreML/model.mlmodel",
        },
        _identifier("weights"): {
            "author": "com.apple.CoreML",
            "description": "CoreML Model Weights",
            "name": "weights",
            "path": "com.apple.CoreML/weights",
        },
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": _identifier("model.mlmodel"),
    }
    (package / "Manifest.json").write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")


def describe(
    protobuf: Any,
    title: str,
    descriptions: Mapping[str, str],
    license_text: str,
    user_defined: Mapping[str, str],
) -> None:
    """Fill in what Xcode shows: title, licence, versions, and a line for each input and output."""
    metadata = protobuf.description.metadata
    metadata.shortDescription = title
    metadata.license = license_text
    metadata.author = "mobileo-export"
    metadata.userDefined.clear()
    metadata.userDefined.update(user_defined)
    for feature in (*protobuf.description.input, *protobuf.description.output):
        feature.shortDescription = descriptions[feature.name]


def _identifier(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name)).upper()
