"""Compressed Core AI assets on Apple's runtime: as they are, and with one part damaged."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.artifacts.aimodel import asset
from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression import plan as plans
from mobileo_export.parity import compare, gates
from mobileo_export.parity.golden import bounds
from mobileo_export.parity.stored_values import compressed_asset, program_parts
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

from .conftest import EVERY_FORM, PACKAGES

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.references import References
    from tests.exports import Exports

# As of packages, with the forms that Core AI has.
FORMS = {
    **EVERY_FORM["components"],  # type: ignore[dict-item]
    "dit": {
        "*.attn*.to_q": "int4 block 32 zero-point",
        "*.attn*": "int4 block 32",
        "*.conv_inverted": "int8 block 32 zero-point",
        "*.conv_depth": "exact",
        "*": "palette6 rows 16",
    },
}
PLANS = {
    "w8": plans.load("w8", "coreai"),
    "small": plans.load("small", "coreai"),
    "every form": plans.parse("forms.json", {"schema_version": 1, "components": FORMS}),
}
Folder = Callable[[str], "Path"]


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Path, exported: Exports) -> Folder:
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")

    @cache
    def of(name: str) -> Path:
        only = None if name == "w8" else PACKAGES
        return exported(tiny_checkpoint, only, target="coreai", compression=PLANS[name])

    return of


@pytest.mark.parametrize("name", PLANS)
def test_what_is_left_is_computed_as_exactly_as_any_weights(
    name: str, folder: Folder, checkpoint: Checkpoint, references: References
) -> None:
    bundle = folder(name)
    found = compare.compare_bundle(bundle, checkpoint, references=references)
    assert found.ok, found.failures()
    for component in PACKAGES.split(","):
        exact, *measured = (r for r in found.components if r.gate.component == component)
        plain = gates.find(component, "float32", "coreai")
        assert (exact.gate.relative_l2, exact.gate.worst_slice) == (
            plain.relative_l2,
            plain.worst_slice,
        )
        assert exact.stored is not None
        assert exact.stored.equal == exact.stored.compared > 20
        assert exact.stored.traced_share > 0.9
        artifact = manifest.read(bundle)["components"][component]["artifacts"][0]
        if component in PLANS[name].components:
            assert exact.gate.against == bounds.against(artifact) == "stored weights"
            assert all(r.gate.against == "checkpoint" for r in measured)
            skipped = any(skip.component == component for skip in found.skipped)
            assert skipped == (not measured)
        else:
            assert exact.gate.against == "checkpoint"
    labels = {r.gate.precision for r in found.components if r.gate.against == "checkpoint"}
    # Of a random transformer at four bits no bound can tell; the rest of ``small`` is ``w8``'s.
    assert labels >= {"8-bit" if name == "every form" else "w8"}


# What is done to a part of which form, and what the catch says.
DAMAGE = {
    "scale of the wrong block": ("scales", "those of other blocks"),
    "scale doubled": ("scales", "multiplied by 2"),
    "zero point off by one": ("zero points", "are others"),
    "palette permuted": ("palettes", "entries are permuted"),
    "integer changed": ("integers", "are others"),
}


def damaged(kind: str, values: np.ndarray) -> np.ndarray:
    """A copy of a part with that damage."""
    new = values.copy()
    flat = new.reshape(-1)
    if kind == "scale of the wrong block":
        first, second = flat.size // 3, 2 * flat.size // 3
        flat[[first, second]] = flat[[second, first]]
    elif kind == "scale doubled":
        flat[flat.size // 2] *= 2
    elif kind == "zero point off by one":
        flat[flat.size // 2] ^= 1
    elif kind == "palette permuted":
        new = np.roll(new, 1, axis=-2)
    else:
        flat[flat.size // 2] ^= 1
    return new


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("component", ["mcp", "vae_decoder"])
def test_damage_to_one_part_is_caught_and_named(
    component: str,
    kind: str,
    folder: Folder,
    checkpoint: Checkpoint,
    references: References,
    tmp_path: Path,
) -> None:
    """By the stored values, which name it; and what is computed is another too."""
    part_name, how = DAMAGE[kind]
    if (part_name == "palettes") != (component == "vae_decoder"):
        pytest.skip("of the other form")
    bundle = shutil.copytree(folder("every form"), tmp_path / "bundle")
    spec = COMPONENTS[component]
    opened = compare.compressed_weights(bundle, manifest.read(bundle), spec, checkpoint)
    assert isinstance(opened, compressed_asset.CompressedAsset)
    modules = ReferenceModules(checkpoint, spec, "released")
    place = bundle / targets.form(spec, "coreai").path
    data = bytearray((place / asset.PROGRAM).read_bytes())
    for name, scheme in opened.schemes(modules).items():
        form = compressed_asset.stored(modules, name, scheme)
        (part,) = (p for p in program_parts.of(form) if p.name == part_name)
        old, new = part.values, damaged(kind, part.values)
        if data.count(old.tobytes()) == 1 and old.tobytes() != new.tobytes():
            break
    else:
        pytest.fail("no such part stands in the program once")
    start = data.find(old.tobytes())
    data[start : start + old.nbytes] = new.tobytes()
    (place / asset.PROGRAM).write_bytes(data)
    (place / asset.HASH).write_bytes(hashlib.sha256(data).digest())
    found = compare.compare_bundle(bundle, checkpoint, select(component), references=references)
    assert not found.ok
    first = found.components[0]
    assert first.stored is not None
    assert first.stored.equal == first.stored.compared - 1
    (line,) = first.stored.wrong
    assert line.startswith(f"{name}: not what {modules.names[name]} as {scheme} is: ")
    assert part_name in line
    assert how in line
    if kind != "integer changed":
        assert any(not case.ok for case in first.cases)
