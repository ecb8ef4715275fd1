"""What changed from one bundle to another, with bundles that were changed in known places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.artifacts.mlpackage.schema import model_pb2
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.converters.mlx.convert import convert
from mobileo_export.errors import BundleError
from mobileo_export.inspection import difference, difference_fields, difference_tensors
from mobileo_export.inspection.difference import Difference, compare
from tests.parity.conftest import damage_weight, reseal

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "connector.mlpackage"
MODEL = "Data/com.apple.CoreML/model.mlmodel"
TENSOR = "model.diffusion_connector.fusion.input_compress.0.weight"


@pytest.fixture
def changed(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "changed"))


def edit(package: Path, change: Callable[[Any], object]) -> None:
    """Change the operations of a package's main function, and seal its bundle again."""
    model = model_pb2().Model()
    model.ParseFromString((package / MODEL).read_bytes())
    function = model.mlProgram.functions["main"]
    change(function.block_specializations[function.opset])
    (package / MODEL).write_bytes(model.SerializeToString())
    reseal(package.parent)


def rewrite(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def artifact(found: Difference, path: str) -> difference.ArtifactChange:
    (one,) = (change for change in found.artifacts if change.path == path)
    return one


def test_a_bundle_and_its_copy_are_identical(tiny_bundle: Path, changed: Path) -> None:
    found = compare(tiny_bundle, changed)
    assert found.same
    assert (found.files, found.fields, found.artifacts) == ((), (), ())


def test_one_weight(tiny_bundle: Path, tiny_checkpoint: Path, changed: Path) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    before = checkpoint.read(TENSOR, "released").astype(np.float64)

    def damage(values: np.ndarray) -> None:
        values[1] *= 1.5

    damage_weight(changed, PACKAGE, checkpoint, TENSOR, damage)
    found = compare(tiny_bundle, changed)
    assert [change.path for change in found.files] == [
        f"{PACKAGE}/Data/com.apple.CoreML/weights/weight.bin"
    ]
    (one,) = found.artifacts
    (tensor,) = one.tensors
    assert tensor.name == "input_compress.0.weight"
    apart = np.zeros_like(before)
    apart[1] = before[1] * 0.5
    assert tensor.relative_l2 == pytest.approx(
        np.linalg.norm(apart) / np.linalg.norm(before), rel=1e-6
    )
    assert tensor.max_abs == pytest.approx(np.abs(apart).max(), rel=1e-6)
    assert tensor.changed == pytest.approx(1 / before.shape[0])
    assert one.tensors_equal > 10
    assert (one.graph, one.operations) == ((), {})


def test_a_setting(tiny_bundle: Path, changed: Path) -> None:
    def epsilon(block: Any) -> None:
        norm = next(op for op in block.operations if op.type == "layer_norm")
        name = norm.inputs["epsilon"].arguments[0].name
        constant = next(
            op for op in block.operations if op.type == "const" and op.outputs[0].name == name
        )
        constant.attributes["val"].immediateValue.tensor.floats.values[0] = 0.5

    edit(changed / PACKAGE, epsilon)
    one = artifact(compare(tiny_bundle, changed), PACKAGE)
    settings = [change for change in one.graph if change.kind == "set"]
    assert settings
    assert {change.operation for change in settings} == {"layer_norm"}
    assert all(change.detail.endswith("-> 0.5") for change in settings)
    assert one.tensors == ()


def test_one_more_operation_is_one_change_and_its_readers(tiny_bundle: Path, changed: Path) -> None:
    def insert(block: Any) -> None:
        at = next(i for i, op in enumerate(block.operations) if op.type == "linear")
        source = block.operations[at]
        extra = type(source)()
        extra.CopyFrom(next(op for op in block.operations if op.type == "sigmoid_hard"))
        extra.type = "relu"
        for key in list(extra.inputs):
            del extra.inputs[key]
        for key in list(extra.attributes):
            del extra.attributes[key]
        value = source.outputs[0].name
        extra.inputs["x"].arguments.add().name = value
        extra.outputs[0].CopyFrom(source.outputs[0])
        extra.outputs[0].name = "inserted"
        rest = [type(op).FromString(op.SerializeToString()) for op in block.operations[at + 1 :]]
        del block.operations[at + 1 :]
        block.operations.append(extra)
        for op in rest:
            for argument in op.inputs.values():
                for binding in argument.arguments:
                    if binding.name == value:
                        binding.name = "inserted"
        block.operations.extend(rest)

    edit(changed / PACKAGE, insert)
    one = artifact(compare(tiny_bundle, changed), PACKAGE)
    assert one.operations == {"relu": (0, 1)}
    added = [change for change in one.graph if change.kind == "added"]
    assert [(change.operation, change.name) for change in added] == [("relu", "inserted")]
    rewired = [change for change in one.graph if change.kind == "rewired"]
    assert len(rewired) == 1
    assert rewired[0].detail.endswith("-> inserted")
    assert one.tensors == ()


def test_renumbered_values_are_no_change(tiny_bundle: Path, changed: Path) -> None:
    origins = changed / PACKAGE.replace(".mlpackage", ".operations.json")

    def renumber(block: Any) -> None:
        names: dict[str, str] = {}
        for op in block.operations:
            for output in op.outputs:
                if output.name not in block.outputs:
                    names[output.name] = f"v{len(names)}"
                    output.name = names[output.name]
            for argument in op.inputs.values():
                for binding in argument.arguments:
                    if binding.WhichOneof("binding") == "name":
                        binding.name = names.get(binding.name, binding.name)
        content = json.loads(origins.read_text())
        operations = content["operations"]
        content["operations"] = {names.get(name, name): e for name, e in operations.items()}
        origins.write_text(json.dumps(content))

    edit(changed / PACKAGE, renumber)
    one = artifact(compare(tiny_bundle, changed), PACKAGE)
    assert (one.graph, one.tensors, one.operations) == ((), (), {})


def test_fewer_bits(tiny_bundle: Path, tiny_checkpoint: Path, changed: Path) -> None:
    shutil.rmtree(changed / "llm")
    convert(Checkpoint.open(tiny_checkpoint), changed / "llm", bits=4)
    rewrite(
        changed,
        lambda content: content["components"]["llm"]["artifacts"][0].update(
            weight_precision="4-bit"
        ),
    )
    reseal(changed)
    found = compare(tiny_bundle, changed)
    one = artifact(found, "llm")
    table = {change.name: change for change in one.tensors}
    embeddings = table["model.embed_tokens.weight"]
    assert embeddings.old is not None
    assert embeddings.new is not None
    assert embeddings.old.startswith("8-bit/64[")
    assert embeddings.new.startswith("4-bit/64[")
    assert 0.02 < (embeddings.relative_l2 or 0) < 0.2
    assert one.tensors[0].rank == max(change.rank for change in one.tensors)
    assert one.tensors_equal > 0  # norms and biases stay float16
    paths = [field.path for field in found.fields]
    assert paths == ["components.llm.artifacts.0.weight_precision"]


def test_a_recipe_and_a_version(tiny_bundle: Path, changed: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["recipe"]["sampling"]["steps"] = 8
        content["tools"]["torch"] = "2.9.0"
        content["source"]["revision"] = "abc"

    rewrite(changed, change)
    found = compare(tiny_bundle, changed)
    assert [(f.path, f.new) for f in found.fields] == [
        ("recipe.sampling.steps", 8),
        ("source.revision", "abc"),
        ("tools.torch", "2.9.0"),
    ]
    assert not found.same


def test_a_component_that_is_gone(tiny_bundle: Path, changed: Path) -> None:
    shutil.rmtree(changed / PACKAGE)
    rewrite(changed, lambda content: content["components"].pop("mcp"))
    reseal(changed)
    found = compare(tiny_bundle, changed)
    assert found.components == (("mcp",), ())
    assert {change.kind for change in found.files} == {"removed"}
    assert found.fields == ()


def test_a_broken_seal_is_a_difference_and_contents_are_compared(
    tiny_bundle: Path, tiny_checkpoint: Path, changed: Path
) -> None:
    sealed = (changed / "manifest.json").read_bytes()

    def damage(values: np.ndarray) -> None:
        values[0] = 0

    damage_weight(changed, PACKAGE, Checkpoint.open(tiny_checkpoint), TENSOR, damage)
    (changed / "manifest.json").write_bytes(sealed)
    found = compare(tiny_bundle, changed)
    assert found.broken[0] == ()
    assert [problem.kind for problem in found.broken[1]] == ["content"]
    assert [change.name for change in artifact(found, PACKAGE).tensors] == [
        "input_compress.0.weight"
    ]


def test_a_package_that_cannot_be_read_is_named(tiny_bundle: Path, changed: Path) -> None:
    (changed / PACKAGE / MODEL).write_bytes(b"\xff")
    note = artifact(compare(tiny_bundle, changed), PACKAGE).note
    assert note is not None
    assert "is not a Core ML model" in note


def test_a_link_and_a_missing_file(tiny_bundle: Path, changed: Path) -> None:
    (changed / "NOTICE.txt").unlink()
    (changed / "llm" / "vocab.json").unlink()
    (changed / "llm" / "vocab.json").symlink_to("/dev/zero")
    found = compare(tiny_bundle, changed)
    assert [(change.path, change.kind) for change in found.files] == [
        ("NOTICE.txt", "removed"),
        ("llm/vocab.json", "changed"),
    ]


def test_a_giant_that_took_a_files_place_is_not_hashed(tiny_bundle: Path, changed: Path) -> None:
    (changed / "NOTICE.txt").unlink()
    with (changed / "NOTICE.txt").open("wb") as file:
        file.truncate(40 << 30)  # takes no room on the disk
    (change,) = compare(tiny_bundle, changed).files
    assert (change.path, change.new_size) == ("NOTICE.txt", 40 << 30)


def test_other_artifacts_are_compared_as_files(tiny_bundle: Path, tmp_path: Path) -> None:
    sides = [Path(shutil.copytree(tiny_bundle, tmp_path / name)) for name in ("one", "other")]
    for side in sides:
        shutil.rmtree(side / PACKAGE)
        (side / "connector.onnx").write_bytes(b"graph of " + side.name.encode())
        entry = {"kind": "onnx", "path": "connector.onnx", "operation_map": None}

        def replace(content: dict[str, Any], entry: dict[str, Any] = entry) -> None:
            content["components"]["mcp"]["artifacts"][0].update(entry)

        rewrite(side, replace)
        reseal(side)
    found = compare(sides[0], sides[1])
    assert [change.path for change in found.files] == ["connector.onnx"]
    assert "only the files" in (artifact(found, "connector.onnx").note or "")


def test_no_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        compare(tiny_bundle, tmp_path)


def test_recorded_figures(tiny_bundle: Path, changed: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(tiny_bundle, tmp_path / "old"))
    for side, figure in ((old, 1e-5), (changed, 2e-5)):
        (side / "parity.json").write_text(json.dumps({"mcp": {"relative_l2": figure}}))
        reseal(side)
    (field,) = compare(old, changed).fields
    assert field == difference_fields.ChangedField("parity.json.mcp.relative_l2", 1e-5, 2e-5)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], (0.0, 0.0, 0.0)),
        ([3.0, 4.0], [3.0, 0.0], (0.8, 4.0, 0.5)),
        ([0.0, 0.0], [1.0, 0.0], (None, 1.0, 0.5)),
        ([np.nan, 1.0], [np.nan, 1.0], (0.0, 0.0, 0.0)),
        ([np.inf, 1.0], [np.inf, 2.0], (1.0, 1.0, 0.5)),
        ([np.nan, 1.0], [2.0, 1.0], (None, None, 0.5)),
        ([np.inf, 1.0], [2.0, 1.0], (None, None, 0.5)),
    ],
)
def test_figures(old: list[float], new: list[float], expected: tuple[Any, ...]) -> None:
    found = difference_tensors.figures([(np.array(old), np.array(new))])
    assert (found.relative_l2, found.max_abs, found.changed) == expected


def test_figures_do_not_depend_on_the_pieces() -> None:
    random = np.random.default_rng(0)
    old, new = random.standard_normal((2, 1000)).astype(np.float32)
    whole = difference_tensors.figures([(old, new)])
    cut = difference_tensors.figures((old[i : i + 7], new[i : i + 7]) for i in range(0, 1000, 7))
    assert cut.max_abs == whole.max_abs
    assert cut.relative_l2 == pytest.approx(whole.relative_l2, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, ["a.c"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": 3}]}, ["a.0.b", "a.1.b"]),
        ({"a": {}}, {}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"skip": {"x": 1}}, {"skip": {"x": 2}}, []),
        ({"in": {"skip": 1, "b": 1}}, {"in": {"skip": 2, "b": 2}}, ["in.b"]),
    ],
)
def test_fields(old: Any, new: Any, paths: list[str]) -> None:
    found = difference_fields.compare(old, new, ("skip", "*.skip"))
    assert [field.path for field in found] == paths
