"""Real damage in saved packages: explain names the module, the operation and the cause."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export import targets
from mobileo_export.artifacts.mlpackage import schema
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.explain.results import Divergence, Explanation
from mobileo_export.parity.mutations import EditedGraph
from mobileo_export.parity.references import References
from mobileo_export.parity.stored_values import package_graph

from ..surgery import configure
from .conftest import reseal

Change = Callable[[np.ndarray], Any]
CASES = {
    "mcp": "noise",
    "dit": "t=999, prompt",
    "vae_decoder": "noise",
    "vision_encoder": "noise",
    "llm": "prompt",
}
BLOCK = "transformer.transformer_blocks.1"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def run(bundle: Path, checkpoint: Checkpoint, component: str, case: str = "") -> Explanation:
    name = case or CASES[component]
    return explain(bundle, checkpoint, COMPONENTS[component], name, references=shared(checkpoint))


@cache
def shared(checkpoint: Checkpoint) -> References:
    """The inputs of all components, made once."""
    return References(checkpoint, "released")


def found(bundle: Path, checkpoint: Checkpoint, component: str, case: str = "") -> Divergence:
    finding = run(bundle, checkpoint, component, case).finding
    assert finding is not None
    return finding


def operation(bundle: Path, component: str, module: str, kind: str, index: int = 0) -> Any:
    """The package's graph and the ``index``-th operation of a kind from a module."""
    package = bundle / targets.form(COMPONENTS[component], "ios").path
    loaded = package_graph.load(package, package.with_suffix(".operations.json"))
    ops = [op for op in loaded.ops if loaded.origin(op).module == module and op.kind == kind]
    return loaded, ops[index]


def damage_constant(
    bundle: Path, component: str, module: str, kind: str, parameter: str, change: Change
) -> None:
    """Change a constant where it lies in ``weight.bin`` and seal again."""
    loaded, op = operation(bundle, component, module, kind)
    (constant,) = (c for c in loaded.constants(op) if c.parameter == parameter)
    values = np.ascontiguousarray(constant.values)
    changed = values.copy()
    returned = change(changed)
    changed = changed if returned is None else np.ascontiguousarray(returned, values.dtype)
    assert changed.tobytes() != values.tobytes()
    package = bundle / targets.form(COMPONENTS[component], "ios").path
    graph = EditedGraph(package)
    graph.store(graph.op(op.outputs[0].name), parameter, changed)
    graph.patch().put(package)
    reseal(bundle)


def edit(bundle: Path, component: str, op: Any, change: Callable[[Any, Any], None]) -> None:
    """Change an operation in the protobuf; ``change`` gets it and its block."""
    path = (
        bundle
        / targets.form(COMPONENTS[component], "ios").path
        / "Data/com.apple.CoreML/model.mlmodel"
    )
    model = schema.model_pb2().Model()
    model.ParseFromString(path.read_bytes())
    function = model.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    name = op.outputs[0].name
    (spec,) = (item for item in block.operations if item.outputs and item.outputs[0].name == name)
    change(spec, block)
    path.write_bytes(model.SerializeToString())
    reseal(bundle)


def scalar(spec: Any, block: Any, parameter: str) -> Any:
    """The immediate value of a constant parameter."""
    name = spec.inputs[parameter].arguments[0]
    if name.WhichOneof("binding") == "value":
        return name.value.immediateValue.tensor
    (constant,) = (o for o in block.operations if o.outputs[0].name == name.name)
    return constant.attributes["val"].immediateValue.tensor


def swap(values: np.ndarray) -> None:
    values[[3, 8]] = values[[8, 3]]


def flip(values: np.ndarray) -> None:
    values.view(np.uint32)[5, 7] ^= 1 << 25


def not_a_number(values: np.ndarray) -> None:
    values.reshape(-1)[7] = np.nan


def zero(values: np.ndarray) -> None:
    values[...] = 0


def zero_rows(values: np.ndarray) -> None:
    values[4:6] = 0


