from __future__ import annotations

import html
import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import select
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import compare, gates, results
from mobileo_export.parity.chain.results import ChainComparison, ChainGate, ChainResult, Seconds
from mobileo_export.parity.explain.explain import explain
from mobileo_export.parity.findings import Findings, find
from mobileo_export.parity.golden.record import record
from mobileo_export.parity.golden.replay import Check, Replay
from mobileo_export.parity.judge import judge
from mobileo_export.parity.mutations.base import Site
from mobileo_export.parity.mutations.results import (
    ComponentSuite,
    Missed,
    MutantResult,
    MutationSuite,
)
from mobileo_export.parity.report import write as report
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult, Control, Skip
from mobileo_export.runtimes import tf32

TOOLS = {"torch": "1.0 <b>"}
DRAWING = {"steps": 2, "guidance": 1.5, "seed": 0}
MISSED = Missed("prompt", "conditioning", "relative_l2", 1e-6, 3e-6, 4.0)
SLIPPED = MutantResult("drop a bias", "mcp", Site("op", "bias 3", "gate"), missed=MISSED)


def comparison(damage: float = 0.0) -> Comparison:
    reference = np.random.default_rng(0).standard_normal((1, 9, 16), dtype=np.float32)
    found = reference.copy()
    found[0, 4] += np.float32(damage)
    gate = gates.find("mcp", "float32", "mil")
    case = CaseResult("prompt", (judge(gate, "conditioning", reference, found),), 0.5, 0.25)
    result = ComponentResult(gate, "connector.mlpackage", (case,), (Control("other", True),))
    return Comparison("b", "c", "released", "mil", (result,), (Skip("llm", "no runtime"),))


def broken() -> Comparison:
    whole = comparison()
    (result,) = whole.components
    lost = CaseResult("ed\x00it", (), 0.1, None, "it \x1b[31mbroke\x07 <&>")
    bad = replace(result, cases=(*result.cases, lost), problem="does not load")
    return replace(whole, components=(bad,))


@pytest.mark.parametrize(
    "found", [comparison(), comparison(0.5), comparison(float("nan")), broken()]
)
def test_the_report_fits_its_schema(found: Comparison) -> None:
    text = json.dumps(results.as_json(found), allow_nan=False)
    jsonschema.Draft202012Validator.check_schema(results.schema())
    jsonschema.validate(json.loads(text), results.schema())


def test_the_schema_knows_every_field() -> None:
    document = results.as_json(comparison())
    del document["components"][0]["gate"]["psnr"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, results.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**results.as_json(comparison()), "new": 1}, results.schema())


def test_a_failure_names_component_case_output_and_bound() -> None:
    (first, *_) = comparison(0.5).failures()
    assert first.startswith("mcp, prompt, conditioning: relative_l2 is ")
    assert first.endswith("the gate is 3e-06")


def test_an_identical_output_has_no_finite_psnr() -> None:
    document = results.as_json(comparison())
    assert document["components"][0]["cases"][0]["outputs"][0]["metrics"]["psnr"] == "Infinity"
    assert document["ok"] is True


@pytest.mark.parametrize(("damage", "failures"), [(0.0, 0), (0.5, 1)])
def test_junit_counts(damage: float, failures: int) -> None:
    root = ElementTree.fromstring(report.as_junit(Findings(comparison(damage))))
    suite = root.find("testsuite[@name='mcp']")
    assert suite is not None
    assert suite.get("failures") == str(failures) == str(len(suite.findall(".//failure")))
    assert root.find("testsuite[@name='llm']/testcase/skipped") is not None


def test_junit_survives_what_xml_cannot_hold() -> None:
    root = ElementTree.fromstring(report.as_junit(Findings(broken())))
    messages = [failure.get("message") or "" for failure in root.iter("failure")]
    assert messages == ["does not load", "it \\x1b[31mbroke\\x07 <&>"]


def test_an_unnoticed_control_fails_the_comparison() -> None:
    whole = comparison()
    blind = replace(whole.components[0], controls=(Control("that timestep is another", False),))
    found = replace(whole, components=(blind,))
    assert not found.ok
    assert found.failures() == ["mcp: the gate would not notice that timestep is another"]
    assert "failure" in report.as_junit(Findings(found))


def test_all_files_are_written_or_left_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(Findings(comparison()), tmp_path / "a" / "b", TOOLS)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()}
    assert before.keys() == {report.REPORT, report.JUNIT, report.PAGE}
    real = Path.open

    def full(path: Path, mode: str = "r", **options: Any) -> Any:
        if report.JUNIT in path.name and "x" in mode:
            raise OSError(28, "No space left on device", str(path))
        return real(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=r"No space .*/a/b/junit\.xml'$"):
        report.write(Findings(comparison(0.5)), tmp_path / "a" / "b", TOOLS)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()} == before


