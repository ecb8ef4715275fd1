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
from mobileo_export.parity.stored_values import compressed_asset, program_parts, program_values
from mobileo_export.parity.stored_values.reference_modules import ReferenceModules
from tests.parity.packages import PACKAGES

from .conftest import EVERY_FORM

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.schemes import Scheme
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


def schemes_of(
    bundle: Path, spec: ComponentSpec, checkpoint: Checkpoint, modules: ReferenceModules
) -> dict[str, Scheme]:
    """How each compressed matrix of a component is stored."""
    opened = compare.compressed_weights(bundle, manifest.read(bundle), spec, checkpoint)
    assert isinstance(opened, compressed_asset.CompressedAsset)
    return opened.schemes(modules)


def rewrite(place: Path, data: bytearray) -> None:
    """Give an asset another program."""
    (place / asset.PROGRAM).write_bytes(data)
    (place / asset.HASH).write_bytes(hashlib.sha256(data).digest())


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
    modules = ReferenceModules(checkpoint, spec, "released")
    place = bundle / targets.form(spec, "coreai").path
    data = bytearray((place / asset.PROGRAM).read_bytes())
    schemes = schemes_of(bundle, spec, checkpoint, modules)
    for name, scheme in schemes.items():
        form = compressed_asset.stored(modules, name, scheme)
        (part,) = (p for p in program_parts.of(form) if p.name == part_name)
        old, new = part.values, damaged(kind, part.values)
        if data.count(old.tobytes()) == 1 and old.tobytes() != new.tobytes():
            break
    else:
        pytest.fail("no such part stands in the program once")
    start = data.find(old.tobytes())
    data[start : start + old.nbytes] = new.tobytes()
    rewrite(place, data)
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


# Two matrices of one shape and form, by the component whose constants of that size are large and
# stand by themselves, or small and stand among the attributes.
TWINS = {
    "dit": tuple(f"transformer.transformer_blocks.{n}.attn1.to_k.weight" for n in (0, 2)),
    "mcp": tuple(f"sequence_refiners.{n}.conv.pointwise.weight" for n in (0, 1)),
}


@pytest.mark.parametrize("component", TWINS)
def test_scales_that_two_matrices_exchanged_stand_in_each_others_place(
    component: str, folder: Folder, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Each is in the program to the byte, and only where it stands is wrong."""
    spec = COMPONENTS[component]
    modules = ReferenceModules(checkpoint, spec, "released")
    schemes = schemes_of(folder("every form"), spec, checkpoint, modules)
    place = folder("every form") / targets.form(spec, "coreai").path
    assert program_values.check(place, modules, compressed=schemes).problem is None
    copy = shutil.copytree(place, tmp_path / place.name)
    data = bytearray((copy / asset.PROGRAM).read_bytes())
    scales = [
        compressed_asset.stored(modules, name, schemes[name]).scale.tobytes()  # type: ignore[union-attr]
        for name in TWINS[component]
    ]
    starts = [data.find(values) for values in scales]
    for start, values in zip(starts, reversed(scales), strict=True):
        assert data.count(values) <= 1 or component == "dit"
        data[start : start + len(values)] = values
    rewrite(copy, data)
    found = program_values.check(copy, modules, compressed=schemes)
    assert found.equal < found.compared
    for line in found.wrong:
        assert "its scales stand in another matrix's place" in line
    named = {line.partition(":")[0] for line in found.wrong}
    assert named == set(TWINS[component]) if component == "dit" else named < set(TWINS[component])
