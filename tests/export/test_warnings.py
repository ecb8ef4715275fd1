"""Warnings of an export that went well."""

from __future__ import annotations

from mobileo_export import components
from mobileo_export.converters.mlx import converter
from mobileo_export.export import run as export


def test_layers_that_cannot_be_quantized_are_reported() -> None:
    options = export.Options(components.select(None), llm_group_size=128)
    left = ["language_model.model.layers.0.mlp.down_proj"]
    (warning,) = converter.unquantized_warnings(left, options)
    assert "1 layer(s) stay float16" in warning
    assert "128 (language_model.model.layers.0.mlp.down_proj)" in warning
    assert converter.unquantized_warnings([], options) == ()
