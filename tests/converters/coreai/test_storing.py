"""Matrices of Core AI assets in fewer bits: what is written, the same each time, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export import json_file
from mobileo_export.artifacts.aimodel import asset
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.compression.plan import EXACTLY, NONE, load, parse
from mobileo_export.converters.options import Options
from mobileo_export.converters.registry import of
from mobileo_export.errors import ConversionError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.compression.plan import CompressionPlan
    from tests.exports import Exports

MCP = COMPONENTS["mcp"]
RULES = {"output_proj.*": "palette4", "*.pointwise": "int4 block 8 zero-point", "*": "int8"}


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


def plan_of(components: dict[str, Any], path: Path | None = None) -> CompressionPlan:
    return parse("some.json", {"schema_version": 1, "components": components}, path)


def check(checkpoint: Checkpoint, plan: CompressionPlan) -> None:
    chosen = select(None)
    of(MCP, "coreai").check(checkpoint, chosen, Options(chosen, "coreai", compression=plan))


def test_the_same_plan_gives_the_same_bytes_and_says_what_it_did(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
    from mobileo_export.converters.coreai.convert import convert

    programs, tables = [], []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        place = tmp_path / name / "connector.aimodel"
        made = convert(checkpoint, MCP, place, "coreai", compression=plan_of({"mcp": RULES}))
        programs.append((place / asset.PROGRAM).read_bytes())
        tables.append((tmp_path / name / str(made.compression_map)).read_bytes())
    assert programs[0] == programs[1]
    assert tables[0] == tables[1]
    matrices = json_file.load(tmp_path / "a" / "connector.compression.json")["matrices"]
    forms = {entry["form"] for entry in matrices.values()}
    assert forms >= {"palette4", "int8", "int4 block 8 zero-point"}
    assert made.options["forms"].keys() >= forms
    assert made.options["misfits"] == sum("misfit" in entry for entry in matrices.values())
    assert 0 < made.options["relative_error"] <= made.options["largest_error"] < 0.2


def test_what_fails_leaves_no_table(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
    from mobileo_export.converters.coreai import convert

    def broken(*args: object) -> None:
        raise ConversionError("no")

    monkeypatch.setattr(convert, "_write", broken)
    place = tmp_path / "connector.aimodel"
    with pytest.raises(ConversionError):
        convert.convert(checkpoint, MCP, place, "coreai", compression=plan_of({"mcp": RULES}))
    assert not list(tmp_path.iterdir())


def test_the_manifest_says_how_each_is_stored(tiny_checkpoint: Path, exported: Exports) -> None:
    pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
    bundle = exported(tiny_checkpoint, target="coreai", compression=load("w8", "coreai"))
    content = manifest.read(bundle)["components"]
    (mcp,), (dit,) = (content[name]["artifacts"] for name in ("mcp", "dit"))
    assert mcp["options"]["compression"] == "none"
    assert "compression_map" not in mcp
    assert dit["options"]["compression"] == "plan"
    assert dit["options"]["rules"] == load("w8", "coreai").stated("dit")
    assert dit["options"]["minimum_os"] == "27.0"
    assert 8 < dit["options"]["average_bits"] < 32
    assert dit["compression_map"] == "transformer.compression.json"
    assert "lut_to_dense" not in dit["operations"]
    assert dit["operations"]["blockwise_shift_scale"] > 10


@pytest.mark.parametrize(
    ("components", "said"),
    [
        ({"dit": {"*": "half"}}, "dit: '\\*': Core AI has no form for half"),
        ({"mcp": {"*": "palette3"}}, "mcp: '\\*': Core AI has no form for palette3"),
        ({"llm": {"bits": 4}}, "llm: stays float32 for Core AI"),
    ],
)
def test_what_core_ai_does_not_have_is_refused_by_name(
    components: dict[str, Any], said: str, checkpoint: Checkpoint
) -> None:
    with pytest.raises(UsageError, match=f"compression plan some.json: {said}"):
        check(checkpoint, plan_of(components))


def test_a_pattern_for_nothing_and_halves_without_a_plan_are_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="'no.such' fits no matrix"):
        check(checkpoint, plan_of({"mcp": {"no.such": "int8"}}, tmp_path / "some.json"))
    with pytest.raises(UsageError, match="--compression exact: Core AI widens halves"):
        check(checkpoint, EXACTLY)
    for plan in (NONE, load("w8", "coreai"), load("small", "coreai")):
        check(checkpoint, plan)


def test_what_stays_float32_is_told(checkpoint: Checkpoint) -> None:
    options = Options(select(None), "coreai", compression=plan_of({"mcp": {"*": "int4 block 7"}}))
    first, second = of(MCP, "coreai").warnings(checkpoint, options)
    assert first.startswith("mcp: ")
    assert "as float32 stay exact, their schemes do not fit" in first
    assert second.startswith("llm: stays float32")
    plain = Options(select(None), "coreai", compression=NONE)
    assert of(MCP, "coreai").warnings(checkpoint, plain) == ()


def test_another_plan_is_another_asset_to_a_new_export(checkpoint: Checkpoint) -> None:
    """Of the components that it speaks of; the others are taken over."""

    def concerns(name: str, plan: CompressionPlan) -> dict[str, Any]:
        spec = COMPONENTS[name]
        chosen = Options((spec,), "coreai", compression=plan)
        return of(spec, "coreai").concerns(checkpoint, spec, chosen)

    w8, small = load("w8", "coreai"), load("small", "coreai")
    assert concerns("dit", w8) != concerns("dit", small)
    assert concerns("dit", w8) != concerns("dit", NONE)
    assert concerns("vae_decoder", w8) == concerns("vae_decoder", small)
    for name in ("mcp", "llm"):
        assert concerns(name, w8) == concerns(name, NONE)
