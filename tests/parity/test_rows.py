"""Every row of a report can fail: for each there is damage by which that very row does not hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobileo_export import assets, targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS, LAYOUTS
from mobileo_export.parity import compare, gates, metrics
from mobileo_export.parity.chain.compare import Trajectory, compare_trajectories, find_gate
from mobileo_export.parity.findings import Findings
from mobileo_export.parity.golden import bounds
from mobileo_export.parity.language_model import compare as language_model
from mobileo_export.parity.references import References
from mobileo_export.parity.report import write as report
from mobileo_export.parity.results import Comparison
from mobileo_export.runtimes import select
from tests.exports import Exports

Change = Callable[[np.ndarray], np.ndarray]
OUTPUTS = {
    "vision_encoder": ("image_features",),
    "mcp": ("conditioning",),
    "dit": ("velocity",),
    "vae_decoder": ("image",),
    "llm": ("stacked_hidden_states", "logits"),
}
SHAPES = {"sequence": (1, 9, 32), "image": (1, 4, 16, 16), "logits": (1, 64)}
BOUNDS = ("relative_l2", "psnr", "kl", "top1", "worst_cosine", "worst_token", "worst_slice")


def one_nan(values: np.ndarray) -> np.ndarray:
    damaged = values.copy()
    damaged.reshape(-1)[values.size // 2] = np.nan
    return damaged


def reversed_and_larger(values: np.ndarray) -> np.ndarray:
    return np.multiply(values, np.float32(-10))


def overflowing(values: np.ndarray) -> np.ndarray:
    """As large as float32 goes, so that what computes with it does not stay finite."""
    return np.multiply(np.sign(values), np.float32(3e38))


DAMAGE: tuple[Change, ...] = (one_nan, reversed_and_larger, overflowing)


def gate_name(gate: gates.Gate) -> str:
    parts = (gate.component, gate.precision, gate.runtime, gate.against, gate.output, gate.values)
    return "-".join(map(str, parts))


@pytest.mark.parametrize("gate", gates.GATES, ids=gate_name)
def test_every_bound_of_the_table_can_fail(gate: gates.Gate) -> None:
    """Of each output that the gate is for; and each of its bounds is a row of one of them."""
    reported = set()
    for name in (gate.output,) if gate.output else OUTPUTS[gate.component]:
        layout = LAYOUTS[name]
        reference = np.random.default_rng(5).standard_normal(SHAPES[layout], dtype=np.float32)
        clean = gates.apply(gate, metrics.compare(reference, reference, layout, gate.slice_floor))
        assert all(row.holds for row in clean)
        failed = set()
        for change in DAMAGE:
            measured = metrics.compare(reference, change(reference), layout, gate.slice_floor)
            failed |= {row.metric for row in gates.apply(gate, measured) if not row.holds}
        assert failed == {row.metric for row in clean}, name
        reported |= failed
    assert reported == {"finite", *(n for n in BOUNDS if getattr(gate, n) is not None)}


def test_a_bound_that_cannot_be_measured_does_not_hold() -> None:
    scores = np.random.default_rng(5).standard_normal((1, 64), dtype=np.float32)
    gate = replace(gates.find("mcp", "float32", "mil"), kl=1.0, top1=0.5)
    gate = replace(gate, worst_token=1.0, worst_cosine=0.5)
    said = gates.apply(gate, metrics.compare(scores, scores, "logits"))
    assert {row.metric for row in said if not row.holds} == {"worst_token", "worst_cosine"}
    tokens = scores.reshape(1, 8, 8)
    seen = gates.apply(gate, metrics.compare(tokens, tokens, "sequence"))
    assert {row.metric for row in seen if not row.holds} == {"kl", "top1"}


def test_a_divergence_that_is_not_a_number_is_not_none() -> None:
    scores = np.array([[1e308, -1e308, 0.0]])  # their differences are beyond float64
    gate = replace(gates.find("mcp", "float32", "mil"), kl=0.01)
    said = gates.apply(gate, metrics.compare(scores, -scores, "logits"))
    assert "kl" in {row.metric for row in said if not row.holds}


# -- whole reports -----------------------------------------------------------------------------


@dataclass
class Recorded:
    """A session that runs each case once, and afterwards gives the same outputs, changed."""

    session: Any
    change: list[Change]
    kept: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        if id(inputs) not in self.kept:
            self.kept[id(inputs)] = self.session.run(inputs)
        return {name: self.change[0](values) for name, values in self.kept[id(inputs)].items()}

    def close(self) -> None:
        """It is used again."""


Reports = tuple[Comparison, list[Comparison]]


def reports(bundle: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Reports:
    """The report of a bundle as it is, and one for each kind of damage to what it computes."""
    change: list[Change] = [lambda values: values]
    sessions: dict[tuple[Path, str], Recorded] = {}
    load_artifact, load = select.load_artifact, language_model.load

    def recorded(path: Path, kind: str, opened: Callable[[], Any]) -> Any:
        if (path, kind) not in sessions:
            sessions[path, kind] = Recorded(opened(), change)
        return sessions[path, kind]

    monkeypatch.setattr(compare, "with_stored", lambda result, *rest: result)
    monkeypatch.setattr(
        select,
        "load_artifact",
        lambda path, kind, units=None: recorded(
            path, kind, lambda: load_artifact(path, kind, units)
        ),
    )
    monkeypatch.setattr(
        language_model,
        "load",
        lambda folder, kind: (
            recorded(folder, kind, lambda: load(folder, kind))
            if kind == language_model.WIDE
            else load(folder, kind)
        ),
    )
    references = References(checkpoint, "released")

    def run() -> Comparison:
        return compare.compare_bundle(bundle, checkpoint, None, references=references)

    clean, damaged = run(), []
    for change[0] in DAMAGE:
        damaged.append(run())
    return clean, damaged


def rows(found: Comparison) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each row of a report by where it stands, and whether it holds."""
    for component in found.components:
        for case in component.cases:
            for output in case.outputs:
                for row in output.rows:
                    where = (gate_name(component.gate), case.name, output.name, row.metric)
                    yield where, row.holds


