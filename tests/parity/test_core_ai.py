"""Core AI bundles on Apple's runtime: as they are, with real damage, and as witnesses."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from torch.nn import functional

from mobileo_export.artifacts.aimodel import asset, program, wheels
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, select
from mobileo_export.errors import (
    BundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from mobileo_export.parity import gates, mutations, witness
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.parity.references import References
from mobileo_export.processes import extras
from mobileo_export.runtimes import registry
from mobileo_export.runtimes.mil.ops import normalization
from mobileo_export.runtimes.select import open_session

if TYPE_CHECKING:
    from tests.command import Command
    from tests.exports import Exports

pytest.importorskip("coreai_torch", reason="the coreai extra is not installed")
MCP = "connector.aimodel"


@pytest.fixture(scope="module")
def bundle(tiny_checkpoint: Path, exported: Exports) -> Path:
    """All five components; shared: copy it before changing it."""
    return exported(tiny_checkpoint, target="coreai")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


def changed(bundle: Path, copy: Path, change: Any) -> Path:
    """A copy of the bundle whose projector's program ``change`` has edited, hash and all."""
    shutil.copytree(bundle, copy)
    file = copy / MCP / asset.PROGRAM
    data = bytearray(file.read_bytes())
    change(data, program.read(copy / MCP))
    file.write_bytes(data)
    (copy / MCP / asset.HASH).write_bytes(hashlib.sha256(data).digest())
    return copy


def blob_of(checkpoint: Checkpoint, held: program.AssetProgram, name: str) -> Any:
    """Where a tensor of the checkpoint lies, and its values."""
    values = np.ascontiguousarray(checkpoint.read(name, "released"), np.float32)
    (found,) = (
        blob
        for blob in held.by_size[values.nbytes]
        if np.array_equal(held.values(blob), values.reshape(-1))
    )
    return found, values


def matrix(checkpoint: Checkpoint, last: str) -> str:
    return next(n for n in COMPONENTS["mcp"].tensors(checkpoint.model) if n.endswith(last))


