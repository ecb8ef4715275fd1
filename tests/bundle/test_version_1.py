"""Bundles of version 1, whose artifacts do not state their kind, are read like those of today.

``version_1`` holds what a release wrote that knew no other: the manifests of the miniature's
bundles, and one small bundle whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import components, targets
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError
from mobileo_export.export import run as export
from mobileo_export.runtimes import select

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command import Command

OLD = Path(__file__).with_name("version_1")


def as_version_1(bundle: Path) -> Path:
    """Make the manifest of ``bundle`` what it would have been."""
    path = bundle / manifest.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["schema_version"] = 1
    for entry in content["components"].values():
        for artifact in entry["artifacts"]:
            del artifact["kind"]
    path.write_text(manifest.dumps(content), encoding="utf-8")
    return bundle


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return shutil.copytree(OLD / "bundle", tmp_path / "old")


@pytest.mark.parametrize("target", ["ios", "jetson"])
def test_kinds_are_what_they_were(target: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((OLD / f"{target}.json").read_bytes())
    content = manifest.read(tmp_path)
    assert content["schema_version"] == manifest.SCHEMA_VERSION == 2
    assert content["components"].keys() == COMPONENTS.keys()
    for name, entry in content["components"].items():
        (artifact,) = entry["artifacts"]
        assert artifact["target"] == target
        form = targets.Form(artifact["path"], artifact["kind"])
        assert form == targets.form(COMPONENTS[name], target)


def test_the_fixtures_are_old() -> None:
    for path in (OLD / "ios.json", OLD / "jetson.json", OLD / "bundle" / "manifest.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] == 1
        assert '"kind"' not in path.read_text(encoding="utf-8")


def test_commands_read_it(command: Command, old: Path, tmp_path: Path) -> None:
    assert command("verify", old).code == 0
    shown = command("inspect", old)
    assert shown.code == 0, shown.err
    assert "connector.mlpackage" in shown.out
    (old / "NOTICE.txt").write_text("another")
    assert command("verify", old).code == 1


def test_it_is_compared_with_a_new_one(command: Command, old: Path, tmp_path: Path) -> None:
    new = shutil.copytree(old, tmp_path / "new")
    (new / "manifest.json").write_text(manifest.dumps(manifest.read(old)), encoding="utf-8")
    assert json.loads((new / "manifest.json").read_text())["schema_version"] == 2
    assert command("diff", old, new).code == 0
    weights = new / "connector.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    found = command("diff", old, new, "--json")
    assert found.code == 1, found.err
    assert json.loads(found.out)["artifacts"][0]["tensors"], found.out


def test_it_is_run(old: Path) -> None:
    session = select.open_session(str(old), COMPONENTS["mcp"], "mil")
    (states,) = map(manifest.tensor_spec, manifest.read(old)["components"]["mcp"]["inputs"])
    (found,) = session.run({states.name: np.ones(states.at(N=9), np.float32)}).values()
    assert np.isfinite(found).all()


def test_an_export_takes_over_what_it_holds(
    tiny_bundle: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    output = as_version_1(shutil.copytree(tiny_bundle, tmp_path / "out"))
    options = export.Options(components.select(None))
    done = export.export(Checkpoint.open(tiny_checkpoint), output, options, overwrite=True)
    assert set(done.reused) == set(COMPONENTS)
    assert (output / "manifest.json").read_bytes() == (tiny_bundle / "manifest.json").read_bytes()


def test_an_export_replaces_one_of_other_code(old: Path, tiny_checkpoint: Path) -> None:
    options = export.Options(components.select("llm"))
    done = export.export(Checkpoint.open(tiny_checkpoint), old, options, overwrite=True)
    assert done.reused == ()
    assert not (old / "connector.mlpackage").exists()


def says_its_kind(content: dict[str, Any]) -> None:
    content["components"]["mcp"]["artifacts"][0]["kind"] = "mlpackage"


DAMAGES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (says_its_kind, r"components\.mcp\.artifacts\[0\]\.kind is unknown"),
    (lambda m: m.update(schema_version=3), "schema_version 3, this release reads 1 and 2"),
    (lambda m: m.update(schema_version=0), "schema_version 0, this release reads 1 and 2"),
    (lambda m: m.update(schema_version="1"), "schema_version '1', this release reads 1 and 2"),
    (lambda m: m.update(components=None), "components is None, not of type object"),
    (lambda m: m["components"].update(mcp=[]), "components.mcp is"),
    (lambda m: m["components"]["mcp"].update(artifacts={}), "artifacts is {}, not of type array"),
    (lambda m: m["components"]["mcp"].update(artifacts=[[]]), r"artifacts\[0\] is \[\]"),
    (
        lambda m: m["components"]["mcp"]["artifacts"][0].update(target="android"),
        "target is 'android'",
    ),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damage_is_refused_as_ever(
    old: Path, damage: Callable[[dict[str, Any]], object], message: str
) -> None:
    content = json.loads((old / "manifest.json").read_text())
    damage(content)
    (old / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=message):
        manifest.read(old)