WEIGHTS: list[tuple[str, str, str, str, Change, str, str]] = [
    ("dit", f"{BLOCK}.attn1.to_q", "linear", "weight", swap, "other values", "[3…8"),
    ("dit", f"{BLOCK}.attn1.to_k", "linear", "weight", np.transpose, "transposed", "axes 0 and 1"),
    ("dit", f"{BLOCK}.attn2.to_q", "linear", "weight", flip, "bit flipped", "exponent bit 2"),
    ("dit", f"{BLOCK}.ff.conv_inverted", "conv", "bias", zero, "bias dropped", "all 480"),
    ("dit", f"{BLOCK}.ff.conv_point", "conv", "weight", not_a_number, "not finite", "1 values"),
    ("dit", f"{BLOCK}.attn2.to_v", "linear", "weight", zero_rows, "other values", "[4…5, 0…95]"),
    ("dit", "transformer.proj_out", "linear", "weight", lambda v: v * 1.01, "scaled", "1.01"),
    ("dit", f"{BLOCK}.attn2.to_k", "linear", "weight", lambda v: np.roll(v, 1, 0),
     "other values", "[0…95, 0…95]"),
    ("dit", f"{BLOCK}.attn2.to_out.0", "linear", "weight", np.sin, "other values", "differ"),
    ("mcp", "output_proj.0", "linear", "weight", swap, "other values", "[3…8"),
    ("mcp", "sequence_refiners.0.norm", "layer_norm", "beta", zero, "bias dropped", "all 64"),
    ("vae_decoder", "decoder.conv_in", "conv", "weight", swap, "other values", "[3…8"),
    ("vision_encoder", "tower.stages.3.blocks.0.token_mixer.qkv", "linear", "weight",
     lambda v: np.roll(v.reshape(3, -1), 1, 0).reshape(v.shape), "blocks permuted", "2, 0, 1"),
    ("vision_encoder", "tower.stages.0.blocks.0.mlp.conv.bn", "conv", "weight",
     lambda v: np.concatenate([v[:3], v[3:4] * 0.8, v[4:]]), "other values", "[3, "),
    ("vision_encoder", "tower.stages.1.blocks.0.layer_scale", "conv", "weight", swap,
     "other values", "[3…8"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("component", "module", "op_kind", "parameter", "change", "kind", "detail"), WEIGHTS
)
def test_a_damaged_weight(
    bundle: Path,
    checkpoint: Checkpoint,
    component: str,
    module: str,
    op_kind: str,
    parameter: str,
    change: Change,
    kind: str,
    detail: str,
) -> None:
    damage_constant(bundle, component, module, op_kind, parameter, change)
    finding = found(bundle, checkpoint, component)
    assert (finding.kind, finding.place.module) == (kind, module)
    assert detail in finding.cause
    assert finding.place.kind == op_kind
    stored = set(COMPONENTS[component].tensors(checkpoint.model))
    assert finding.place.tensors
    assert set(finding.place.tensors) <= stored
    assert finding.place.blob is not None


def test_q_and_k_exchanged(bundle: Path, checkpoint: Checkpoint) -> None:
    name = "model.dit.transformer_blocks.1.attn1.to_k.weight"
    keys = checkpoint.read(name, "released")
    damage_constant(bundle, "dit", f"{BLOCK}.attn1.to_q", "linear", "weight", lambda v: keys)
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.module) == ("another tensor", f"{BLOCK}.attn1.to_q")
    assert f"holds the values of {name}" in finding.cause


@pytest.mark.parametrize("component", CASES)
def test_an_export_has_nothing_to_explain(
    tiny_bundle: Path, checkpoint: Checkpoint, component: str
) -> None:
    explanation = run(tiny_bundle, checkpoint, component)
    assert explanation.ok
    assert explanation.cases[0].ok
    assert explanation.culprit is None
    assert explanation.unsealed == explanation.notes == ()
    assert explanation.largest_growth is not None
    if component != "llm":
        assert max(step.error for step in explanation.steps) < 2e-5
        assert max(step.growth for step in explanation.steps) < 10


def test_every_module_is_aligned(tiny_bundle: Path, checkpoint: Checkpoint) -> None:
    for component in ("mcp", "dit", "vae_decoder", "vision_encoder"):
        package = tiny_bundle / targets.form(COMPONENTS[component], "ios").path
        loaded = package_graph.load(package, package.with_suffix(".operations.json"))
        steps = run(tiny_bundle, checkpoint, component).steps
        assert {step.value for step in steps} == set(loaded.targets)


def test_other_gelu(bundle: Path, checkpoint: Checkpoint) -> None:
    module = "tower.stages.1.blocks.0.mlp.act"
    _, op = operation(bundle, "vision_encoder", module, "gelu")

    def tanh(spec: Any, block: Any) -> None:
        scalar(spec, block, "mode").strings.values[0] = "TANH_APPROXIMATION"

    edit(bundle, "vision_encoder", op, tanh)
    finding = found(bundle, checkpoint, "vision_encoder")
    assert (finding.kind, finding.place.module) == ("gelu approximation", module)


def test_other_activation(bundle: Path, checkpoint: Checkpoint) -> None:
    module = f"{BLOCK}.ff.nonlinearity"
    _, op = operation(bundle, "dit", module, "silu", 1)
    edit(bundle, "dit", op, lambda spec, block: setattr(spec, "type", "relu"))
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.module) == ("other activation", module)
    assert finding.place.value == op.outputs[0].name
    assert "computes relu, the module is SiLU" in finding.cause


def test_other_epsilon(bundle: Path, checkpoint: Checkpoint) -> None:
    _, op = operation(bundle, "mcp", "output_proj.1", "layer_norm")

    def other(spec: Any, block: Any) -> None:
        scalar(spec, block, "epsilon").floats.values[0] = 1e-3

    edit(bundle, "mcp", op, other)
    finding = found(bundle, checkpoint, "mcp")
    assert finding.kind == "epsilon"
    assert "0.001" in finding.cause


