"""From hidden states to a picture on both sides: what holds, what is noticed, what is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity.cases import SHORT
from mobileo_export.parity.chain.compare import (
    Trajectory,
    compare_chain,
    compare_trajectories,
    find_gate,
    trace,
)
from mobileo_export.parity.chain.results import ChainComparison, as_json
from mobileo_export.parity.mutations import sessions
from mobileo_export.parity.mutations.base import Use
from mobileo_export.parity.references import References
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from mobileo_export.progress import Progress
from tests.parity import wrong_use

STEPS = 6
Compare = Callable[..., ChainComparison]


@pytest.fixture(scope="module")
def references(checkpoint: Checkpoint) -> References:
    return References(checkpoint, "released")


@pytest.fixture(scope="module")
def truth(checkpoint: Checkpoint, references: References) -> dict[str, Trajectory]:
    """The reference's side of a short chain, drawn once for every mutation."""
    model = open_model(str(checkpoint.path), "torch", keep=True)
    states: Any = {
        run.case.name: run.outputs["stacked_hidden_states"]
        for run in references.runs("llm", (SHORT,))
    }
    return trace(model, states, Drawing.of(model.recipe, STEPS), "torch")


@pytest.fixture(scope="module")
def compare(
    tiny_bundle: Path,
    checkpoint: Checkpoint,
    references: References,
    truth: dict[str, Trajectory],
) -> Compare:
    """The short chain; only the artifacts' side is drawn anew."""

    def run(**options: Any) -> ChainComparison:
        given = {"steps": STEPS, "reference_trajectories": truth, **options}
        return compare_chain(
            tiny_bundle, checkpoint, "mil", chains=(SHORT,), references=references, **given
        )

    return run


def around(component: str, change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, session: change(session) if name == component else session


def used(component: str, use: Use) -> Callable[[str, Any], Any]:
    return around(component, lambda session: sessions.WronglyUsed(session, use))


@dataclass
class Returns:
    """A session whose outputs are changed, and that counts how many of its kind are open."""

    session: Any
    change: Callable[[np.ndarray], np.ndarray] = lambda array: array
    opened: list[int] = field(default_factory=list)

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.change(array) for name, array in self.session.run(inputs).items()}

    def close(self) -> None:
        self.opened.append(-1)
        self.session.close()


