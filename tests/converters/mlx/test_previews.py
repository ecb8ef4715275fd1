"""The map from latents to colors in a bundle of MLX folders, with and without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.plan import NONE
from mobileo_export.converters.mlx import converter
from mobileo_export.converters.options import Options
from mobileo_export.export import plan
from mobileo_export.export.run import export

if TYPE_CHECKING:
    import pytest

DECODER = COMPONENTS["vae_decoder"]
OPTIONS = Options((DECODER,), target="mlx", precision="float16", compression=NONE)


def test_it_is_the_map_of_a_bundle_of_packages(tiny_checkpoint: Path, tmp_path: Path) -> None:
    found = []
    for target in ("ios", "mlx"):
        options = Options((DECODER,), target=target, compression=NONE)
        export(Checkpoint.open(tiny_checkpoint), tmp_path / target, options)
        found.append(manifest.read(tmp_path / target)["components"]["vae_decoder"]["preview"])
    assert found[0] == found[1]
    assert len(found[0]["matrix"]) == 3


def test_without_pytorch_it_is_left_out_by_name(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    with_it = converter.CONVERTER.concerns(checkpoint, DECODER, OPTIONS)
    assert converter.CONVERTER.warnings(checkpoint, OPTIONS) == ()
    assert plan.plan(checkpoint, OPTIONS).temporary_bytes > 0
    monkeypatch.setattr(converter, "find_spec", lambda module: None)
    (line,) = converter.CONVERTER.warnings(checkpoint, OPTIONS)
    assert line.startswith("vae_decoder: the bundle has no map of colors for previews")
    assert "pip install" in line
    # What was exported without it is not taken over once it can be fitted.
    assert converter.CONVERTER.concerns(checkpoint, DECODER, OPTIONS) != with_it
    # Nothing that imports PyTorch is planned, nor done.
    assert plan.plan(checkpoint, OPTIONS).temporary_bytes == 0
    (cost,) = plan.plan(checkpoint, OPTIONS).components
    assert cost.imported == 0
