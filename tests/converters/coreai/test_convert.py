"""What a Core AI asset states of itself."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.bundle import manifest

if TYPE_CHECKING:
    from pathlib import Path

MCP = "connector.aimodel"


def test_the_manifest_says_what_a_phone_must_know(tiny_core_ai: Path) -> None:
    content = manifest.read(tiny_core_ai)
    for name in ("mcp", "llm"):
        (artifact,) = content["components"][name]["artifacts"]
        assert (artifact["target"], artifact["kind"]) == ("coreai", "aimodel")
        assert artifact["options"]["minimum_os"] == "27.0"
        assert 0 < artifact["options"]["largest_allocation"] < 1 << 32
        assert artifact["operations"]["constant"] > 10
    (artifact,) = content["components"]["llm"]["artifacts"]
    assert [graph["name"] for graph in artifact["graphs"]] == ["embed", "projector", "main"]
    assert {graph["path"] for graph in artifact["graphs"]} == {"llm/model.aimodel"}
    stated = json.loads((tiny_core_ai / MCP / asset.METADATA).read_text())
    assert "creationDate" not in stated
    assert stated["creatorDefinedMetadata"]["mobileo_export.component"] == "mcp"
    assert stated["license"]


def test_names_are_numbers(tiny_core_ai: Path) -> None:
    """What the library leaves to chance is fixed: all else depends on the model alone."""
    data = (tiny_core_ai / MCP / asset.PROGRAM).read_bytes()
    assert b"resource_0\0" in data
    assert re.search(rb"layer_norm_\d+\0", data)
    assert not re.search(rb"(?:layer_norm|hard_sigmoid)_[a-z]{8}\0|resource_\d{6}", data)
