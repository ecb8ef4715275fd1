"""What was found, as JSON, as JUnit XML for CI, as a page to look at, and as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mobileo_export import whole_file
from mobileo_export.errors import UsageError, printable
from mobileo_export.html import origin
from mobileo_export.parity.results import as_json, output_failures

if TYPE_CHECKING:
    from mobileo_export.parity.findings import Findings
    from mobileo_export.parity.results import CaseResult, Comparison, OutputResult

REPORT, JUNIT, PAGE = "report.json", "junit.xml", "report.html"
COLUMNS = ("component", "case", "output", "relative L2", "worst slice", "PSNR", "gate", "ok")


def findings_json(findings: Findings) -> dict[str, Any]:
    """:func:`as_json` of the comparison, with what else was found beside it."""
    from mobileo_export.parity import mutations
    from mobileo_export.parity.chain import results

    return {
        **as_json(findings.comparison),
        "ok": findings.ok,
        "failures": findings.failures(),
        "chain": findings.chain and results.as_json(findings.chain),
        "replay": findings.replay and findings.replay.as_json(),
        "mutations": findings.mutations and mutations.as_json(findings.mutations),
    }


def as_junit(findings: Findings) -> str:
    """The findings as JUnit XML: a suite a component, a test case an output of a case."""
    comparison = findings.comparison
    root = ElementTree.Element("testsuites", name="mobileo-export verify")
    if comparison.unsealed:
        with _suite(root, "seal") as suite:
            for line in comparison.unsealed:
                _test(suite, "seal", line, 0.0, [line])
    for component in comparison.components:
        name = component.gate.component
        with _suite(root, name) as suite:
            if component.problem is not None:
                _test(suite, name, component.path, 0.0, [component.problem])
            for control in component.controls:
                problems = [] if control.noticed else ["the gate would not notice it"]
                _test(suite, name, f"control: {control.damage}", 0.0, problems)
            for case in component.cases:
                seconds = case.reference_seconds + (case.artifact_seconds or 0.0)
                for check, problems in _checks(case):
                    _test(suite, name, check, seconds, problems)
    for skip in comparison.skipped:
        _skipped(root, skip.component, skip.reason)
    _other_suites(root, findings)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _other_suites(root: ElementTree.Element, findings: Findings) -> None:
    """The chain, the golden trace and the mutants, as far as they were looked at."""
    if findings.chain is not None and findings.chain.skipped is not None:
        _skipped(root, "chain", findings.chain.skipped)
    elif findings.chain is not None:
        failures = findings.chain.failures()
        with _suite(root, "chain") as suite:
            for chain in findings.chain.chains:
                problems = [line for line in failures if line.startswith(f"chain, {chain.name}: ")]
                _test(suite, "chain", chain.name, 0.0, problems)
    if findings.replay is not None:
        with _suite(root, "golden trace") as suite:
            _test(suite, "golden trace", "replay", 0.0, findings.replay.failures())
    if findings.mutations is not None:
        with _suite(root, "mutations") as suite:
            for mutant in findings.mutations.mutants:
                problems = [str(mutant)] if mutant.verdict == "slipped" else []
                _test(suite, f"mutations.{mutant.component}", str(mutant), 0.0, problems)


@contextmanager
def _suite(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """A suite for the tests of the block, which are counted at its end."""
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    yield suite
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))


def _skipped(root: ElementTree.Element, name: str, reason: str) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=name, tests="1", failures="0")
    suite.set("skipped", "1")
    test = ElementTree.SubElement(suite, "testcase", classname=name, name=name)
    ElementTree.SubElement(test, "skipped", message=reason)


def write(
    findings: Findings, folder: Path, tools: Mapping[str, str], *, back: str | None = None
) -> tuple[Path, ...]:
    """Write ``report.json``, ``junit.xml`` and ``report.html``, each whole or not at all.

    Args:
        findings: what was found.
        folder: where to; made when it is absent.
        tools: versions by name, for the page.
        back: see ``page.render``.

    Raises:
        UsageError: ``folder`` is not a folder.
    """
    from mobileo_export.parity.report import page

    document = findings_json(findings)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    pictures = findings.chain.pictures if findings.chain is not None else None
    contents = {
        REPORT: text + "\n",
        JUNIT: as_junit(findings),
        PAGE: page.render(
            as_json(findings.comparison),
            document["chain"],
            document["mutations"],
            document["replay"],
            pictures=pictures,
            environment=tools,
            machine=origin.made_with(_runtimes(findings.comparison.runtime), ["torch"]),
            back=back,
        ),
    }
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; --report names a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        for name, content in contents.items():
            file = files.enter_context(whole_file.writing(folder / name))
            file.write(content.encode())
            file.flush()  # a full disk shows before any of them takes its place
    return tuple(folder / name for name in contents)


def _runtimes(labels: str) -> list[str]:
    """Names of what executed the components, of a comparison's text."""
    return [label.split()[0] for label in labels.split(", ") if label]


def table_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Texts for :data:`COLUMNS`, one row an output of a case."""
    rows: list[tuple[str, ...]] = []
    for component in comparison.components:
        gate = component.gate
        text = gate.bounds
        if gate.two_sided:
            text = f"{gate.against}: {text}"
        if component.problem is not None:
            rows.append((gate.component, "", "", "", "", "", text, "NO"))
        for case in component.cases:
            for output in case.outputs:
                figures = _figures(output)
                ok = "yes" if output.ok else "NO"
                rows.append((gate.component, case.name, output.name, *figures, text, ok))
            if case.problem is not None:
                rows.append((gate.component, case.name, "", "", "", "", text, "NO"))
    return rows


def _figures(output: OutputResult) -> tuple[str, str, str]:
    found = output.metrics
    if found is None:
        return "", "", ""
    worst = f"{found.worst[0].error:.1e} ({found.worst[0]})" if found.worst else ""
    return f"{found.relative_l2:.1e}", worst, f"{found.psnr:.1f} dB"


def _checks(case: CaseResult) -> list[tuple[str, list[str]]]:
    if case.problem is not None or not case.outputs:
        return [(case.name, [case.problem or "no outputs"])]
    return [(f"{case.name}: {o.name}", list(output_failures(o))) for o in case.outputs]


def _test(
    suite: ElementTree.Element, component: str, name: str, seconds: float, problems: list[str]
) -> None:
    test = ElementTree.SubElement(
        suite, "testcase", classname=component, name=printable(name), time=f"{seconds:.3f}"
    )
    if problems:
        lines = [printable(line) for line in problems]
        failure = ElementTree.SubElement(test, "failure", message=lines[0])
        failure.text = "\n".join(lines)
