"""Core AI bundles on Apple's runtime: as they are, and with real damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.components import COMPONENTS, select
from mobileo_export.parity import gates
from mobileo_export.parity.compare import compare_bundle
from mobileo_export.parity.references import References
from mobileo_export.runtimes.select import open_session
from tests.parity.asset_edits import changed, other_epsilon

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.artifacts.aimodel import program
    from mobileo_export.checkpoint.folder import Checkpoint


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


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
    tiny_core_ai: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_bundle(tiny_core_ai, checkpoint, select(None), references=references)
    assert found.ok, found.failures()
    assert found.runtime == "coreai"
    cases = {component.gate.component: len(component.cases) for component in found.components}
    assert cases == {"vision_encoder": 4, "mcp": 6, "dit": 7, "vae_decoder": 3, "llm": 4}
    noticed, total = found.controls()
    assert noticed == total > 100
    for component in found.components:
        assert component.stored is not None
        assert component.stored.compared == component.stored.equal > 20
        assert component.stored.settings == component.stored.settings_equal > 0


def test_every_component_has_the_rows_of_the_evaluator() -> None:
    for name in COMPONENTS:
        row = gates.find(name, "float32", "coreai")
        other = gates.find(name, "float32", "onnxruntime")
        assert (row.relative_l2, row.worst_slice) == (other.relative_l2, other.worst_slice)
        assert not row.provisional


def test_steps_go_on_from_a_prompt(tiny_core_ai: Path, references: References) -> None:
    """Over the end of a block of keys and values: a step says what reading all of it says."""
    with_steps = open_session(str(tiny_core_ai), COMPONENTS["llm"])
    ids = np.random.default_rng(0).integers(0, 200, (1, 260), dtype=np.int32)
    logits: Any = with_steps.prefill(ids[:, :254])[1]  # type: ignore[attr-defined]
    for token in ids[0, 254:]:
        logits = with_steps.step(int(token))  # type: ignore[attr-defined]
    whole: Any = with_steps.run({"input_ids": ids})["logits"]
    with_steps.close()
    assert np.linalg.norm(logits - whole) < 1e-5 * np.linalg.norm(whole)


@pytest.mark.parametrize("what", ["value", "swap", "transpose", "bias"])
def test_a_changed_weight_is_caught_and_named(
    what: str, tiny_core_ai: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
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
    spoiled = changed(tiny_core_ai, tmp_path / "bundle", change)
    found = compare_bundle(spoiled, checkpoint, select("mcp"), references=references)
    assert not found.ok
    stored = found.components[0].stored
    assert stored is not None
    assert any(name.removeprefix("model.diffusion_connector.") in line for line in stored.wrong)


def test_a_changed_epsilon_is_caught_and_named(
    tiny_core_ai: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    spoiled = changed(tiny_core_ai, tmp_path / "bundle", other_epsilon)
    found = compare_bundle(spoiled, checkpoint, select("mcp"), references=references)
    assert not found.ok
    assert all(case.problem is None for case in found.components[0].cases)
    stored = found.components[0].stored
    assert stored is not None
    assert stored.settings - stored.settings_equal == 1
    assert "no norm has its epsilon, 1e-05" in stored.wrong[0]
