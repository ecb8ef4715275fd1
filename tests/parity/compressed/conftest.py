"""Bundles whose weights are compressed: by both presets, and by a plan with every form there is.

Of the tiny checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.compression import plan as plans
from mobileo_export.parity import compare
from mobileo_export.parity.references import References
from mobileo_export.parity.stored_values import compressed, stored
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.exports import Exports
from tests.parity.packages import PACKAGES, package

EVERY_FORM = {
    "schema_version": 1,
    "components": {
        "vision_encoder": {"*.convffn.fc1": "int4 block 8", "*.convffn.*": "palette4 rows 8",
                           "*": "int8"},
        "mcp": {"*": "int8 zero-point"},
        "dit": {"*.conv_depth": "half", "*.attn*.to_q": "int4 block 32 zero-point",
                "*.attn*": "int4 block 32", "*.conv_inverted": "int8 block 32 zero-point",
                "*": "palette6 rows 16"},
        "vae_decoder": {"*": "palette8"},
    },
}  # fmt: skip
PLANS = {
    "w8": plans.load("w8"),
    "small": plans.load("small"),
    "every form": plans.parse("every-form.json", EVERY_FORM),
}
# What a catch by stored values calls the part that was damaged.
PARTS = {
    "power of two off by one": ("power of two", "multiplied by 2"),
    "scale of the wrong block": ("scales", "those of other blocks"),
    "scale doubled": ("scales", "multiplied by 2"),
    "nibbles swapped": ("integers", "neighbours are swapped"),
    "zero point off by one": ("zero points", "are others"),
    "palette permuted": ("palettes", "entries are permuted"),
}
Bundle = Callable[[str], Path]


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="session")
def bundle(tiny_checkpoint: Path, exported: Exports) -> Bundle:
    return lambda name: exported(tiny_checkpoint, PACKAGES, compression=PLANS[name])


def opened(
    folder: Path, component: str, checkpoint: Checkpoint
) -> compressed.CompressedPackage | None:
    content = manifest.read(folder)
    return compare.compressed_package(folder, content, COMPONENTS[component], checkpoint)


@cache
def modules(checkpoint: Checkpoint, component: str) -> ReferenceModules:
    """Built once for all mutants."""
    return ReferenceModules(checkpoint, COMPONENTS[component], "released")


def checked(
    folder: Path, component: str, checkpoint: Checkpoint, mutant: Path | None = None
) -> tuple[str, ...]:
    """What the stored values of a package have against them."""
    whole, place = opened(folder, component, checkpoint), package(folder, component)
    operations = place.with_suffix(".operations.json")
    built = modules(checkpoint, component)
    return stored.check(mutant or place, operations, built, "float32", compressed=whole).wrong
