"""What `pip install` puts into other people's environments."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_wheel_has_one_top_level_package_and_all_of_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    links = [path for path in (ROOT / "mobileo_export").iterdir() if path.is_symlink()]
    linked = [path for path in links if path.is_dir()]
    for path in links:
        if path.is_file():
            shutil.copyfile(path, source / path.name)
    for name in ("mobileo_export", *(path.name for path in linked)):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    subprocess.run([sys.executable, *command, str(source)], check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mobileo_export"}
    assert linked
    package = source / "mobileo_export"
    folders = (package, *(package / path.name for path in linked))  # rglob enters no link
    wanted = [path for folder in folders for path in folder.rglob("*.py")]
    wanted += [path for path in (package / "assets").rglob("*") if path.is_file()]
    expected = {path.relative_to(source).as_posix() for path in wanted}
    assert "mobileo_export/assets/miniature/model.safetensors" in expected
    assert expected <= set(names), expected - set(names)
    assert {"mobileo_export/py.typed", "mobileo_export/constraints.txt"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
