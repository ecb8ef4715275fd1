"""A Core AI asset on disk, checked before anything of it is executed.

It is a folder of three files: the program in MLIR's bytecode with all weights in it, the program's
sha256, and metadata. The library ends the whole process for a program that it cannot parse, so that
the sha256 is compared first.
"""

from __future__ import annotations

from pathlib import Path

from mobileo_export import json_file
from mobileo_export.bundle import links, seal
from mobileo_export.errors import BundleError, UsageError

PROGRAM, HASH, METADATA = "main.mlirb", "main.hash", "metadata.json"
MAIN = "main"  # the function of an asset; the language model's has two more
EMBED, PROJECTOR = "embed", "projector"
SUFFIX = ".aimodel"
LANGUAGE_MODEL = "model.aimodel"  # beside the tokenizer, in the language model's folder
MINIMUM_OS = "27.0"  # of iOS, iPadOS and macOS
# A phone maps no buffer of 4 GiB or more.
LARGEST_ALLOCATION = (1 << 32) - 1
_MAGIC = b"ML\xefR"
_AGAIN = "export it again or download it again"


def located(path: Path) -> Path:
    """The asset of an artifact: the artifact itself, or that in the language model's folder."""
    return path if path.suffix == SUFFIX else path / LANGUAGE_MODEL


def check(path: Path) -> None:
    """Find out whether the asset ``path`` is whole.

    Raises:
        UsageError: there is nothing at ``path``.
        BundleError: a file is missing, or the program is not the one that was written.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such asset")
    links.check(path)
    for name in (PROGRAM, HASH, METADATA):
        if not (path / name).is_file():
            raise BundleError(f"{path / name}: no such file; {_AGAIN}")
    try:
        json_file.load(path / METADATA)
    except ValueError as error:
        raise BundleError(f"{path / METADATA}: is not valid JSON; {_AGAIN}") from error
    with (path / PROGRAM).open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise BundleError(f"{path / PROGRAM}: is no Core AI program; {_AGAIN}")
    stated = (path / HASH).read_bytes().hex()
    if seal.digest(path / PROGRAM) != stated:
        raise BundleError(f"{path / PROGRAM}: is not as it was written; {_AGAIN}")
