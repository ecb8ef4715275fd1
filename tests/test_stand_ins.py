"""Stand-ins of Apple's frameworks let the compiler read the app on Linux, and do nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "ios_app" / "Stubs"
DECLARES = re.compile(r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public|open) (?!extension)", re.MULTILINE)

needs_swift = pytest.mark.skipif(not shutil.which("swift"), reason="swift is not on PATH")


def package(text: str, folder: Path, stand_ins: str | None = None) -> dict[str, Any]:
    """What a manifest says, evaluated by the package manager of this machine."""
    (folder / "Package.swift").write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "MOBILEO_STAND_INS"}
    if stand_ins is not None:
        environment["MOBILEO_STAND_INS"] = stand_ins
    done = subprocess.run(
        ["swift", "package", "dump-package"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def stand_ins(content: dict[str, Any]) -> set[str]:
    """The targets that a package takes from the folder of the stand-ins."""
    return {
        target["name"]
        for target in content["targets"]
        if "Stubs" in Path(target.get("path") or "").parts
    }


def manifest(system: str) -> str:
    """Package.swift as `system` reads it: here, or on one of Apple's."""
    text = (ROOT / "Package.swift").read_text(encoding="utf-8")
    assert "#if os(Linux)" in text
    return text if system == "Linux" else text.replace("#if os(Linux)", "#if os(Nowhere)")


@needs_swift
def test_no_stand_in_on_apples_platforms(tmp_path: Path) -> None:
    for asked in (None, "1"):
        content = package(manifest("macOS"), tmp_path, asked)
        assert stand_ins(content) == set()
        products = {product["name"] for product in content["products"]}
        assert {"MobileOEngine", "MobileOViews"} <= products
        (remote,) = content["dependencies"]
        assert "mlx-swift" in json.dumps(remote)


@needs_swift
def test_a_stand_in_on_apples_platforms_would_be_seen(tmp_path: Path) -> None:
    planted = manifest("macOS").replace(
        "  package.products += [\n",
        '  package.targets.append(.target(name: "CoreML", path: "ios_app/Stubs/CoreML"))\n'
        "  package.products += [\n",
    )
    assert stand_ins(package(planted, tmp_path)) == {"CoreML"}


@needs_swift
def test_on_linux_only_the_check_asks_for_them_and_no_product_has_them(tmp_path: Path) -> None:
    plain = package(manifest("Linux"), tmp_path)
    assert stand_ins(plain) == set()
    assert plain["dependencies"] == []
    assert stand_ins(package(manifest("Linux"), tmp_path, "0")) == set()
    asked = package(manifest("Linux"), tmp_path, "1")
    assert stand_ins(asked) == {path.name for path in STUBS.iterdir()}
    assert asked["products"] == plain["products"]
    assert asked["dependencies"] == []


def test_every_stand_in_says_what_it_follows_and_computes_nothing() -> None:
    files = sorted(STUBS.rglob("*.swift"))
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        if DECLARES.search(text):
            assert re.search(r"developer\.apple\.com/|`\w+\.swift`", text), f"{name}: names no page"
