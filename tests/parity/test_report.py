from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest

from mobileo_export.errors import UsageError
from mobileo_export.parity import gates, report
from mobileo_export.parity.compare import judge
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult, Control, Skip


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
    text = json.dumps(report.as_json(found), allow_nan=False)
    jsonschema.Draft202012Validator.check_schema(report.schema())
    jsonschema.validate(json.loads(text), report.schema())


def test_the_schema_knows_every_field() -> None:
    document = report.as_json(comparison())
    del document["components"][0]["gate"]["psnr"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, report.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report.as_json(comparison()), "new": 1}, report.schema())


def test_a_failure_names_component_case_output_and_bound() -> None:
    (first, *_) = comparison(0.5).failures()
    assert first.startswith("mcp, prompt, conditioning: relative_l2 is ")
    assert first.endswith("the gate is 3e-06")


def test_an_identical_output_has_no_finite_psnr() -> None:
    document = report.as_json(comparison())
    assert document["components"][0]["cases"][0]["outputs"][0]["metrics"]["psnr"] == "Infinity"
    assert document["ok"] is True


@pytest.mark.parametrize(("damage", "failures"), [(0.0, 0), (0.5, 1)])
def test_junit_counts(damage: float, failures: int) -> None:
    root = ElementTree.fromstring(report.as_junit(comparison(damage)))
    suite = root.find("testsuite[@name='mcp']")
    assert suite is not None
    assert suite.get("failures") == str(failures) == str(len(suite.findall(".//failure")))
    assert root.find("testsuite[@name='llm']/testcase/skipped") is not None


def test_junit_survives_what_xml_cannot_hold() -> None:
    root = ElementTree.fromstring(report.as_junit(broken()))
    messages = [failure.get("message") or "" for failure in root.iter("failure")]
    assert messages == ["does not load", "it \\x1b[31mbroke\\x07 <&>"]


def test_an_unnoticed_control_fails_the_comparison() -> None:
    whole = comparison()
    blind = replace(whole.components[0], controls=(Control("that timestep is another", False),))
    found = replace(whole, components=(blind,))
    assert not found.ok
    assert found.failures() == ["mcp: the gate would not notice that timestep is another"]
    assert "failure" in report.as_junit(found)


def test_both_files_are_written_or_left_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.write(comparison(), tmp_path / "a" / "b")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()}
    assert before.keys() == {report.REPORT, report.JUNIT}
    real = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if report.JUNIT in path.name:
            raise OSError(28, "No space left on device", str(path))
        return real(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        report.write(comparison(0.5), tmp_path / "a" / "b")
    assert {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()} == before


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        report.write(comparison(), tmp_path / "file")
