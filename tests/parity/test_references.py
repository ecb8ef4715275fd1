"""What the PyTorch side keeps: outputs always, modules only where they are small."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import CheckpointError
from mobileo_export.parity import references as module
from mobileo_export.parity.references import References
from mobileo_export.runtimes.torch_reference import TorchRuntime

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each component is built from now on."""
    times: Counter[str] = Counter()
    real = TorchRuntime.load_component

    def load(self: TorchRuntime, checkpoint: Any, component: str, weights: Any) -> Any:
        times[component] += 1
        return real(self, checkpoint, component, weights)

    monkeypatch.setattr(TorchRuntime, "load_component", load)
    return times


def test_a_small_reference_is_built_once(checkpoint: Checkpoint, built: Counter[str]) -> None:
    references = References(checkpoint, "released")
    (run, *_) = references.runs("mcp")
    for _ in range(2):
        session = references.open("mcp")
        again = session.run(run.case.inputs)
        np.testing.assert_array_equal(again["conditioning"], run.outputs["conditioning"])
        session.close()
    references.runs("llm")  # with the controls, which the projector has no need of
    assert built == {"vision_encoder": 1, "llm": 1, "mcp": 1}


def test_a_large_reference_is_let_go(
    checkpoint: Checkpoint, built: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 0)
    references = References(checkpoint, "released")
    session = references.open("mcp")
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.run({})
    references.open("mcp").close()
    assert built == {"mcp": 2}


def test_a_large_reference_that_is_expected_runs_all_its_cases_at_once(
    checkpoint: Checkpoint, built: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 0)
    references = References(checkpoint, "released")
    references.expect(["mcp", "llm"])
    references.runs("mcp")
    changed = [run for run in references.runs("llm") if run.case.changes is not None]
    assert changed
    assert built == {"vision_encoder": 1, "llm": 1, "mcp": 1}


def test_what_nobody_expects_is_not_run(checkpoint: Checkpoint) -> None:
    done: dict[str, int] = {}
    references = References(
        checkpoint, "released", lambda event: done.update({event.job: event.total})
    )
    references.runs("mcp")
    assert done["vision_encoder"] == 1  # the picture of an edit, of four


@pytest.mark.parametrize(
    ("component", "names", "ran"),
    [
        ("vae_decoder", None, {"llm": 1, "mcp": 1, "dit": 1, "vae_decoder": 3}),
        ("vae_decoder", ("smooth",), {"vae_decoder": 1}),
        ("dit", ("t=999, prompt",), {"llm": 1, "mcp": 1, "dit": 1}),
        ("mcp", ("unconditional",), {"llm": 1, "mcp": 1}),
        ("llm", ("prompt",), {"llm": 1}),
    ],
)
def test_what_no_case_is_made_from_is_not_built(
    checkpoint: Checkpoint,
    built: Counter[str],
    component: str,
    names: tuple[str, ...] | None,
    ran: dict[str, int],
) -> None:
    done: dict[str, int] = {}
    references = References(
        checkpoint, "released", lambda event: done.update({event.job: event.total})
    )
    references.runs(component, names)
    assert done == ran
    assert built.keys() == ran.keys()


def test_cases_made_a_few_at_a_time_are_those_made_at_once(checkpoint: Checkpoint) -> None:
    few, whole = (References(checkpoint, "released") for _ in range(2))
    few.runs("vae_decoder")
    (first,) = few.runs("dit", ("t=999, prompt",))
    names = [run.case.name for run in few.runs("dit")]
    assert names == [run.case.name for run in whole.runs("dit")]
    assert few.runs("dit")[0] is first
    for run, other in zip(few.runs("dit"), whole.runs("dit"), strict=True):
        found: Any = run.outputs["velocity"]
        np.testing.assert_allclose(found, np.asarray(other.outputs["velocity"]), atol=1e-5)


def test_a_reference_that_cannot_be_built_is_told(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise CheckpointError("gone")

    monkeypatch.setattr(TorchRuntime, "load_component", fail)
    with pytest.raises(CheckpointError, match="gone"):
        References(checkpoint, "released").open("mcp")
