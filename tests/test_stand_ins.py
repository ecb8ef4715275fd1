"""Stand-ins of Apple's frameworks let the compiler read the app on Linux, and do nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "ios_app" / "Stubs"
MANIFEST = ROOT / "Package.swift"
DECLARES = re.compile(r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:public|open) (?!extension)", re.MULTILINE)

Check = Callable[[str, Path], list[str]]

needs_swift = pytest.mark.skipif(not shutil.which("swift"), reason="swift is not on PATH")
# On Linux `make test` ends with app-check, which runs this file again: once is enough.
not_twice = pytest.mark.skipif(
    sys.platform == "linux" and "MOBILEO_APP_CHECK" not in os.environ,
    reason="make app-check runs these",
)


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


def needs(content: dict[str, Any]) -> dict[str, set[str]]:
    """The targets of this package that each target takes from."""
    return {
        target["name"]: {one["byName"][0] for one in target["dependencies"] if "byName" in one}
        for target in content["targets"]
    }


def in_products(content: dict[str, Any]) -> set[str]:
    """Every target that a product has in it."""
    direct = needs(content)
    found: set[str] = set()
    waiting = [name for product in content["products"] for name in product["targets"]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += direct.get(name, ())
    return found


def remote(content: dict[str, Any]) -> list[str]:
    """The packages that are fetched."""
    return [one["sourceControl"][0]["identity"] for one in content["dependencies"]]


def of_apple(text: str, folder: Path) -> list[str]:
    """What is wrong with a manifest on Apple's platforms: there no stand-in is ever a target."""
    problems = []
    for asked in (None, "1"):
        content = package(text.replace("#if os(Linux)", "#if os(Nowhere)"), folder, asked)
        problems += [f"{name}: a stand-in beside the real one" for name in stand_ins(content)]
        products = {product["name"] for product in content["products"]}
        problems += [f"{name}: no product" for name in {"MobileOEngine", "MobileOViews"} - products]
        if "MobileOEngine" not in needs(content)["MobileOCommand"]:
            problems.append("MobileOCommand: lacks the engine")
        if remote(content) != ["mlx-swift"]:
            problems.append(f"fetches {remote(content)}, expected mlx-swift")
    return problems


def of_linux(text: str, folder: Path) -> list[str]:
    """What is wrong with a manifest on Linux: stand-ins where they are asked for, in no product."""
    plain, unasked, asked = (package(text, folder, value) for value in (None, "0", "1"))
    folders = {path.name for path in STUBS.iterdir()}
    problems = [
        f"{name}: a stand-in that nobody asked for"
        for name in stand_ins(plain) | stand_ins(unasked)
    ]
    problems += [f"{name}: a stand-in that is no target" for name in folders - stand_ins(asked)]
    problems += [f"{name}: a target without a stand-in" for name in stand_ins(asked) - folders]
    problems += [
        f"{name}: a stand-in in a product" for name in in_products(asked) & stand_ins(asked)
    ]
    if asked["products"] != plain["products"]:
        problems.append("other products where stand-ins are asked for")
    problems += [f"{name}: is fetched" for name in remote(plain) + remote(asked)]
    for name in sorted(folders & stand_ins(asked)):
        imported = {
            found
            for path in (STUBS / name).glob("*.swift")
            for found in re.findall(
                r"^(?:@\w+ )?import (\w+)$", path.read_text("utf-8"), re.MULTILINE
            )
        } & folders
        if imported != needs(asked)[name]:
            problems.append(f"{name}: imports {sorted(imported)}, not what it takes from")
    return problems


def of_source(text: str) -> list[str]:
    """What is wrong with a source: it names what it follows, and where it declares, it traps."""
    problems = []
    if not re.search(r"developer\.apple\.com/|`\w+\.swift`", text):
        problems.append("names no page that it follows")
    if DECLARES.search(text) and not re.search(r"\b(?:fatalError|standIn|trap)\(", text):
        problems.append("traps nowhere")
    return problems


@needs_swift
@pytest.mark.parametrize("check", [of_apple, of_linux])
def test_the_package_holds(check: Check, tmp_path: Path) -> None:
    assert check(MANIFEST.read_text(encoding="utf-8"), tmp_path) == []


# A check, what stands in the manifest and what is put there, and a part of what the check says.
CORE_ML = 'package.targets.append(.target(name: "CoreML", path: "ios_app/Stubs/CoreML"))\n'
A_PRODUCT = 'package.products.append(.library(name: "A", targets: ["MobileOViews"]))\n'
UNASKED = f'if Context.environment["MOBILEO_STAND_INS"] == nil {{ {CORE_ML} }}\n'
FETCHED = 'package.dependencies.append(.package(url: "https://a.b/c", exact: "1.0.0"))\n'
APPLE = "  package.products += [\n"
LINUX = '  if Context.environment["MOBILEO_STAND_INS"] == "1" {\n'
ENGINE = 'let engines: [Target.Dependency] = ["MobileOEngine"]'
DAMAGES: list[tuple[Check, str, str, str]] = [
    (of_apple, APPLE, CORE_ML + APPLE, "CoreML: a stand-in beside"),
    (
        of_apple,
        '.library(name: "MobileOViews"',
        '.library(name: "Views"',
        "MobileOViews: no product",
    ),
    (of_apple, ENGINE, "let engines: [Target.Dependency] = []", "lacks the engine"),
    (of_apple, APPLE, FETCHED + APPLE, "fetches ['mlx-swift', 'c']"),
    (of_linux, LINUX, UNASKED + LINUX, "CoreML: a stand-in that nobody asked for"),
    (of_linux, LINUX, LINUX.replace(' == "1"', " != nil"), "CoreML: a stand-in that nobody"),
    (of_linux, '"PhotosUI", ', "", "PhotosUI: a stand-in that is no target"),
    (of_linux, '"PhotosUI", ', '"PhotosUI", "Photos", ', "Photos: a target without"),
    (of_linux, LINUX, LINUX + A_PRODUCT, "other products"),
    (of_linux, LINUX, LINUX + A_PRODUCT, "CoreML: a stand-in in a product"),
    (of_linux, "let engines: [Target.Dependency] = []", ENGINE, "MLX: a stand-in in a product"),
    (of_linux, '"PhotosUI": ["SwiftUI"]', '"PhotosUI": ["MLX"]', "PhotosUI: imports ['SwiftUI']"),
    (of_linux, LINUX, FETCHED + LINUX, "c: is fetched"),
]


@needs_swift
@not_twice
@pytest.mark.parametrize(("check", "old", "new", "said"), DAMAGES)
def test_damage_of_the_package_is_found(
    check: Check, old: str, new: str, said: str, tmp_path: Path
) -> None:
    text = MANIFEST.read_text(encoding="utf-8")
    assert old in text
    found = check(text.replace(old, new, 1), tmp_path)
    assert any(said in problem for problem in found), found


def test_every_stand_in_says_what_it_follows_and_traps() -> None:
    files = sorted(STUBS.rglob("*.swift"))
    assert files
    problems = {p.relative_to(ROOT).as_posix(): of_source(p.read_text("utf-8")) for p in files}
    assert {name: found for name, found in problems.items() if found} == {}


@pytest.mark.parametrize("declaration", ["public let a = 1\n", "open class A {}\n"])
def test_a_stand_in_that_follows_nothing_or_works_is_found(declaration: str) -> None:
    assert of_source(declaration) == ["names no page that it follows", "traps nowhere"]
    assert of_source("/// developer.apple.com/a\n" + declaration) == ["traps nowhere"]
    assert of_source("/// `A.swift`\n" + declaration + "func b() { fatalError() }\n") == []