def test_the_page_and_the_json_hold_the_same(tmp_path: Path) -> None:
    found = Findings(comparison(0.5))
    report.write(found, tmp_path, TOOLS)
    document = json.loads((tmp_path / report.REPORT).read_text())
    jsonschema.validate(document, results.schema())
    assert document["ok"] is found.ok is False
    page = (tmp_path / report.PAGE).read_text()
    for failure in document["failures"]:
        assert html.escape(failure) in page
    assert html.escape(TOOLS["torch"]) in page
    assert TOOLS["torch"] not in page


def test_the_page_names_what_compared(tmp_path: Path) -> None:
    found = replace(comparison(), runtime="coreml all, mlx")
    report.write(Findings(found), tmp_path, TOOLS, back="../index.html")
    page = (tmp_path / report.PAGE).read_text(encoding="utf-8")
    for library in ("torch", "mlx", "coremltools"):
        said = f"compared with {library}</dt><dd>{metadata.version(library)}</dd>"
        assert said in page, library
    assert "onnxruntime" not in page
    assert f"compared with system</dt><dd>{platform.system()} " in page
    assert 'href="../index.html"' in page


@pytest.mark.parametrize(
    ("date", "said"), [("1700000000", "2023-11-14 22:13 UTC"), ("today", "today"), ("", None)]
)
def test_date_and_commit_are_those_that_are_given(
    date: str, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
    monkeypatch.setenv("GITHUB_SHA", "abc123" if date else "")
    report.write(Findings(comparison()), tmp_path, TOOLS)
    page = (tmp_path / report.PAGE).read_text(encoding="utf-8")
    assert (f"of this comparison: date</dt><dd>{said}</dd>" in page) is (said is not None)
    assert ("of this comparison: commit</dt><dd>abc123</dd>" in page) is (said is not None)
    assert ("of this comparison" in page) is (said is not None)


def test_everything_found_decides(tmp_path: Path) -> None:
    """A chain, a trace or a mutant that fails is a failure, however well the components do."""
    gate = ChainGate("float32", "mil", 60.0, 2e-5, 1e-3)
    seconds = Seconds(0.0, 0.0, 0.0)
    drawn = ChainResult("prompt", 9, {}, (), None, (), seconds, None, "made no image")
    chain = ChainComparison(gate, DRAWING, (drawn,), {})
    skipped = ChainComparison(gate, DRAWING, (), {}, "the bundle has no dit")
    check = Check("noise", "is another")
    lost = Findings(comparison(), replay=Replay(comparison(), (check,)))
    suite = MutationSuite((ComponentSuite(gates.find("mcp", "float32", "mil"), (SLIPPED,), ()),))
    assert Findings(comparison()).ok
    assert Findings(comparison(), skipped).ok
    for found, name in (
        (Findings(comparison(), chain), "chain"),
        (lost, "golden trace"),
        (Findings(comparison(), mutations=suite), "mutations"),
    ):
        assert not found.ok
        assert found.failures()
        root = ElementTree.fromstring(report.as_junit(found))
        (failed,) = [s for s in root if s.get("failures") != "0"]
        assert failed.get("name") == name
        report.write(found, tmp_path, TOOLS)
        document = json.loads((tmp_path / report.REPORT).read_text())
        jsonschema.validate(document, results.schema())
        assert document["failures"] == found.failures()


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        report.write(Findings(comparison()), tmp_path / "file", TOOLS)


@pytest.mark.parametrize(("given", "on"), [(None, False), ("1", True), ("0", False)])
def test_what_mlx_was_told_is_said(
    given: str | None, on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tf32.VARIABLE, given or "")
    if given is None:
        monkeypatch.delenv(tf32.VARIABLE)
    tf32.off()
    plain = comparison()
    assert "mlx_tf32" not in results.as_json(plain)  # of MLX nothing ran
    gate = gates.find("mcp", "float32", "mlx float32", "stored weights")
    ran = tuple(replace(component, gate=gate) for component in plain.components)
    found = replace(plain, runtime="mlx", components=ran)
    document = results.as_json(found)
    jsonschema.validate(document, results.schema())
    assert document["mlx_tf32"] is on
    report.write(Findings(found), tmp_path, TOOLS)
    page = (tmp_path / report.PAGE).read_text(encoding="utf-8")
    assert f"compared with {tf32.VARIABLE}</dt><dd>{int(on)}</dd>" in page


@pytest.mark.parametrize("given", [None, "1"])
@pytest.mark.parametrize("name", ["verify", "compare", "explain", "record"])
def test_whoever_compares_takes_all_bits_of_products(
    name: str, given: str | None, tmp_path: Path, checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Before anything is opened, for MLX asks once a process; who set it is obeyed."""
    monkeypatch.setenv(tf32.VARIABLE, given or "")
    if given is None:
        monkeypatch.delenv(tf32.VARIABLE)
    (spec,) = select("mcp")
    calls: dict[str, Callable[[], object]] = {
        "verify": lambda: find(tmp_path, checkpoint),
        "compare": lambda: compare.begin_bundle(tmp_path, checkpoint),
        "explain": lambda: explain(tmp_path, checkpoint, spec),
        "record": lambda: record(tmp_path, checkpoint),
    }
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        calls[name]()
    assert os.environ[tf32.VARIABLE] == (given or "0")
