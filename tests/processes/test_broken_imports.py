"""Libraries that are there but cannot be imported: the user reads which, why, and what mends it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mobileo_export.errors import MissingDependencyError
from mobileo_export.export import workers
from mobileo_export.processes import broken_imports, importing
from tests.command import execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIBRARIES = ("coremltools", "diffusers", "timm", "torch", "torchvision", "transformers")
# Who imports whom in the real ones, as far as a worker needs them.
_NEEDS = {
    "diffusers": "import torch, transformers",
    "timm": "import torch, torchvision",
    "torchvision": "import torch",
}
_DAMAGE = {
    "binary": 'raise ImportError("libgone.so.1: cannot open shared object file")',
    "system": 'raise OSError("/lib/libgone.so: undefined symbol: cudaGone")',
    "numbers": 'raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")',
    "missing": "import not_there_at_all",
}


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of every child that holds small packages named like the libraries."""
    folder = tmp_path / "libraries"
    for name in (*LIBRARIES, *_MODULES):
        package = folder.joinpath(*name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(_NEEDS.get(name, ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))
    return folder


_MODULES = (
    "diffusers.models", "diffusers.models.autoencoders",
    "diffusers.models.autoencoders.autoencoder_dc", "diffusers.models.transformers",
    "diffusers.models.transformers.sana_transformer", "timm.models", "timm.models.fastvit",
)  # fmt: skip


def convert(*jobs: str) -> workers.Outcome:
    names = ["coremltools", *(name for name in _MODULES if name.count(".") > 1)]
    return workers.run([workers.Lane([{"id": name} for name in jobs], names)])


@pytest.mark.parametrize("damage", _DAMAGE)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_broken_library_is_named_with_what_mends_it(
    stand_ins: Path, library: str, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (stand_ins / library / "__init__.py").write_text(_DAMAGE[damage])
    outcome = convert("mcp", "dit")
    assert set(outcome.failures) == {"mcp", "dit"}
    assert len(set(outcome.failures.values())) == 1  # said once
    error = outcome.failures["mcp"]
    assert isinstance(error, MissingDependencyError)
    assert str(error).startswith(f"{library} cannot be imported (")
    if damage == "missing":
        assert "pip install not_there_at_all" in str(error)
    else:
        assert str(stand_ins / library) in str(error)
        assert "take its folder out of PYTHONPATH" in str(error)
    assert capfd.readouterr().err.count("Traceback") == 1  # in the log


def test_it_is_the_only_line_of_an_export(
    stand_ins: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (stand_ins / "diffusers" / "__init__.py").write_text(_DAMAGE["binary"])
    shown = execute("export", tiny_checkpoint, "-o", tmp_path / "out", "--only", "mcp,dit", "-q")
    assert shown.code == 2
    assert shown.error().startswith("diffusers cannot be imported (ImportError: libgone.so.1: ")
    assert shown.error().endswith(f"the traceback is in {tmp_path / 'out.log'}")
    assert not (tmp_path / "out.partial").exists()


def test_what_nothing_here_uses_may_be_broken(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Libraries import it where it is there, and coremltools does so at the price of seconds."""
    for name in importing.UNUSED:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'a'); 1 / 0")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("export", tiny_checkpoint, "-o", tmp_path / "out", "--only", "dit", "-q"),
        ("verify", tiny_bundle, "--checkpoint", tiny_checkpoint, "--only", "llm,dit", "-q"),
    )
    for words in commands:
        shown = execute(*words, PYTHONPATH=path)
        assert shown.code == 0, shown.err
    assert not (tmp_path / "executed").exists()


def test_what_a_component_does_not_need_may_be_broken(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for name in ("diffusers", "timm", "torchvision", "transformers"):
        (tmp_path / f"{name}.py").write_text("1 / 0")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    output = tmp_path / "out"
    shown = execute("export", tiny_checkpoint, "-o", output, "--only", "mcp", "-q", PYTHONPATH=path)
    assert shown.code == 0, shown.err


def test_what_a_library_looks_for_is_there_for_the_next(stand_ins: Path) -> None:
    looks = "try:\n    import torchvision as found\nexcept ImportError:\n    found = None"
    (stand_ins / "coremltools" / "__init__.py").write_text(looks)
    code = (
        "from mobileo_export.processes import importing; importing.library('coremltools');"
        "import coremltools, torchvision; print(coremltools.found, torchvision.__name__);"
        "sys.modules.pop('coremltools'); importing.library('coremltools');"
        "print(sys.modules['coremltools'].found.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["None", "torchvision", "torchvision"], done.stderr


@pytest.mark.parametrize("library", ["numpy", "tokenizers"])
def test_a_command_says_it_too(
    stand_ins: Path, tiny_checkpoint: Path, tmp_path: Path, library: str
) -> None:
    (stand_ins / library).mkdir()
    (stand_ins / library / "__init__.py").write_text(_DAMAGE["binary"])
    shown = execute("generate", tiny_checkpoint, "a circle", "-o", tmp_path / "a.png", "-q")
    assert shown.code == 2
    assert shown.error().startswith(f"{library} cannot be imported (")


def test_an_installed_one_is_to_be_installed_again() -> None:
    import rich

    broken = compile(_DAMAGE["binary"], str(rich.__file__), "exec")
    error = raised(lambda: exec(broken, {"__name__": "rich"}))
    assert "pip install --force-reinstall 'rich==" in str(broken_imports.explained(error))


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "raise OSError(28, 'No space left on device', 'x')",
        "raise ImportError('x')",
        "try: import not_there_at_all\nexcept ImportError: {}['a bug of ours']",
    ],
)
def test_what_is_no_librarys_fault_is_left_alone(code: str) -> None:
    namespace = {"__name__": "mobileo_export.export.run"}
    assert broken_imports.explained(raised(lambda: exec(code, namespace))) is None


def test_a_module_that_is_not_there() -> None:
    namespace = {"__name__": "mobileo_export.export.run"}
    error = raised(lambda: exec("import not_there_at_all.inside", namespace))
    found = broken_imports.explained(error)
    assert found is not None
    assert str(found).startswith("ModuleNotFoundError: No module named 'not_there_at_all'; pip")


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")
