"""The one list of converters, and what each states."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mobileo_export import converters, targets
from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.bundle import schema
from mobileo_export.components import COMPONENTS
from mobileo_export.converters import registry
from mobileo_export.converters.options import Options
from mobileo_export.processes.extras import brings

FOLDER = Path(converters.__file__).parent


def test_every_folder_is_a_kind() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/converter.py")}
    assert folders == set(registry.FOLDERS.values())
    assert set(KINDS) == set(registry.FOLDERS)
    named = schema.manifest_schema()["$defs"]["artifact"]["properties"]
    assert named["kind"]["enum"] == list(KINDS)
    assert named["target"]["enum"] == list(targets.TARGETS)
    assert folders == {path.parent.name for path in FOLDER.glob("*/__init__.py")}


@pytest.mark.parametrize("kind", registry.FOLDERS)
def test_what_a_converter_states(kind: str) -> None:
    converter = registry.load(kind)
    assert converter.kind == kind
    assert converter.options < {field.name for field in fields(Options)}
    # The folder of the kind is code that makes it; that the rest is there, `fingerprint` finds out.
    assert f"converters/{registry.FOLDERS[kind]}" in converter.code
    for library in converter.libraries:
        assert brings(library.partition(".")[0]), library


@pytest.mark.parametrize("target", targets.TARGETS)
def test_each_takes_part_once(target: str) -> None:
    found = registry.taking_part(COMPONENTS.values(), target)
    kinds = [converter.kind for converter, _ in found]
    assert len(set(kinds)) == len(kinds)
    for converter, specs in found:
        assert {targets.form(spec, target).kind for spec in specs} == {converter.kind}
    assert sorted(spec.name for _, specs in found for spec in specs) == sorted(COMPONENTS)
