"""The one list of runtimes, and asking it before any work."""

from __future__ import annotations

from importlib.util import find_spec as find
from pathlib import Path
from typing import Any, get_args

import pytest

import mobileo_export
from mobileo_export import targets
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import RuntimeUnavailableError, UsageError
from mobileo_export.parity.compare import runtimes
from mobileo_export.parity_tests import plugin
from mobileo_export.runtimes import registry, select


def test_every_place_offers_what_is_in_the_list() -> None:
    choice: Any = registry.Choice
    assert get_args(choice) == ("auto", *registry.ENTRIES)
    of_bundles: Any = registry.OfBundles
    assert set(get_args(of_bundles)) == {"auto", *registry.ENTRIES} - {"torch"}
    on_boards: Any = registry.OnBoards
    assert set(get_args(on_boards)) == {"onnxruntime", "tensorrt"}
    assert set(select.RUNTIMES) == {"mlpackage", "mlx", "onnx", "aimodel"}


def test_the_pytest_plugin_offers_them() -> None:
    seen: dict[str, Any] = {}

    class Group:
        def addoption(self, name: str, **settings: Any) -> None:
            seen[name] = settings

    class Parser:
        def getgroup(self, *names: str) -> Group:
            return Group()

    plugin.pytest_addoption(Parser())  # type: ignore[arg-type]
    assert seen["--runtime"]["choices"] == registry.OF_BUNDLES
    assert "cpu_only" in seen["--compute-units"]["choices"]


def test_there_is_no_second_list() -> None:
    """Who names a runtime of each kind: the registry alone."""
    root = Path(mobileo_export.__file__).parent
    names = ('"coreml"', '"mlx-dequantized"', '"onnxruntime"')
    files = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if all(name in path.read_text(encoding="utf-8") for name in names)
    ]
    assert sorted(files) == ["runtimes/registry.py"]


@pytest.mark.parametrize("name", registry.ENTRIES)
def test_every_entry_is_a_runtime(name: str) -> None:
    if not all(map(find, registry.ENTRIES[name].imports)):
        pytest.skip(f"{name} is not installed")
    assert registry.load(name).name == name


@pytest.mark.parametrize(
    ("name", "absent", "message"),
    [
        ("mlx", "mlx", r"the mlx runtime needs mlx: pip install '\.\[mlx\]'"),
        ("mil", "coremltools", r"needs coremltools: pip install '\.\[export\]'"),
        ("onnxruntime", "onnxruntime", r"needs onnxruntime: pip install '\.\[run\]'"),
        ("torch", "torch", r"needs torch: pip install '\.\[export\]'"),
    ],
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, absent: str, message: str
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda wanted: None if wanted == absent else wanted)
    with pytest.raises(RuntimeUnavailableError, match=message):
        registry.check_available([name])


def test_core_ml_needs_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(RuntimeUnavailableError, match="coreml runtime needs macOS"):
        registry.check_available(["coreml"])


def content(chosen: dict[str, str]) -> dict[str, Any]:
    """A manifest's components, as far as choosing looks at them."""
    return {
        "components": {
            name: {
                "parameters": 10**9,
                "artifacts": [
                    {
                        "target": target,
                        "kind": targets.form(COMPONENTS[name], target).kind,
                        "compute_precision": "float32",
                        "path": name,
                    }
                ],
            }
            for name, target in chosen.items()
        }
    }


IOS = content(dict.fromkeys(COMPONENTS, "ios"))
JETSON = content(dict.fromkeys(COMPONENTS, "jetson"))


@pytest.mark.parametrize("runtime", ["onnxruntime", "emulated-half", "tensorrt"])
def test_a_runtime_that_executes_nothing_is_refused(runtime: str) -> None:
    with pytest.raises(UsageError) as caught:
        select.assign(Path("b"), IOS, runtime)
    assert str(caught.value) == (
        f"b: the {runtime} runtime does not execute a Core ML package or an MLX folder; "
        "choose --runtime mil or coreml or mlx-dequantized or mlx"
    )
    with pytest.raises(UsageError, match="does not execute"):
        runtimes(Path("b"), IOS, None, runtime)


@pytest.mark.parametrize("runtime", ["mil", "mlx"])
def test_a_runtime_that_executes_nothing_of_a_jetson_bundle_is_refused(runtime: str) -> None:
    with pytest.raises(UsageError, match="choose --runtime onnxruntime or emulated-half or tensor"):
        select.assign(Path("b"), JETSON, runtime)


def test_a_runtime_that_executes_nothing_of_what_takes_part_is_refused() -> None:
    assert select.assign(Path("b"), IOS, "mil")["llm"] == "mlx-dequantized"
    with pytest.raises(UsageError, match="does not execute an MLX folder"):
        select.assign(Path("b"), IOS, "mil", ("llm",))


def test_units_go_with_core_ml_only() -> None:
    with pytest.raises(UsageError, match="goes with --runtime coreml only"):
        runtimes(Path("b"), IOS, None, "mil", "cpu_only")
