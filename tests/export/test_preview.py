"""The map of colors in a manifest: written once, carried over, and refused where it is damaged."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from mobileo_export import components
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import BundleError
from mobileo_export.export import run as export
from mobileo_export.export import workers
from mobileo_export.pipelines.model import open_model
from mobileo_export.reference import preview
from tests.exports import convert_here

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_the_decoders_and_goes_to_the_pipelines(tiny_bundle: Path, tiny_jetson: Path) -> None:
    for bundle in (tiny_bundle, tiny_jetson):
        entries = manifest.read(bundle)["components"]
        assert [name for name, entry in entries.items() if "preview" in entry] == ["vae_decoder"]
        found = entries["vae_decoder"]["preview"]
        with open_model(str(bundle), needs=("llm",)) as model:
            assert model.preview == found
    assert found == manifest.read(tiny_bundle)["components"]["vae_decoder"]["preview"]


def test_exporting_again_fits_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    options = export.Options(components.select("vae_decoder"))
    output = tmp_path / "bundle"
    with patch.object(workers, "run", convert_here):
        export.export(Checkpoint.open(tiny_checkpoint), output, options)
        before = (output / manifest.MANIFEST).read_bytes()
        with patch.object(preview, "fit", side_effect=AssertionError("fitted again")):
            checkpoint = Checkpoint.open(tiny_checkpoint)
            result = export.export(checkpoint, output, options, overwrite=True)
            assert result.reused == ("vae_decoder",)
            assert (output / manifest.MANIFEST).read_bytes() == before
            with pytest.raises(AssertionError, match="fitted again"):
                export.export(checkpoint, output, options, overwrite=True, fresh=True)


def test_a_manifest_without_one_is_read(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    changed(bundle, lambda entry: entry.pop("preview"))
    assert "preview" not in manifest.read(bundle)["components"]["vae_decoder"]
    with open_model(str(bundle), needs=("llm",)) as model:
        assert model.preview is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("matrix", [[0.1], [0.1], [0.1]], r"preview.matrix\[0\] has 1 numbers, not one for each"),
        ("matrix", [[0.1] * 8] * 2, "preview.matrix is .* not of minItems 3"),
        ("matrix", [["red"] * 8] * 3, r"preview.matrix\[0\]\[0\] is 'red'"),
        ("offset", [0, 0], "preview.offset is .* not of minItems 3"),
        ("offset", [0, 0, None], r"preview.offset\[2\] is None"),
        ("explained", -1, "preview.explained is -1"),
        ("more", 1, "preview.more is unknown"),
    ],
)
def test_a_damaged_one_is_refused_by_name(
    tiny_bundle: Path, tmp_path: Path, field: str, value: Any, message: str
) -> None:
    (tmp_path / manifest.MANIFEST).write_bytes((tiny_bundle / manifest.MANIFEST).read_bytes())
    changed(tmp_path, lambda entry: entry["preview"].update({field: value}))
    with pytest.raises(BundleError, match="components.vae_decoder." + message):
        manifest.read(tmp_path)


def changed(bundle: Path, change: Any) -> None:
    path = bundle / manifest.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content["components"]["vae_decoder"])
    path.write_text(manifest.dumps(content), encoding="utf-8")