def test_an_export_draws_what_its_checkpoint_draws(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    events: list[Progress] = []
    found = compare_chain(
        tiny_bundle, checkpoint, "mil", references=references, progress=events.append
    )
    assert found.failures() == []
    assert found.ok
    assert [chain.name for chain in found.chains] == ["prompt", "edit"]
    for chain in found.chains:
        assert [step.index for step in chain.steps] == list(range(20))
        assert chain.steps[0].timestep == 999
        assert [row.metric for row in chain.rows] == ["psnr", "latent"]
        assert chain.image is not None
        assert chain.image.psnr > 100  # the floor is 126 dB
        assert 0 < chain.steps[-1].latent.relative_l2 < 6e-6
        assert chain.image.worst_patch is not None
        assert chain.image.pixels.total == 64 * 64
        assert chain.artifact_seconds is not None
        assert chain.artifact_seconds.dit > 0
        pictures = found.pictures[chain.name]
        assert pictures.reference.shape == pictures.difference.shape == (64, 64, 3)
        assert pictures.difference.max() > 25  # amplified until it is seen
    assert found.chains[0].tokens != found.chains[1].tokens
    for side in ("torch", "mil"):
        done = [event.done for event in events if event.stage == side]
        assert done == list(range(45))  # two chains of twenty steps, a projector and a decoder
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["ok"] is True


MUTATIONS = {
    "one buffer for both branches": around("dit", wrong_use.one_buffer),
    "branches aliased": wrong_use.around_velocity(wrong_use.alias_branches),
    "hidden states padded to 77": used("mcp", sessions.zero_padded),
    "conditioning padded to 77": used("dit", sessions.padded_prompt),
    "timestep off by one": used("dit", sessions.next_timestep),
    "timestep off by one, as a velocity": wrong_use.around_velocity(wrong_use.shift_timestep),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_wrong_use_of_sound_artifacts_is_noticed(mutation: str, compare: Compare) -> None:
    found = compare(wrap=MUTATIONS[mutation])
    assert not found.ok
    failed = {row.metric for row in found.chains[0].rows if not row.holds}
    assert failed == {"psnr", "latent"}
    assert found.failures()[0].startswith(f"chain, {SHORT}: psnr is ")


def test_sound_artifacts_pass_through_the_same_hooks(compare: Compare) -> None:
    assert compare(wrap=wrong_use.around_velocity(lambda velocity: velocity)).ok


def test_a_timestep_that_was_not_truncated_is_noticed_by_the_latent(compare: Compare) -> None:
    found = compare(wrap=wrong_use.around_velocity(lambda v: wrong_use.shift_timestep(v, 0.01)))
    (row,) = (row for row in found.chains[0].rows if row.metric == "latent")
    assert not row.holds


def test_a_buffer_that_is_used_again_changes_nothing_that_was_kept(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References
) -> None:
    for wrap in (around("dit", wrong_use.one_buffer), around("vae_decoder", wrong_use.one_buffer)):
        found = compare_chain(
            tiny_bundle,
            checkpoint,
            "mil",
            steps=2,
            guidance=1.0,
            chains=(SHORT, "edit"),
            references=references,
            wrap=wrap,
        )
        assert found.ok
        assert list(found.chains[0].conditioning) == ["conditional"]
        kept = [step.velocity.relative_l2 for chain in found.chains for step in chain.steps]
        assert max(kept) < 2e-5


def test_a_value_that_is_not_finite_fails_and_stays_json(compare: Compare) -> None:
    def spoil(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.reshape(-1)[0] = np.nan
        return array

    found = compare(wrap=around("dit", lambda session: Returns(session, spoil)))
    assert not found.ok
    document = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert document["chains"][0]["image"]["psnr"] == "-Infinity"
    assert document["chains"][0]["steps"][0]["velocity"]["relative_l2"] == "Infinity"
    assert len(document["failures"]) == 2


def test_an_artifact_that_cannot_run_is_a_finding(compare: Compare) -> None:
    def broken(name: str, session: Any) -> Any:
        if name == "dit":
            raise BundleError("transformer.mlpackage: is damaged")
        return session

    found = compare(wrap=broken)
    assert found.failures() == [f"chain, {SHORT}: transformer.mlpackage: is damaged"]
    assert not found.ok
    assert found.chains[0].artifact_seconds is None


def test_an_image_of_another_size_is_a_finding(compare: Compare) -> None:
    half = around("vae_decoder", lambda session: Returns(session, lambda a: a[..., ::2, ::2]))
    (chain,) = compare(wrap=half).chains
    assert chain.problem == "image is [1, 3, 32, 32], expected [1, 3, 64, 64]"
    assert not chain.ok


def test_one_component_is_in_memory_at_a_time(compare: Compare) -> None:
    opened: list[int] = []

    def counted(name: str, session: Any) -> Any:
        opened.append(1)
        return Returns(session, opened=opened)

    assert compare(wrap=counted).ok
    assert opened == [1, -1] * 3


def test_a_bundle_without_a_decoder_is_skipped_and_no_pass(
    sealed: Path, checkpoint: Checkpoint, references: References
) -> None:
    found = compare_chain(sealed, checkpoint, "mil", references=references)
    assert found.skipped == "the bundle has no vae_decoder"
    assert not found.ok
    assert found.failures() == []


def test_another_recipe_is_named(
    tiny_bundle: Path, checkpoint: Checkpoint, references: References, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    path = copy / manifest.MANIFEST
    content = json.loads(path.read_text())
    content["recipe"]["sampling"]["flow_shift"] = 1.5
    path.write_text(json.dumps(content))
    found = compare_chain(copy, checkpoint, "mil", steps=1, chains=(SHORT,), references=references)
    assert "sampling.flow_shift 1.5" in (found.chains[0].problem or "")
    assert not found.ok


def test_options_that_do_not_go_together_are_refused(compare: Compare) -> None:
    with pytest.raises(UsageError, match="0 steps"):
        compare(steps=0)
    with pytest.raises(UsageError, match="goes with --runtime coreml"):
        compare(compute_units="all")


def test_half_precision_has_its_own_gate() -> None:
    def content(precision: str) -> dict[str, Any]:
        artifacts = [{"compute_precision": precision, "compute_units": "cpu_and_gpu"}]
        exact = [{**artifacts[0], "compute_precision": "float32"}]
        parts = {"mcp": exact, "dit": artifacts, "vae_decoder": exact}
        return {"components": {name: {"artifacts": found} for name, found in parts.items()}}

    whole, half = (find_gate(content(p), "mil", None) for p in ("float32", "float16"))
    assert (whole.psnr, half.psnr) == (60.0, 50.0)
    assert half.precision == "float16"
    assert not whole.provisional
    device = find_gate(content("float32"), "coreml", None)
    assert device.provisional
    assert device.runtime == "coreml cpu_and_gpu"


def test_equal_sides_have_no_difference_to_amplify(truth: dict[str, Trajectory]) -> None:
    gate = find_gate({"components": {}}, "mil", None)
    result, pictures = compare_trajectories(SHORT, 8, truth[SHORT], truth[SHORT], gate)
    assert result.ok
    assert result.image is not None
    assert (result.image.psnr, result.image.amplified) == (float("inf"), 0.0)
    assert pictures is not None
    assert not pictures.difference.any()
