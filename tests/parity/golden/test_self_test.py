"""``verify --replay --self-test``: the document that a phone writes too, of a replay here."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from mobileo_export.bench import machine, self_test
from mobileo_export.bench.results import read, self_test_schema
from mobileo_export.bundle import manifest, seal
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.golden import replay as replaying
from mobileo_export.parity.golden.replay import replay
from mobileo_export.parity.judge import judge
from mobileo_export.parity.results import Control, OutputResult
from mobileo_export.processes.host import Host

from .conftest import Index, calls, change_array, change_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.parity.gates import Gate
    from tests.command import Command


def test_the_document_has_every_bound(recorded: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "selftest.json"
    done = command("verify", recorded, "--replay", "--self-test", path, "-q")
    assert done.code == 0, done.err
    found = read(path).content
    jsonschema.validate(found, self_test_schema())
    comparison = replay(recorded).comparison
    rows = [(r.metric, r.limit) for c in comparison.components for k in c.cases
            for o in k.outputs for r in o.rows]  # fmt: skip
    assert [(row["metric"], row["bound"]) for c in found["components"] for row in c["rows"]] == rows
    assert found["passed"]
    assert found["first_divergence"] is None
    assert found["checks"]["failed"] == []
    assert found["bundle"]["manifest_sha256"] == seal.digest(recorded / manifest.MANIFEST)
    dit = next(c for c in found["components"] if c["name"] == "dit")
    assert (dit["runtime"], dit["gates"], dit["provisional"]) == ("mil", "host", False)
    assert {row["stage"] for c in found["components"] for row in c["rows"]} == {
        "vision_encoder",
        "mcp",
        "dit",
        "vae_decoder",
        "llm",
        "llm_step",
    }


def test_it_is_written_outside_the_bundle(recorded: Path, command: Command) -> None:
    done = command("verify", recorded, "--replay", "--self-test", recorded / "s.json")
    assert (done.code, done.out) == (2, "")
    assert "lies inside the bundle" in done.error()
    done = command("verify", recorded, "--replay", "--self-test", "s.txt")
    assert (done.code, done.error()) == (2, "s.txt: name a .json file")


def test_what_diverges_first_is_that_of_the_pipeline(
    copied: Path, index: Index, tmp_path: Path, command: Command
) -> None:
    def louder(values: NDArray[Any]) -> None:
        values *= 1.5

    for stage, output in (("mcp", "conditioning"), ("dit", "velocity")):
        entry = calls(index, "edit", stage)[0]["outputs"][output]["entry"]
        change_array(copied, index, entry, louder)
    path = tmp_path / "selftest.json"
    done = command("verify", copied, "--replay", "--self-test", path, "-q")
    assert done.code == 1
    found = read(path).content
    assert not found["passed"]
    first = found["first_divergence"]
    assert (first["component"], first["run"], first["step"]) == ("mcp", "edit", None)
    assert first["failure"] == next(line for line in found["failures"] if line.startswith("mcp"))
    failing = {c["name"] for c in found["components"] if not c["passed"]}
    assert failing == {"mcp", "dit"}


def test_what_cannot_be_measured_and_a_gate_that_sleeps_are_problems(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(content: Index) -> None:
        output = calls(content, "generate", "mcp")[0]["outputs"]["conditioning"]
        entry = content["entries"][output["entry"]]
        content["entries"].append(entry | {"shape": entry["shape"][::-1]})
        output["entry"] = len(content["entries"]) - 1

    change_index(copied, other)

    def asleep(gate: Gate, name: str, truth: Any, values: Any) -> OutputResult:
        found = judge(gate, name, truth, values)
        controls = tuple(Control(c.damage, False) for c in found.controls[:1])
        return OutputResult(found.name, found.metrics, found.rows, controls, found.problem)

    monkeypatch.setattr(replaying, "judge", asleep)
    found = self_test.document(copied, replay(copied, components=(COMPONENTS["mcp"],)))
    jsonschema.validate(found, self_test_schema())
    problems = found["components"][0]["problems"]
    assert "expected float32" in problems[0]["problem"]
    assert problems[0]["call"] == "generate, conditional"
    assert problems[1]["problem"].startswith("the gate would not notice ")
    assert problems[1]["output"] == "conditioning"
    assert not found["components"][0]["passed"]


@pytest.mark.parametrize(
    ("system", "said", "model"),
    [("Darwin", "Mac14,9\n", "Mac14,9"), ("Darwin", None, None), ("Linux", "x", None)],
)
def test_a_mac_tells_its_model(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    system: str,
    said: str | None,
    model: str | None,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    found = machine.identity(Host(tmp_path, lambda words: said))
    assert found["model"] == model
    assert found["system"]
