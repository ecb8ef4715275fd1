"""The plan of float32 islands: what is found in a graph, what a probe adds, what a hand writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx_ir as ir
import pytest

from mobileo_export.converters.onnx import precision
from mobileo_export.converters.onnx.precision import Rule, patterns, plan, read_plan, wide
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def kept(path: Path) -> dict[str, set[str]]:
    """Node names by the reason for which they stay float32."""
    model = ir.load(path)
    found: dict[str, set[str]] = {}
    for rule in plan(model):
        found.setdefault(rule.reason, set()).update(wide(model, [rule]))
    return found


def test_islands_of_the_transformer(tiny_jetson: Path) -> None:
    found = kept(tiny_jetson / "transformer.onnx")
    assert found.keys() == {
        precision.RMS_NORM,
        precision.SINUSOID,
        precision.EPSILON,
        precision.SOFTMAX,
    }
    block = "transformer.transformer_blocks.0.attn"
    assert {f"{block}1/MatMul", f"{block}1/MatMul_2", f"{block}1/Div"} <= found[precision.EPSILON]
    assert not any("to_q" in name or "to_out" in name for name in found[precision.EPSILON])
    assert {f"{block}2/MatMul", f"{block}2/Softmax"} <= found[precision.SOFTMAX]
    assert f"{block}2/MatMul_2" not in found[precision.SOFTMAX]  # of the values
    assert "transformer.time_embed.emb.time_proj/Sin" in found[precision.SINUSOID]


def test_islands_of_the_language_model(tiny_jetson: Path) -> None:
    model = ir.load(tiny_jetson / "llm" / "llm.onnx")
    rules = {rule.nodes: rule for rule in plan(model)}
    assert rules["layers.*.input_layernorm/*"].count == 28
    assert rules["layers.*.self_attn/Softmax"].count == 4
    names = wide(model, rules.values())
    assert "norm/Reciprocal" in names
    assert not any("_proj/" in name for name in names)


def test_islands_of_the_decoder(tiny_jetson: Path) -> None:
    found = kept(tiny_jetson / "vae_decoder.onnx")
    assert found.keys() == {precision.RMS_NORM, precision.EPSILON}
    assert "decoder.norm_out/Pow" in found[precision.RMS_NORM]


def test_a_probe_adds_what_leaves_the_range(tiny_jetson: Path) -> None:
    model = ir.load(tiny_jetson / "connector.onnx")
    names = [str(node.name) for node in model.graph]
    assert plan(model, ranges=dict.fromkeys(names, 8188.0)) == ()  # an eighth of the range
    large = next(name for name in names if name.endswith("output_proj.0/MatMul"))
    strange = next(name for name in names if name.endswith("input_compress.0/Add"))
    ranges = {**dict.fromkeys(names, 1.0), large: 9000.0, strange: float("nan")}
    rules = plan(model, ranges=ranges)
    assert {rule.nodes for rule in rules} == {large, strange}
    assert all(rule.reason == precision.RANGE for rule in rules)
    assert next(rule for rule in rules if rule.nodes == large).largest == 9000.0


def test_a_plan_by_hand_replaces_the_rules(tiny_jetson: Path) -> None:
    model = ir.load(tiny_jetson / "transformer.onnx")
    (rule,) = plan(model, [Rule("*/Softmax", "mine")])
    assert (rule.reason, rule.count) == ("mine", 3)
    assert plan(model, []) == ()
    with pytest.raises(UsageError, match="'nothing' fits no operation"):
        plan(model, [Rule("nothing", "mine")])


def test_patterns_fit_the_chosen_only() -> None:
    names = [f"layers.{i}.{part}" for i in range(12) for part in ("a/Add", "a/Mul", "b/Mul")]
    assert patterns({n for n in names if ".a/" in n}, names) == ["layers.*.a/*"]
    assert patterns({n for n in names if n.endswith("a/Mul")}, names) == ["layers.*.a/Mul"]
    assert patterns({"layers.3.a/Add", "layers.3.a/Mul"}, names) == ["layers.3.a/*"]
    assert patterns({"layers.3.a/Add", "layers.4.b/Mul"}, names) == [
        "layers.3.a/Add",
        "layers.4.b/Mul",
    ]
    assert patterns(set(names), names) == ["layers.*.a/*", "layers.*.b/*"]


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    entry = {"nodes": "*/Softmax", "reason": "mine", "count": 3, "largest": None}
    path.write_text(json.dumps({"dit": [entry], "llm": []}))
    assert read_plan(path) == {"dit": [{"nodes": "*/Softmax", "reason": "mine"}], "llm": []}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read as JSON"),
        ("[]", "is no object"),
        ('{"ditt": []}', "'ditt' is no graph with a plan"),
        ('{"mcp": []}', "'mcp' is no graph with a plan"),
        ('{"dit": {}}', "dit is no list"),
        ('{"dit": ["*"]}', "dit holds"),
        ('{"dit": [{"nodes": "*"}]}', "dit holds"),
        ('{"dit": [{"nodes": 3, "reason": "x"}]}', "dit holds"),
    ],
)
def test_a_file_that_is_no_plan(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_plan(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "none.json")
