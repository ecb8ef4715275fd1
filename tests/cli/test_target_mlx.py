"""``export --target mlx``: its defaults, and what it refuses by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mobileo_export.compression.plan import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command


def planned(command: Command, folder: Path, *more: str) -> dict[str, int]:
    """Bytes by component of an export that is not begun."""
    done = command(
        "export", "miniature", "--target", "mlx", "-o", folder / "out", "--dry-run", "--json", *more
    )
    assert done.code == 0, done.err
    return {part["component"]: part["bytes"] for part in json.loads(done.out)["components"]}


def test_the_default_is_half_precision_and_eight_bits(command: Command, tmp_path: Path) -> None:
    default = planned(command, tmp_path)
    assert default == planned(command, tmp_path, "--precision", "fp16", "--compression", "w8")
    small = planned(command, tmp_path, "--compression", "small")
    plain = planned(command, tmp_path, "--compression", "none")
    wide = planned(command, tmp_path, "--precision", "float32")
    assert small["dit"] < 0.65 * default["dit"] < 0.4 * plain["dit"] < 0.21 * wide["dit"]
    assert small["llm"] < default["llm"] == plain["llm"] == wide["llm"]
    assert small["vae_decoder"] == default["vae_decoder"] < wide["vae_decoder"]
    assert small["mcp"] == wide["mcp"]


def test_float32_is_not_quantized_unless_asked(command: Command, tmp_path: Path) -> None:
    wide = planned(command, tmp_path, "--precision", "float32")
    assert wide == planned(command, tmp_path, "--precision", "float32", "--compression", "none")
    both = planned(command, tmp_path, "--precision", "float32", "--compression", "w8")
    assert both["dit"] < 0.5 * wide["dit"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--compression", "exact"), "--compression exact: is that of packages; an MLX folder"),
        (("--layers-per-engine", "2"), "--layers-per-engine goes with --target jetson"),
        (("--only", "llm", "--precision", "float16"), "--precision is that of packages"),
        (("--only", "mcp", "--llm-bits", "4"), "--llm-bits is the language model's"),
    ],
)
def test_what_does_not_apply_is_refused(
    options: tuple[str, ...], said: str, command: Command, tmp_path: Path
) -> None:
    done = command(
        "export", "miniature", "--target", "mlx", "-o", tmp_path / "out", "--dry-run", *options
    )
    assert done.code == 2
    assert said in done.error()
    assert list(tmp_path.iterdir()) == []


def test_ios_keeps_its_defaults_and_its_presets() -> None:
    assert load("small").rules["dit"] != load("small", "mlx").rules["dit"]
    assert load("small", "ios") == load("small")
    assert load("w8", "jetson") == load("w8")
    assert load("small").language_model != load("small", "mlx").language_model


@pytest.mark.parametrize("name", ["run", "verify"])
def test_help_speaks_of_every_components_folder(command: Command, name: str) -> None:
    shown = " ".join(command(name, "--help").out.split())
    runtime = shown[shown.index("--runtime") : shown.index("One of auto")]
    assert "MLX folders" in runtime
    assert "language model" not in runtime
