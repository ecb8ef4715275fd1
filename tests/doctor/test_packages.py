"""Versions against ranges, the tested set, and each other."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobileo_export.doctor import binaries, packages
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def lookup(**changes: str | None) -> Callable[[str], str | None]:
    """The tested versions are installed, with changes; underscores stand for hyphens.

    What no list names (the libraries of a torch for CUDA, say) is as on this machine.
    """
    other = {name.replace("_", "-"): version for name, version in changes.items()}

    def version(name: str) -> str | None:
        if name in other:
            return other[name]
        return packages.tested_versions().get(name) or packages.installed_version(name)

    return version


def finding(what: str, **changes: str | None) -> tuple[str, str, str | None]:
    state = packages.environment(lookup(**changes))
    (found,) = (f for f in packages.findings(state) if f.what == what)
    return found.state, found.detail, found.mend


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    tested = packages.tested_versions()
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(tested) == sum("==" in line for line in lines)
    assert f"torch=={tested['torch']}" in lines


def test_a_tested_set_is_fine() -> None:
    state = packages.environment(lookup())
    assert all(found.state == "ok" for found in packages.findings(state) if found.mend is None)
    assert state.usable("torch")
    assert finding("coremltools")[:2] == (
        "ok",
        f"{packages.tested_versions()['coremltools']}, as tested",
    )


def test_every_package_of_the_extras_is_looked_at() -> None:
    named = set(packages.environment(lookup()).packages)
    assert {"numpy", "torch", "torchvision", "coremltools", "mlx", "onnxruntime"} <= named
    assert "pytest" not in named


def test_the_numpy_that_breaks_coremltools() -> None:
    state, detail, mend = finding("numpy", numpy="2.4.1")
    assert state == "broken"
    assert "2.4.1, this release takes" in detail
    assert "coremltools" in detail
    assert mend == f"pip install 'numpy=={packages.tested_versions()['numpy']}'"


def test_a_torch_that_torchvision_was_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.requires
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda name: ["torch==2.10.0", "numpy"] if name == "torchvision" else real(name),
    )
    state, detail, mend = finding("torchvision")
    tested = packages.tested_versions()
    assert state == "broken"
    assert detail == f"{tested['torchvision']} needs torch ==2.10.0, which is {tested['torch']}"
    assert mend == f"pip install 'torchvision=={tested['torchvision']}' 'torch=={tested['torch']}'"


@pytest.mark.parametrize(
    ("torch", "index"),
    [("2.14.1+cpu", " --index-url https://download.pytorch.org/whl/cpu"), ("2.14.1", "")],
)
def test_a_torchvision_of_another_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, torch: str, index: str
) -> None:
    """Its version fits; its compiled operations name libraries that this torch has not."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    code = tmp_path / "torchvision" / "_C_stable.so"
    code.write_bytes(b"\x7fELF\0libc10.so\0libtorch_cuda.so\0libcudart.so.13\0")
    (tmp_path / "torch" / "lib" / "libc10.so").touch()
    monkeypatch.setattr(binaries, "_folder", lambda module: tmp_path / module)
    versions = {"torch": torch, "torchvision": "0.29.1"}
    state, detail, mend = finding("torchvision", **versions)
    assert state == "broken"
    assert detail == f"0.29.1 needs torch with libtorch_cuda.so, which torch {torch} has not"
    assert mend == f"pip install --force-reinstall --no-deps{index} 'torchvision==0.29.1'"
    able = packages.environment(lookup(**versions))
    assert not able.usable("torchvision")
    assert able.usable("torch")
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").touch()
    assert finding("torchvision", **versions)[0] == "ok"
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").unlink()
    code.unlink()  # built in another way: nothing is known
    assert finding("torchvision", **versions)[0] == "ok"


def test_builds_with_a_label_are_the_tested_version() -> None:
    assert finding("torch", torch=f"{packages.tested_versions()['torch']}+cpu")[1].endswith(
        "as tested"
    )


def test_another_version_in_range() -> None:
    state, detail, mend = finding("pillow", pillow="11.0.0")
    assert (state, mend) == ("ok", None)
    assert re.fullmatch(r"11\.0\.0, in range; tested with \S+", detail)


def test_an_extra_that_is_not_installed_is_no_problem_by_itself() -> None:
    assert finding("mlx", mlx=None) == (
        "missing",
        "not installed (mlx)",
        extras.install("mlx"),
    )


def test_a_core_package_that_is_gone_is_one() -> None:
    state, _, mend = finding("safetensors", safetensors=None)
    assert (state, mend) == ("broken", extras.install())


def test_without_the_list_of_tested_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "tested_versions", dict)
    state = packages.environment({"numpy": "2.5.0"}.get)
    (found,) = (f for f in packages.findings(state) if f.what == "numpy")
    assert found.mend is not None
    assert found.mend.startswith("pip install 'numpy<2.4")