def test_a_lost_bias(bundle: Path, checkpoint: Checkpoint) -> None:
    _, op = operation(bundle, "dit", f"{BLOCK}.attn2.to_q", "linear")
    edit(bundle, "dit", op, lambda spec, block: spec.inputs.pop("bias"))
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.module) == ("bias dropped", f"{BLOCK}.attn2.to_q")


def test_an_attention_without_its_mask(bundle: Path, checkpoint: Checkpoint) -> None:
    _, op = operation(bundle, "dit", f"{BLOCK}.attn2", "scaled_dot_product_attention")
    edit(bundle, "dit", op, lambda spec, block: spec.inputs.pop("attn_mask"))
    assert run(bundle, checkpoint, "dit").ok  # nothing is masked there
    finding = found(bundle, checkpoint, "dit", "t=499, prompt, masked")
    assert (finding.kind, finding.place.op) == ("input ignored", op.name)


def test_an_ignored_input(bundle: Path, checkpoint: Checkpoint) -> None:
    damage_constant(bundle, "dit", "transformer.time_embed.emb.time_proj", "mul", "y", zero)
    finding = found(bundle, checkpoint, "dit")
    assert finding.kind == "input ignored"
    assert "timestep" in finding.cause
    assert finding.place.module == "transformer.time_embed.emb.time_proj"
    assert finding.place.kind == "mul"


def test_a_wrong_factor(bundle: Path, checkpoint: Checkpoint) -> None:
    damage_constant(
        bundle, "dit", "transformer.time_embed.emb.time_proj", "mul", "y", lambda v: v * 1.5
    )
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.kind) == ("other result", "mul")
    assert "1.5 times" in finding.cause


def test_other_padding(bundle: Path, checkpoint: Checkpoint) -> None:
    module = f"{BLOCK}.ff.conv_depth"
    _, op = operation(bundle, "dit", module, "conv")

    def shifted(spec: Any, block: Any) -> None:
        scalar(spec, block, "pad").ints.values[:] = [2, 0, 1, 1]

    edit(bundle, "dit", op, shifted)
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.module) == ("other geometry", module)


def test_an_operation_that_cannot_run(bundle: Path, checkpoint: Checkpoint) -> None:
    _, op = operation(bundle, "dit", f"{BLOCK}.attn1.to_q", "linear")
    _, other = operation(bundle, "dit", f"{BLOCK}.ff.conv_point", "conv")

    def misfit(spec: Any, block: Any) -> None:
        spec.inputs["weight"].arguments[0].name = weight

    weight = next(c for c in other.inputs["weight"] if isinstance(c, str))
    edit(bundle, "dit", op, misfit)
    explanation = run(bundle, checkpoint, "dit")
    assert explanation.finding is not None
    assert explanation.finding.place.op == op.name
    assert explanation.finding.place.module == f"{BLOCK}.attn1.to_q"
    assert "cannot be executed" in explanation.finding.cause


def test_an_unknown_operation(bundle: Path, checkpoint: Checkpoint) -> None:
    _, op = operation(bundle, "mcp", "output_proj.0", "linear")
    edit(bundle, "mcp", op, lambda spec, block: setattr(spec, "type", "liner"))
    finding = found(bundle, checkpoint, "mcp")
    assert (finding.kind, finding.place.module) == ("cannot run", "output_proj.0")


def test_a_setting_that_the_manifest_repeats(bundle: Path, checkpoint: Checkpoint) -> None:
    configure(bundle / "llm", {"rms_norm_eps": 1e-5})
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["model"]["llm"]["rms_norm_eps"] = 1e-5
    path.write_text(json.dumps(content))
    finding = found(bundle, checkpoint, "llm")
    assert (finding.kind, finding.place.op) == ("epsilon", "config.json")
    assert "rms_norm_eps 1e-05, the checkpoint 1e-06" in finding.cause


def test_damage_after_sealing_is_said(bundle: Path, checkpoint: Checkpoint) -> None:
    manifest = (bundle / "manifest.json").read_bytes()
    damage_constant(bundle, "mcp", "output_proj.0", "linear", "weight", swap)
    (bundle / "manifest.json").write_bytes(manifest)
    explanation = run(bundle, checkpoint, "mcp")
    assert len(explanation.unsealed) == 1
    assert explanation.finding is not None
    assert "not as sealed" in explanation.finding.fix


def test_half_precision_is_no_divergence(half: Path, checkpoint: Checkpoint) -> None:
    explanation = run(half, checkpoint, "dit")
    assert explanation.ok
    assert explanation.notes == ()
    assert max(step.growth for step in explanation.steps) < 10


def test_a_float16_overflow(half: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(half, tmp_path / "bundle"))
    module = f"{BLOCK}.ff.conv_depth"
    _, op = operation(bundle, "dit", module, "conv")
    damage_constant(bundle, "dit", module, "conv", "weight", lambda v: np.sign(v) * 6e4)
    finding = found(bundle, checkpoint, "dit")
    assert (finding.kind, finding.place.op) == ("float16 overflow", op.name)
