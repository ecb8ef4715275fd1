"""docs/first-app.md: its Swift is what the compiler reads, its commands and files are there."""

from __future__ import annotations

import re
from pathlib import Path

from mobileo_export.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-app.md").read_text(encoding="utf-8")
COMPILED = ROOT / "ios_app" / "Tests" / "MobileOEngineTests" / "FirstApp.swift"


def test_its_code_is_compiled_to_the_letter() -> None:
    blocks = re.findall(r"```swift\n(.*?)```", PAGE, re.DOTALL)
    note, _, code = COMPILED.read_text(encoding="utf-8").partition("\n\n")
    assert note.startswith("// What docs/first-app.md shows")
    assert code in blocks


def test_the_short_code_is_that_of_the_package() -> None:
    """It stands in the package's README too."""
    short = re.findall(r"```swift\n(.*?)```", PAGE, re.DOTALL)[0]
    readme = (ROOT / "ios_app" / "README.md").read_text(encoding="utf-8")
    lines = [line.partition("  //")[0] for line in short.splitlines() if line]
    assert all(line in readme for line in lines), lines


def test_its_commands_and_files_exist() -> None:
    commands = {command.name for command in main.app.registered_commands}
    named = re.findall(r"mobileo-export ([a-z-]+)", PAGE)
    assert set(named) <= commands | {"python"}
    assert {"export", "verify", "serve", "doctor"} <= set(named)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?m)^    make ([a-z-]+)", PAGE)) <= targets
    assert (ROOT / "ios_app" / "App" / "MobileO.xcodeproj").is_dir()
    package = (ROOT / "Package.swift").read_text(encoding="utf-8")
    for product in re.findall(r"`(MobileO\w+)`", PAGE):
        assert f'.library(name: "{product}"' in package
    launch = (ROOT / "ios_app" / "App" / "MobileO" / "Launch.swift").read_text(encoding="utf-8")
    for option in ("--engine", "--host", "MOBILEO_TOKEN"):
        assert option in PAGE
        assert option in launch
