"""What `make app-check` is worth: errors planted into the app's sources, all refused.

The sources are read against stand-ins of Apple's frameworks and MLX; a stand-in that takes anything
would take these too. Run by `make app-check`, which builds the modules that they import.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "ios_app" / "Sources"

pytestmark = pytest.mark.skipif(
    "MOBILEO_APP_CHECK" not in os.environ, reason="make app-check builds what these need"
)


class Plant(NamedTuple):
    """One error: in `file` the only `old` becomes `new`, of which the compiler says `refusal`."""

    error: str
    file: str
    old: str
    new: str
    refusal: str


PLANTS = [
    Plant(
        "wrong name",
        "MobileOApp/Create/Studio.swift",
        "RunState.idle",
        "RunState.idel",
        "type 'RunState' has no member 'idel'",
    ),
    Plant(
        "wrong label",
        "MobileOApp/Create/Studio.swift",
        "WatchedEngine(inner: engine, gate: gate",
        "WatchedEngine(inner: engine, door: gate",
        "incorrect argument label",
    ),
    Plant(
        "data race",
        "MobileOApp/Create/Studio.swift",
        "    self.gate = gate\n",
        "    self.gate = gate\n    Task.detached { self.run += 1 }\n",
        "main actor-isolated property 'run' can not be",
    ),
    Plant(
        "missing case",
        "MobileOApp/Create/RunState.swift",
        "    case .idle: nil\n",
        "",
        "switch must be exhaustive",
    ),
]


def modules() -> Path:
    """The folder of the build's modules."""
    found = Path(os.environ["MOBILEO_APP_CHECK"]) / "debug" / "Modules"
    assert found.is_dir(), f"{found}: run make app-check"
    return found


def compiled(module: str, replaced: Path | None = None, by: Path | None = None) -> str:
    """What the compiler says of a module, one of its files replaced; nothing if it takes it."""
    package = re.search(
        r'"-package-name","([^"]+)"', (modules().parent.parent / "debug.yaml").read_text()
    )
    assert package, "the build names no package"
    files = [
        by if path == replaced else path for path in sorted((SOURCES / module).rglob("*.swift"))
    ]
    command = ["swiftc", "-typecheck", "-swift-version", "6", "-module-name", module]
    command += ["-package-name", package[1], "-enable-upcoming-feature", "MemberImportVisibility"]
    command += ["-I", str(modules()), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bool(done.stderr) == bool(done.returncode), done.stderr
    return done.stderr


@pytest.mark.parametrize("module", sorted({plant.file.split("/")[0] for plant in PLANTS}))
def test_the_sources_are_taken_as_they_are(module: str) -> None:
    assert compiled(module) == ""


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.file}: {plant.error}")
def test_planted_error_is_refused(plant: Plant, tmp_path: Path) -> None:
    module, path = plant.file.split("/")[0], SOURCES / plant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(plant.old) == 1, f"{plant.file} has changed: plant {plant.error} anew"
    planted = tmp_path / path.name
    planted.write_text(text.replace(plant.old, plant.new), encoding="utf-8")
    assert plant.refusal in compiled(module, path, planted)


@pytest.mark.parametrize("module", ["MobileOEngine", "MobileOApp", "MobileOViews"])
def test_every_module_has_every_error(module: str) -> None:
    errors = {plant.error for plant in PLANTS if plant.file.startswith(f"{module}/")}
    assert errors == {"wrong name", "wrong label", "data race", "missing case"}
