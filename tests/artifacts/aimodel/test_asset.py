"""Core AI assets that are damaged, and wheels that are missing or of another version."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.artifacts.aimodel import asset, program, wheels
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError, MissingDependencyError, RuntimeUnavailableError
from mobileo_export.processes import extras
from mobileo_export.runtimes import registry
from mobileo_export.runtimes.select import open_session

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
MCP = "connector.aimodel"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / asset.PROGRAM).write_bytes(b""), "is no Core AI program"),
        (lambda folder: (folder / asset.PROGRAM).unlink(), "no such file"),
        (lambda folder: (folder / asset.HASH).unlink(), "no such file"),
        (lambda folder: (folder / asset.METADATA).write_text("{"), "is not valid JSON"),
        (
            lambda folder: (folder / asset.PROGRAM).write_bytes(
                (folder / asset.PROGRAM).read_bytes()[:5000]
            ),
            "is not as it was written",
        ),
    ],
)
def test_a_damaged_asset_is_told_in_a_line(
    damage: Any, says: str, tiny_core_ai: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_core_ai, tmp_path / "bundle")
    damage(copy / MCP)
    with pytest.raises(BundleError, match=says):
        open_session(str(copy), COMPONENTS["mcp"])


def test_a_program_of_nonsense_is_refused_as_it_is_read(tmp_path: Path) -> None:
    for content in (b"", b"ML\xefR", b"ML\xefR\x0dMLIR\0\x05\xff\xff\xff", bytes(100)):
        (tmp_path / asset.PROGRAM).write_bytes(content)
        with pytest.raises(BundleError, match="is no Core AI program"):
            program.read(tmp_path)


def test_another_version_of_the_wheels_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wheels.VERSIONS, wheels.CORE, "9.9")
    with pytest.raises(RuntimeUnavailableError, match=r"needs coreai-core 9\.9, and 1\.0\.0b3 is"):
        registry.check_available(["coreai"])
    with pytest.raises(MissingDependencyError, match=r"pip install '\.\[coreai\]'"):
        wheels.require("exporting for Core AI", wheels.VERSIONS)


def test_missing_wheels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(RuntimeUnavailableError, match=r"needs coreai-core: pip install '\.\[core"):
        registry.check_available(["coreai"])