def test_it_computes_what_its_checkpoint_computes(
    bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_bundle(bundle, checkpoint, select(None), references=references)
    assert found.ok, found.failures()
    assert found.runtime == "coreai"
    cases = {component.gate.component: len(component.cases) for component in found.components}
    assert cases == {"vision_encoder": 4, "mcp": 6, "dit": 7, "vae_decoder": 3, "llm": 4}
    noticed, total = found.controls()
    assert noticed == total > 100
    for component in found.components:
        assert component.stored is not None
        assert component.stored.compared == component.stored.equal > 20


def test_every_component_has_the_rows_of_the_evaluator() -> None:
    for name in COMPONENTS:
        row = gates.find(name, "float32", "coreai")
        other = gates.find(name, "float32", "onnxruntime")
        assert (row.relative_l2, row.worst_slice) == (other.relative_l2, other.worst_slice)
        assert not row.provisional


def test_the_manifest_says_what_a_phone_must_know(bundle: Path, checkpoint: Checkpoint) -> None:
    content = manifest.read(bundle)
    for name in ("mcp", "llm"):
        (artifact,) = content["components"][name]["artifacts"]
        assert (artifact["target"], artifact["kind"]) == ("coreai", "aimodel")
        assert artifact["options"]["minimum_os"] == "27.0"
        assert 0 < artifact["options"]["largest_allocation"] < 1 << 32
        assert artifact["operations"]["constant"] > 10
    (artifact,) = content["components"]["llm"]["artifacts"]
    assert [graph["name"] for graph in artifact["graphs"]] == ["embed", "projector", "main"]
    assert {graph["path"] for graph in artifact["graphs"]} == {"llm/model.aimodel"}
    stated = json.loads((bundle / MCP / asset.METADATA).read_text())
    assert "creationDate" not in stated
    assert stated["creatorDefinedMetadata"]["mobileo_export.component"] == "mcp"
    assert stated["license"]


def test_names_are_numbers(bundle: Path) -> None:
    """What the library leaves to chance is fixed: all else depends on the model alone."""
    data = (bundle / MCP / asset.PROGRAM).read_bytes()
    assert b"resource_0\0" in data
    assert re.search(rb"layer_norm_\d+\0", data)
    assert not re.search(rb"(?:layer_norm|hard_sigmoid)_[a-z]{8}\0|resource_\d{6}", data)


def test_steps_go_on_from_a_prompt(bundle: Path, references: References) -> None:
    """Over the end of a block of keys and values: a step says what reading all of it says."""
    with_steps = open_session(str(bundle), COMPONENTS["llm"])
    ids = np.random.default_rng(0).integers(0, 200, (1, 260), dtype=np.int32)
    logits: Any = with_steps.prefill(ids[:, :254])[1]  # type: ignore[attr-defined]
    for token in ids[0, 254:]:
        logits = with_steps.step(int(token))  # type: ignore[attr-defined]
    whole: Any = with_steps.run({"input_ids": ids})["logits"]
    with_steps.close()
    assert np.linalg.norm(logits - whole) < 1e-5 * np.linalg.norm(whole)


@pytest.mark.parametrize("what", ["value", "swap", "transpose", "bias"])
def test_a_changed_weight_is_caught_and_named(
    what: str, bundle: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    square = next(
        name
        for name, shape in COMPONENTS["mcp"].tensors(checkpoint.model).items()
        if name.endswith("pointwise.weight") and shape[0] == shape[1]
    )
    name = matrix(checkpoint, "input_compress.0.bias") if what == "bias" else square

    def change(data: bytearray, held: program.AssetProgram) -> None:
        place, values = blob_of(checkpoint, held, name)
        new = values.copy()
        if what == "value":
            new.reshape(-1)[7] *= -4
        elif what == "swap":
            new[[1, 2]] = values[[2, 1]]
        elif what == "transpose":
            new = values.swapaxes(0, 1)
        else:
            new[:] = 0
        data[place.offset : place.offset + place.size] = np.ascontiguousarray(new).tobytes()

    if what == "bias" and 4 * np.prod(COMPONENTS["mcp"].tensors(checkpoint.model)[name]) < 1024:
        pytest.skip("stands among the attributes")
    spoiled = changed(bundle, tmp_path / "bundle", change)
    found = compare_bundle(spoiled, checkpoint, select("mcp"), references=references)
    assert not found.ok
    stored = found.components[0].stored
    assert stored is not None
    assert any(name.removeprefix("model.diffusion_connector.") in line for line in stored.wrong)


def test_a_changed_epsilon_is_caught(
    bundle: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    def change(data: bytearray, held: program.AssetProgram) -> None:
        start, end = held.attributes.offset, held.attributes.offset + held.attributes.size
        old, new = struct.pack("<f", 1e-5), struct.pack("<f", 1e-2)
        part = bytes(data[start:end])
        assert old in part
        data[start:end] = part.replace(old, new)

    spoiled = changed(bundle, tmp_path / "bundle", change)
    found = compare_bundle(spoiled, checkpoint, select("mcp"), references=references)
    assert not found.ok
    assert all(case.problem is None for case in found.components[0].cases)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / asset.PROGRAM).write_bytes(b""), "is no Core AI program"),
        (lambda folder: (folder / asset.PROGRAM).unlink(), "no such file"),
        (lambda folder: (folder / asset.HASH).unlink(), "no such file"),
        (lambda folder: (folder / asset.METADATA).write_text("{"), "is not valid JSON"),
        (
            lambda folder: (folder / asset.PROGRAM).write_bytes(
                (folder / asset.PROGRAM).read_bytes()[:5000]
            ),
            "is not as it was written",
        ),
    ],
)
def test_a_damaged_asset_is_told_in_a_line(
    damage: Any, says: str, bundle: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    damage(copy / MCP)
    with pytest.raises(BundleError, match=says):
        open_session(str(copy), COMPONENTS["mcp"])


def test_a_program_of_nonsense_is_refused_as_it_is_read(tmp_path: Path) -> None:
    for content in (b"", b"ML\xefR", b"ML\xefR\x0dMLIR\0\x05\xff\xff\xff", bytes(100)):
        (tmp_path / asset.PROGRAM).write_bytes(content)
        with pytest.raises(BundleError, match="is no Core AI program"):
            program.read(tmp_path)


def test_another_version_of_the_wheels_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wheels.VERSIONS, wheels.CORE, "9.9")
    with pytest.raises(RuntimeUnavailableError, match=r"needs coreai-core 9\.9, and 1\.0\.0b3 is"):
        registry.check_available(["coreai"])
    with pytest.raises(MissingDependencyError, match=r"pip install '\.\[coreai\]'"):
        wheels.require("exporting for Core AI", wheels.VERSIONS)


def test_missing_wheels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(RuntimeUnavailableError, match=r"needs coreai-core: pip install '\.\[core"):
        registry.check_available(["coreai"])


