"""Which runtime executes what, on which machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.errors import RuntimeUnavailableError, UsageError
from mobileo_export.runtimes import registry, select
from mobileo_export.runtimes.base import LanguageModelSession

TINY, FULL = 1_000_000, 633_210_240


@pytest.mark.parametrize(
    ("machine", "installed", "kind", "parameters", "expected"),
    [
        ("darwin", True, "mlpackage", FULL, "coreml"),
        ("darwin", True, "mlx", FULL, "mlx"),
        ("darwin", False, "mlx", FULL, "mlx-dequantized"),
        ("linux", True, "mlpackage", FULL, "mil"),
        ("linux", True, "mlx", FULL, "mlx-dequantized"),
        ("linux", True, "mlx", TINY, "mlx"),
        ("linux", False, "mlx", TINY, "mlx-dequantized"),
    ],
)
def test_auto(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    installed: bool,
    kind: str,
    parameters: int,
    expected: str,
) -> None:
    monkeypatch.setattr("sys.platform", machine)
    monkeypatch.setattr(select, "find_spec", lambda name: object() if installed else None)
    assert select.resolve(kind, "auto", parameters) == expected


def test_a_named_runtime_replaces_auto_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert select.resolve("mlx", "mil", FULL, only=False) == "mlx-dequantized"
    assert select.resolve("mlpackage", "mlx", FULL, only=False) == "mil"
    assert select.resolve("mlpackage", "coreml", FULL, only=False) == "coreml"
    assert select.resolve("mlx", "mlx", FULL) == "mlx"
    with pytest.raises(UsageError, match="choose --runtime mlx-dequantized or mlx"):
        select.resolve("mlx", "mil", FULL)
    with pytest.raises(UsageError, match="choose --runtime mil or coreml"):
        select.resolve("mlpackage", "mlx", FULL)
    with pytest.raises(UsageError, match="does not execute"):
        select.resolve("mlx", "cuda", FULL, only=False)


def entry(kind: str, parameters: int) -> dict[str, Any]:
    artifact = {"kind": kind, "compute_precision": "float32"}
    return {"parameters": parameters, "artifacts": [artifact]}


@pytest.mark.parametrize(
    ("machine", "parameters", "beside", "expected"),
    [
        ("linux", TINY, None, "mlx"),
        ("darwin", FULL, None, "mlx"),
        ("linux", FULL, None, "mlx-dequantized"),  # nobody waits for MLX's kernels there
        ("linux", TINY, "mlpackage", "mlx-dequantized"),  # what runs the package runs it too
    ],
)
def test_where_nothing_is_installed_it_is_what_takes_the_least_to_install(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    parameters: int,
    beside: str | None,
    expected: str,
) -> None:
    monkeypatch.setattr("sys.platform", machine)
    for module in (select, registry):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    entries = {"llm": entry("mlx", parameters)}
    if beside is not None:
        entries["dit"] = entry(beside, parameters)
    assert select.choose(entries)["llm"] == expected
    extra = "mlx" if expected == "mlx" else "export"
    with pytest.raises(RuntimeUnavailableError, match=rf"pip install '\.\[{extra}\]'"):
        select.assign(Path("b"), {"components": entries})


@pytest.mark.parametrize("runtime", ["auto", "mil", "mlx", "mlx-dequantized"])
def test_the_language_model_of_a_bundle(tiny_bundle: Path, runtime: str) -> None:
    session = select.open_session(str(tiny_bundle), COMPONENTS["llm"], runtime, only=False)
    assert isinstance(session, LanguageModelSession)


def test_a_runtime_that_cannot(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="mil runtime does not execute"):
        select.open_session(str(tiny_bundle), COMPONENTS["llm"], "mil")
    with pytest.raises(UsageError, match="runs checkpoints"):
        select.open_session(str(tiny_bundle), COMPONENTS["llm"], "torch")
    with pytest.raises(UsageError, match="torch runtime only"):
        select.open_session(str(tiny_checkpoint), COMPONENTS["llm"], "mlx")
