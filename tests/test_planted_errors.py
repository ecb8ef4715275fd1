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
        "MobileOEngine/CoreML/SystemCoreML.swift",
        "MLModel.compileModel(at: package)",
        "MLModel.compile(at: package)",
        "type 'MLModel' has no member 'compile'",
    ),
    Plant(
        "wrong label",
        "MobileOEngine/CoreML/SystemCoreML.swift",
        "MLModel.load(contentsOf: compiled, ",
        "MLModel.load(contentsOfURL: compiled, ",
        "incorrect argument label",
    ),
    Plant(
        "data race",
        "MobileOEngine/CoreML/SystemCoreML.swift",
        "SystemModel: CoreMLModel, @unchecked Sendable",
        "SystemModel: CoreMLModel",
        "of 'Sendable'-conforming class 'SystemModel'",
    ),
    Plant(
        "missing case",
        "MobileOEngine/CoreML/SystemCoreML.swift",
        "    case .cpuOnly: self = .cpuOnly\n",
        "",
        "switch must be exhaustive",
    ),
    Plant(
        "wrong name",
        "MobileOEngine/CoreAI/SystemCoreAI.swift",
        "try model.loadFunction(named: name)",
        "try model.function(named: name)",
        "value of type 'AIModel' has no member 'function'",
    ),
    Plant(
        "wrong label",
        "MobileOEngine/CoreAI/SystemCoreAI.swift",
        "try model.loadFunction(named: name)",
        "try model.loadFunction(name: name)",
        "incorrect argument label",
    ),
    Plant(
        "data race",
        "MobileOEngine/CoreAI/SystemCoreAI.swift",
        "private let loaded: [String: InferenceFunction]",
        "private var loaded: [String: InferenceFunction]",
        "of 'Sendable'-conforming class 'SystemAsset'",
    ),
    Plant(
        "wrong name",
        "MobileOViews/Start/OpeningView.swift",
        'ProgressView("Opening")',
        'ProgressBar("Opening")',
        "cannot find 'ProgressBar' in scope",
    ),
    Plant(
        "wrong label",
        "MobileOViews/Start/OpeningView.swift",
        "Bar(done: preparation.done, of:",
        "Bar(done: preparation.done, outOf:",
        "incorrect argument label",
    ),
    Plant(
        "data race",
        "MobileOViews/Start/OpeningView.swift",
        "{ app.cancel() }",
        "{ Task.detached { app.cancel() } }",
        "from outside of its actor context",
    ),
    Plant(
        "missing case",
        "MobileOViews/Library/LibraryView.swift",
        "        case .conversations: conversations\n",
        "",
        "switch must be exhaustive",
    ),
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
        "bundle: bundle, engine: WatchedEngine(inner: engine, gate: gate",
        "bundle: bundle, engine: WatchedEngine(inner: engine, door: gate",
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


# Where a module is not of its folder's name.
FOLDERS = {"MobileOCommand": "Command"}


def modules() -> Path:
    """The folder of the build's modules."""
    found = Path(os.environ["MOBILEO_APP_CHECK"]) / "debug" / "Modules"
    assert found.is_dir(), f"{found}: run make app-check"
    return found


def compiled(module: str, replaced: Path | None = None, by: Path | None = None, *flags: str) -> str:
    """What the compiler says of a module, one of its files replaced; nothing if it takes it."""
    package = re.search(
        r'"-package-name","([^"]+)"', (modules().parent.parent / "debug.yaml").read_text()
    )
    assert package, "the build names no package"
    sources = sorted((SOURCES / FOLDERS.get(module, module)).rglob("*.swift"))
    files = [by if path == replaced else path for path in sources]
    command = ["swiftc", "-typecheck", "-swift-version", "6", "-module-name", module]
    command += ["-package-name", package[1], "-enable-upcoming-feature", "MemberImportVisibility"]
    command += ["-I", str(modules()), *flags, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bool(done.stderr) == bool(done.returncode), done.stderr
    return done.stderr


@pytest.mark.parametrize("module", sorted({plant.file.split("/")[0] for plant in PLANTS}))
def test_the_sources_are_taken_as_they_are(module: str) -> None:
    assert compiled(module) == ""


def test_the_command_line_of_a_mac_is_taken() -> None:
    """There it runs components itself, which Package.swift defines."""
    flags = ("-parse-as-library", "-D", "DEVICE_ENGINE")
    assert compiled("MobileOCommand", None, None, *flags) == ""
    assert 'define("DEVICE_ENGINE")' in (ROOT / "Package.swift").read_text(encoding="utf-8")


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
