"""Replaying: whole when nothing is wrong, and the name of the call when something is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.golden import stages
from mobileo_export.parity.golden.replay import Replay, replay
from mobileo_export.runtimes import tf32

from ...command import Command
from ...hub_cache import relay
from ..conftest import damage_weight
from ..test_compare import MCP, swap_channels
from .conftest import Index, calls, change_array, change_index


def run(bundle: Path, *components: str, runtime: str = "mlx-dequantized") -> Replay:
    """Replay with the exact runtimes, so that the close gates apply."""
    chosen = [COMPONENTS[name] for name in components]
    exact = runtime if not components or "llm" in components else "mil"
    return replay(bundle, exact, components=chosen)


def test_everything_replays_within_its_gate(recorded: Path, index: Index) -> None:
    found = replay(recorded, "mlx-dequantized")
    assert found.failures() == []
    assert found.ok
    ran = sum(len(component.cases) for component in found.comparison.components)
    named = [c for run_ in index["runs"] for c in run_["calls"]]
    weighty = [c for c in named if stages.STAGES[c["stage"]].component]
    assert ran == len(weighty) > 30
    parts = sum(len(cases) for cases in index["parts"].values())
    answers = sum(run_["answer"] is not None for run_ in index["runs"])
    assert len(found.checks) == len(named) - len(weighty) + parts + answers
    noticed, total = found.comparison.controls()
    assert noticed == total > 100
    json.dumps(found.as_json(), allow_nan=False)


def test_a_bundle_in_the_cache_of_a_hub_replays(recorded: Path, tmp_path: Path) -> None:
    found = run(relay(recorded, tmp_path / "hub"), "mcp", "llm")
    assert found.failures() == []
    assert found.ok


def test_a_device_has_its_own_gates(recorded: Path) -> None:
    found = run(recorded, "llm", runtime="mlx")
    assert found.ok, found.failures()
    (component,) = found.comparison.components
    assert component.gate.runtime == "mlx"
    rows = [r for case in component.cases for output in case.outputs for r in output.rows]
    assert any(row.metric == "relative_l2" and row.value > 1e-4 for row in rows)  # half precision


def test_a_changed_output_fails_and_names_its_call(copied: Path, index: Index) -> None:
    call = calls(index, "edit", "mcp")[1]
    assert call["branch"] == "unconditional"
    entry = call["outputs"]["conditioning"]["entry"]

    def nudge(values: np.ndarray) -> None:
        values[1000] += np.float32(0.01 * np.abs(values).max())

    change_array(copied, index, entry, nudge)
    failures = run(copied, "mcp").failures()
    assert failures
    assert all(f.startswith("mcp, edit, unconditional, conditioning: ") for f in failures)


def test_swapped_branches_are_noticed(copied: Path) -> None:
    def swap(index: Index) -> None:
        first, second = calls(index, "generate", "mcp")
        first["outputs"], second["outputs"] = second["outputs"], first["outputs"]

    change_index(copied, swap)
    failures = run(copied, "mcp").failures()
    named = {failure.split(", conditioning")[0] for failure in failures}
    assert named == {"mcp, generate, conditional", "mcp, generate, unconditional"}


@pytest.mark.parametrize(
    ("run_name", "stage", "output", "expected"),
    [
        ("edit", "preprocess", "images", "edit, preprocess: images: largest difference"),
        ("edit", "projector", "projected_features", "edit, projector: projected_features: "),
        ("generate", "noise", "latent", "generate, noise: latent: largest difference"),
        ("generate", "tokens", "input_ids", "generate, tokens: input_ids: 1 of"),
        ("chat 2", "sample", "token_id", "chat 2, step 0, sample: token_id: 1 of 1 values differ"),
        ("edit", "solver", "next_latent", "edit, step 0, solver: next_latent: "),
        ("generate", "guidance", "velocity", "generate, step 0, guidance: velocity: "),
        ("generate", "pixels", "pixels", "generate, pixels: pixels: 1 of"),
    ],
)
def test_what_lies_between_components_is_checked(
    copied: Path, index: Index, run_name: str, stage: str, output: str, expected: str
) -> None:
    entry = calls(index, run_name, stage)[0]["outputs"][output]["entry"]

    def nudge(values: np.ndarray) -> None:
        stored = index["entries"][entry]["storage"]
        integer = values.dtype == np.int32 or stored == "scaled_uint8"
        values[0] = values[0] + 1 if integer or values.dtype == np.uint8 else values[0] + 0.02

    change_array(copied, index, entry, nudge)
    failures = run(copied).failures()
    assert any(failure.startswith(expected) for failure in failures), failures


def test_every_step_between_components_can_fail(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(recorded)
    made = stages.Replayer.__call__

    def another(replayer: stages.Replayer, *call: Any) -> dict[str, Any]:
        found: dict[str, Any] = dict(made(replayer, *call))
        return {name: values + values.dtype.type(1) for name, values in found.items()}

    monkeypatch.setattr(stages.Replayer, "__call__", another)
    steps = {
        check.name for check in whole.checks if check.name.rpartition(", ")[2] in stages.STAGES
    }
    assert {name.rpartition(", ")[2] for name in steps} == {
        name for name, stage in stages.STAGES.items() if stage.component is None
    }
    assert {check.name for check in run(recorded).checks if check.problem is not None} == steps


def test_small_parts_are_checked(copied: Path) -> None:
    def change(index: Index) -> None:
        parts = index["parts"]
        parts["tokenizer"][3]["ids"].append(1)
        parts["prompts"][0]["ids"][5] += 1
        parts["schedules"][2]["timesteps"][1] += 1
        parts["schedules"][3]["sigmas"][1] += 1e-4
        parts["solvers"][2]["latents"][1][0] += 1e-3
        parts["noise"][3]["first"][60] += 1e-4
        parts["noise"][0]["sha256"] = "0" * 64
        parts["uniform"][1]["first"][7] += 1e-4
        parts["sampling"][9]["token_id"] ^= 1
        index["runs"][-1]["answer"]["text"] += "."

    change_index(copied, change)
    failures = run(copied).failures()
    assert [failure.split(": ") for failure in failures] == [
        ["chat 2, answer", "its text is another"],
        ["tokenizer 3", "ids is another than recorded"],
        ["prompts 0", "ids is another than recorded"],
        ["schedules 2", "timesteps is another than recorded"],
        ["schedules 3", "sigmas is another than recorded"],
        ["solvers 2", "latents is another than recorded"],
        ["noise 0", "sha256 is another than recorded"],
        ["noise 3", "first is another than recorded"],
        ["uniform 1", "first is another than recorded"],
        ["sampling 9", "token_id is another than recorded"],
    ]


def test_a_damaged_package_fails_by_name(
    copied: Path, tiny_checkpoint: Path, command: Command
) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    tensor = MCP + "output_proj.0.weight"
    damage_weight(copied, "connector.mlpackage", checkpoint, tensor, swap_channels)
    assert command("verify", copied).code == 0  # the seal is whole
    finished = command("verify", copied, "--replay", "--component", "mcp", "--json")
    assert finished.code == 1
    failures = json.loads(finished.out)["replay"]["failures"]
    assert failures
    assert all(failure.startswith("mcp, ") for failure in failures)


def test_a_call_that_does_not_fit_the_artifact_is_a_finding(copied: Path) -> None:
    def exchange(index: Index) -> None:
        call = calls(index, "generate", "mcp")[0]
        call["inputs"]["stacked_hidden_states"] = calls(index, "generate", "tokens")[0]["outputs"][
            "input_ids"
        ]["entry"]

    change_index(copied, exchange)
    (failure,) = run(copied, "mcp").failures()
    assert failure.startswith("mcp, generate, conditional: ")


def test_the_command_shows_what_it_replayed(recorded: Path, command: Command) -> None:
    call = ("verify", recorded, "--replay", "--only", "mcp", "-q")
    finished = command(*call, "--verbose")
    assert finished.code == 0, finished.err
    assert "generate, unconditional" in finished.out
    assert "steps and small parts between them" in finished.out
    short = command(*call).out
    assert "generate, unconditional" not in short
    assert short.splitlines()[-1] == f"The replay holds: {recorded} computes what was recorded."


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--checkpoint", "x"), "--replay takes all it needs"),
        (("--report", "x"), "--replay takes all it needs"),
        (("--component", "nose"), "unknown component 'nose'"),
    ],
)
def test_options_that_do_not_go_together(
    recorded: Path, command: Command, options: tuple[str, ...], expected: str
) -> None:
    finished = command("verify", recorded, "--replay", *options)
    assert finished.code == 2
    assert expected in finished.error()


def test_a_bundle_without_a_trace(tiny_bundle: Path, command: Command) -> None:
    finished = command("verify", tiny_bundle, "--replay", "-q")
    assert finished.code == 2
    assert "holds no golden trace" in finished.error()


@pytest.mark.parametrize("given", [None, "1"])
def test_a_replay_takes_all_bits_of_products(
    given: str | None, tiny_bundle: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is opened, for MLX asks once a process; who set it is obeyed."""
    monkeypatch.setenv(tf32.VARIABLE, given or "")
    if given is None:
        monkeypatch.delenv(tf32.VARIABLE)
    assert "holds no golden trace" in command("verify", tiny_bundle, "--replay", "-q").error()
    assert os.environ[tf32.VARIABLE] == (given or "0")