def accept(clean: Comparison, damaged: list[Comparison], metrics_: set[str]) -> None:
    assert clean.ok, clean.failures()
    stated = dict(rows(clean))
    assert {where[-1] for where in stated} == metrics_
    failed = {where for found in damaged for where, holds in rows(found) if not holds}
    assert stated.keys() - failed == set()


def test_every_row_of_a_report_can_fail(
    tiny_bundle: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, damaged = reports(tiny_bundle, checkpoint, monkeypatch)
    accept(clean, damaged, {"finite", "relative_l2", "worst_slice", "worst_token"})


def test_every_row_of_a_trained_language_model_can_fail(
    exported: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature = Checkpoint.open(assets.miniature())
    clean, damaged = reports(exported(miniature.path, "llm"), miniature, monkeypatch)
    named = {"finite", "relative_l2", "worst_slice", "kl", "top1", "worst_cosine"}
    accept(clean, damaged, named)
    assert clean.checkpoint == assets.MINIATURE
    report.write(Findings(clean), tmp_path / "report", {})
    for path in (tmp_path / "report").iterdir():  # read on other machines than this one
        assert str(Path(assets.__file__).parent) not in path.read_text()


# -- what else is reported ---------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("metric", ["psnr", "latent"])
def test_every_row_of_a_chain_can_fail(precision: str, metric: str) -> None:
    random = np.random.default_rng(3)
    latent, image = (random.standard_normal(s, np.float32) for s in ((1, 4, 8, 8), (1, 3, 16, 16)))
    whole = Trajectory({"conditional": latent[0]}, [999.0], [latent], [latent], image)
    part: dict[str, Any] = (
        {"image": reversed_and_larger(image)}
        if metric == "psnr"
        else {"latents": [reversed_and_larger(latent)]}
    )
    artifact = {"compute_precision": precision, "compute_units": "all"}
    gate = find_gate({"components": {"dit": {"artifacts": [artifact]}}}, "mil", None)
    clean, _ = compare_trajectories("prompt", 9, whole, whole, gate)
    assert [(row.metric, row.holds) for row in clean.rows] == [("psnr", True), ("latent", True)]
    found, _ = compare_trajectories("prompt", 9, whole, replace(whole, **part), gate)
    assert {row.metric for row in found.rows if not row.holds} == {metric}


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("target", ["ios", "jetson"])
def test_every_bound_of_a_trace_can_fail(target: str, precision: str) -> None:
    """By itself: with all others of its gate taken away."""
    artifact = {"target": target, "compute_precision": precision, "compute_units": "all"}
    held = {
        name: {"artifacts": [{**artifact, "kind": targets.form(spec, target).kind}]}
        for name, spec in COMPONENTS.items()
    }
    held["mcp"]["artifacts"][0]["compute_precision"] = "float32"
    if target == "ios":  # whatever the packages are
        held["llm"]["artifacts"][0]["compute_precision"] = "float16"
    table = bounds.table(held)
    assert {"logits", "exact", "noise", "images", "velocity"} <= table.keys()
    none = {**asdict(bounds.Bound()), "provisional": False}
    for name, entry in table.items():
        layout = entry["layout"]
        reference = np.random.default_rng(4).standard_normal(
            SHAPES[layout or "sequence"], dtype=np.float32
        )
        for executor in ("host", "device"):
            stated = entry[executor]
            assert bounds.problem(entry, executor, reference, reference) is None
            asked = {k for k, v in stated.items() if v is not None} - {"slice_floor", "provisional"}
            assert asked, name
            for bound in asked:
                alone = {**none, bound: stated[bound], "slice_floor": stated["slice_floor"]}
                wrong = bounds.problem(
                    {"layout": layout, executor: alone},
                    executor,
                    reference,
                    reversed_and_larger(reference),
                )
                assert wrong is not None, (name, executor, bound)


def test_a_bound_of_a_trace_is_the_gate_that_judges() -> None:
    """What an index does not ask for is no row, and no row that always holds."""
    entry = {"host": {**asdict(bounds.Bound(relative_l2=0.1)), "provisional": False}}
    gate = bounds.as_gate(entry, "host", "mcp", "mil")
    values = np.ones((1, 3, 4), np.float32)
    said = gates.apply(gate, metrics.compare(values, values, "sequence"))
    assert [row.metric for row in said] == ["finite", "relative_l2"]
    assert not any(math.isinf(row.limit) for row in said)
