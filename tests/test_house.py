"""The plan of the house (ARCHITECTURE.md): imports point down, and nothing goes in a circle.

Links are followed: ``converters``, ``jetson`` and ``parity_tests`` lie at the top of the repository
and are rooms of the package. Imports for type checkers alone count: a name that two files need lies
below both.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.targets import TARGETS

ROOT = Path(__file__).parents[1]
PACKAGE = "mobileo_export"
# From the ground up; a room imports from those before it.
ROOMS = (
    "errors",
    "git_lfs",
    "json_file",
    "memory",
    "progress",
    "sizes",
    "whole_file",
    "processes",
    "assets",
    "checkpoint",
    "recipe",
    "components",
    "targets",
    "reference",
    "bundle",
    "artifacts",
    "compression",
    "converters",
    "runtimes",
    "pipelines",
    "html",
    "parity",
    "export",
    "sharing",
    "random_checkpoint",
    "merging",
    "inspection",
    "evaluation",
    "bench",
    "doctor",
    "demo",
    "serve",
    "cli",
    "jetson",
    "parity_tests",
)
# A float16 graph is probed with the inputs that parity has; an export's child opens both.
MOST_ROOT_MODULES = 10


@cache
def files() -> Mapping[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).iterdir()):
        folder = path.resolve()
        if folder.is_dir():
            for file in folder.rglob("*.py"):
                parts = file.relative_to(folder).with_suffix("").parts
                found[".".join((PACKAGE, path.name, *parts)).removesuffix(".__init__")] = file
        elif path.suffix == ".py":
            found[f"{PACKAGE}.{path.stem}".removesuffix(".__init__")] = path
    return found


def imports(module: str) -> Iterator[str]:
    """The modules of ours that ``module`` imports, wherever it does."""
    package = module if files()[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(files()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in files())
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            for name in node.names:
                found = f"{base}.{name.name}"
                if (found if found in files() else base) in files():
                    yield found if found in files() else base


def room(module: str) -> str:
    """Of the package, the first name below it; the package itself is none."""
    return module.split(".")[1] if "." in module else ""


@cache
def graph() -> Mapping[str, frozenset[str]]:
    return {module: frozenset(imports(module)) - {module, PACKAGE} for module in files()}


def circle(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Names that import one another in turn; empty if there are none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        for target in sorted(edges.get(name, ())):
            found = walk(target, [*way, name])
            if found:
                return found
        done.add(name)
        return []

    return next(filter(None, (walk(name, []) for name in sorted(edges))), [])


def test_a_circle_is_found() -> None:
    assert circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b")}) == ["b", "c"]
    assert circle({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}) == []


def test_no_files_import_one_another() -> None:
    assert len(graph()) > 200
    assert circle(graph()) == []


def test_every_module_has_a_room() -> None:
    assert {room(module) for module in files()} - {"", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_imports_point_down(name: str) -> None:
    upward = {
        f"{module} imports {target}"
        for module, targets in graph().items()
        if room(module) == name
        for target in targets
        if ROOMS.index(room(target)) > ROOMS.index(name)
    }
    assert upward == set()


def test_converters_and_runtimes_know_artifacts_not_each_other() -> None:
    for module, targets in graph().items():
        if room(module) in {"converters", "runtimes"}:
            other = {"converters": "runtimes", "runtimes": "converters"}[room(module)]
            assert other not in set(map(room, targets)), module


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for module, path in files().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{module}:{node.lineno}")
    assert len(places) > 200
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert twice.keys() <= {"Finding"}, twice  # the doctor's and preflight's: to be one class


def test_no_two_paths_are_one_where_case_does_not_count() -> None:
    """As on a Mac's or Windows's disk, where the second would be written over the first."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    paths = {str(parent) for path in listed for parent in (Path(path), *Path(path).parents)}
    assert len(paths) > 500
    assert len({path.casefold() for path in paths}) == len(paths)


def test_the_ground_is_small() -> None:
    single = [path for path in (ROOT / PACKAGE).glob("*.py") if not path.name.startswith("__")]
    assert len(single) <= MOST_ROOT_MODULES


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_documents_name_what_is_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", text))
    inside = [ROOT, ROOT / PACKAGE, *(path for path in (ROOT / PACKAGE).iterdir() if path.is_dir())]
    assert len(named) > 20
    assert {path for path in named if not any((place / path).exists() for place in inside)} == set()


# Kinds of artifact and targets, and Core ML's runtime, with and without the dot of a suffix.
NAMES = {*KINDS, *TARGETS, "coreml"}
AT_HOME = {"artifacts", "converters", "runtimes", "targets"}
# Whoever else says one of the names, and why; everybody else asks a registry.
GUESTS = {
    "bench.bundle_cost": "counts the calls of each kind in its own way",
    "bench.graph_cost": "names of modules",
    "bundle.manifest": "version 1 did not state kinds: inferred as it is read, here alone",
    "doctor.machine": "names of modules, and the word on a board's case",
    "inspection.describe": "a package may be inspected by itself, outside a bundle",
    "inspection.difference": "compares the contents of two kinds, of others the files",
    "parity.gates": "a row a runtime, by its name",
    "parity.golden.stages": "asks whether the projector is a graph of its own",
    "parity.language_model.compare": "runs one runtime in both of its precisions",
    "parity.means": "which kinds can be looked into",
    "processes.extras": "names of extras and modules",
    "jetson.build": "a field of the job that a process is given",
    "jetson.build_engine": "the same field",
    "jetson.engines": "engines are built of graphs",
    "parity_tests.test_core_ml": "runs packages on Core ML",
}


def says(module: str) -> set[str]:
    """Which of :data:`NAMES` are whole texts in a module."""
    tree = ast.parse(files()[module].read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text.removeprefix(".") in NAMES}


def test_kinds_and_targets_are_named_at_home() -> None:
    saying = {module for module in files() if says(module) and room(module) not in AT_HOME}
    assert saying == {f"{PACKAGE}.{name}" for name in GUESTS}


def test_a_name_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "some.py"
    file.write_text('def f(kind):\n    return kind == "onnx" or "of ios" or ".mlpackage"\n')
    monkeypatch.setitem(files(), f"{PACKAGE}.some", file)
    assert says(f"{PACKAGE}.some") == {"onnx", ".mlpackage"}