@pytest.mark.parametrize(("option", "value"), [("--precision", "float16"), ("--compression", "w8")])
def test_half_precision_and_compressed_weights_are_refused(
    option: str, value: str, command: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    call = ("export", tiny_checkpoint, "-o", tmp_path / "b", "--target", "coreai", option, value)
    done = command(*call)
    assert done.code == 2
    assert option in done.error()
    assert "coreai" in done.error()


def side(name: str, shift: float, stored: str | None) -> witness.Side:
    values = np.linspace(1, 2, 24, dtype=np.float32).reshape(1, 4, 6) + np.float32(shift)
    gate = gates.find("mcp", "float32", "coreai") if name != witness.REFERENCE else None
    told = None if stored is None else lambda: stored
    return witness.Side(name, gate, {"prompt": {"conditioning": values}}, None, told)


@pytest.mark.parametrize(
    ("mil", "core", "onnx", "alone", "says"),
    [
        (0.1, 0.0, 0.0, "mil", "what executes it is wrong"),
        (0.0, 0.1, 0.0, "coreai", "what executes it is wrong"),
        (0.0, 0.0, 0.1, "onnxruntime", "cannot be looked into"),
        (0.1, 0.2, 0.0, None, "apart: PyTorch and mil, PyTorch and coreai"),
        (0.1, 0.1, 0.1, None, "apart"),
    ],
)
def test_who_stands_alone_is_named(
    mil: float, core: float, onnx: float, alone: str | None, says: str
) -> None:
    sides = (
        side(witness.REFERENCE, 0.0, None),
        side("mil", mil, ""),
        side("coreai", core, ""),
        side("onnxruntime", onnx, None),
    )
    found = witness.judged("mcp", sides)
    assert found.alone == alone
    assert found.verdict is not None
    assert says in found.verdict


def test_one_that_cannot_run_is_told() -> None:
    broken = witness.Side("mil", gates.find("mcp", "float32", "mil"), {}, "no such operation")
    found = witness.judged("mcp", (side(witness.REFERENCE, 0, None), broken))
    assert found.verdict == "mil: no such operation"


@pytest.fixture(scope="module")
def packages(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(tiny_checkpoint)


def test_witnesses_agree_on_every_component(
    bundle: Path, packages: Path, tiny_checkpoint: Path, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    call = ("witness", packages, bundle, "--checkpoint", tiny_checkpoint, "--page", page)
    done = command(*call, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    heard = {told["component"]: told for told in found["testimonies"]}
    assert list(heard) == list(COMPONENTS)
    assert heard.pop("llm")["sides"] == ["PyTorch", "coreai"]
    assert found["left_out"] == [f"llm: of {packages} computes with weights of its own, quantized"]
    for told in heard.values():
        assert told["sides"] == ["PyTorch", "mil", "coreai"]
        assert len(told["pairs"]) == 3
        assert all(pair["relative_l2"] < pair["bounds"][0] for pair in told["pairs"])
    assert "All agree" in page.read_text(encoding="utf-8")


def test_a_fault_of_the_evaluator_is_told_from_one_of_the_artifact(
    bundle: Path,
    packages: Path,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def heard(package: Path) -> witness.Testimony:
        found = witness.witness((package, bundle), checkpoint, select("mcp"))
        return found.testimonies[0]

    with monkeypatch.context() as patched:  # of the evaluator alone: PyTorch's own stays as it is
        wrong = SimpleNamespace(
            layer_norm=lambda x, sizes, gamma, beta, epsilon: functional.layer_norm(
                x, sizes, gamma, beta, epsilon + 1e-2
            )
        )
        patched.setattr(normalization, "functional", wrong)
        told = heard(packages)
    assert told.alone == "mil"
    assert told.verdict is not None
    assert "its artifact holds what the checkpoint says" in told.verdict
    copy = shutil.copytree(packages, tmp_path / "packages")
    package = copy / "connector.mlpackage"
    shutil.rmtree(package)
    swap = mutations.find("swap two channels")
    original = packages / package.name
    mutations.apply(swap, mutations.sites(swap, original)[0], original, package)
    told = heard(copy)
    assert told.alone == "mil"
    assert told.verdict is not None
    assert "its artifact is wrong: " in told.verdict


def test_what_cannot_be_heard_is_said(checkpoint: Checkpoint, exported: Exports) -> None:
    quantized = exported(checkpoint.path, "llm")
    with pytest.raises(UsageError, match="computes with weights of its own, quantized"):
        witness.witness((quantized,), checkpoint, select("llm"))
