"""Run coremltools' own operation tests through the evaluator: ``python -m tests.conformance``.

Writes the census by operation to ``docs/mil-conformance.md``; the exit code is 1 if a test failed
that is not :data:`KNOWN`.
Tests compare at their own tolerances. Besides coremltools' default variants (half precision) its
opt-in float32 variants run too, which are a hundred times stricter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "mil-conformance.md"
SUITE = "converters/mil/mil/ops/tests"
# Recurrent layers, random numbers: not executed, so their thousands of tests would say nothing.
LEFT_OUT = ("test_recurrent", "test_random", "coreml_dialect", "test_utils")
# Failures that are understood and accepted; any other one fails the command.
KNOWN = {
    "TestCropResize::test_builder_to_backend_smoke": "a box that leaves the picture: what Core ML "
    "reads there is documented nowhere, and no component of ours crops",
}
OUTCOMES = ("passed", "failed", "unsupported", "half at float32 tolerance")


def main(arguments: list[str] | None = None) -> int:
    """Run the selected tests and write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", help="folders or files of the suite, such as iOS18/test_states.py"
    )
    parser.add_argument(
        "--every", type=int, default=8, help="run one in N parametrizations of every test (8)"
    )
    parser.add_argument("-k", dest="expression", help="pytest's selection by name")
    parser.add_argument("--output", type=Path, default=REPORT, help="the report to write")
    options = parser.parse_args(arguments)

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conformance-") as scratch:
        results = _run(options.suites, options.every, options.expression, Path(scratch))
    minutes = (time.monotonic() - started) / 60
    if not results:
        sys.stderr.write("the tests did not run; pytest's output is above\n")
        return 2
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(
        _report(results, options.suites, options.every, minutes), encoding="utf-8"
    )
    print(f"{_totals(results)} in {minutes:.0f} min; {options.output}")
    return 1 if any(not _known(name) for name, reason in results["problems"] if _bad(reason)) else 0


def _known(name: str) -> bool:
    return any(part in name for part in KNOWN)


def _bad(reason: str) -> bool:
    return reason.startswith("failed:")


def _run(suites: list[str], every: int, expression: str | None, scratch: Path) -> Any:
    spec = util.find_spec("coremltools")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("coremltools is not installed")
    suite = Path(spec.submodule_search_locations[0]) / SUITE
    command = [sys.executable, "-m", "pytest", "-c", str(Path(__file__).with_name("pytest.ini"))]
    command += ["--rootdir", str(suite), *(["-k", expression] if expression else [])]
    command += [str(suite / name) for name in suites or [""]]
    results = scratch / "results.json"
    environment = os.environ | {
        "PYMIL_TEST_TARGETS": "mlprogram",
        "INCLUDE_MIL_FP32_UNIT_TESTS": "1",
        "MOBILEO_CONFORMANCE_RESULTS": str(results),
        "MOBILEO_CONFORMANCE_EVERY": str(every),
        "MOBILEO_CONFORMANCE_EXCLUDE": ",".join(LEFT_OUT),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        # Every conversion leaves a package in the temporary folder until the process ends.
        "TMPDIR": str(scratch),
    }
    subprocess.run(command, env=environment, check=False, cwd=ROOT)
    return json.loads(results.read_text("utf-8")) if results.is_file() else None


def _totals(results: Any) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in results["totals"].items())


def _report(results: Any, suites: list[str], every: int, minutes: float) -> str:
    rows = [
        f"| `{kind}` | " + " | ".join(str(counts.get(o, "")) for o in OUTCOMES) + " |"
        for kind, counts in sorted(results["by_op"].items())
    ]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("coremltools", "torch"))
    problems = [
        f"- `{name}`: {reason}"
        for name, reason in results["problems"]
        if not reason.startswith("half")
    ]
    return "\n".join(
        [
            "# Conformance of the ML Program evaluator",
            "",
            "coremltools ships tests of every operation, which compare a prediction of the Core ML",
            "framework with expected values. Here `mobileo_export.runtimes.mil` answers the",
            "predictions instead, on any machine; the tests and their tolerances are untouched.",
            "",
            "Written by `python -m tests.conformance"
            f"{''.join(' ' + name for name in suites)} --every {every}`: {versions},"
            f" {minutes:.0f} min.",
            "",
            f"Tests: {_totals(results)}.",
            "",
            "- A test counts for every operation of the programs it ran.",
            "- *passed without running*: the test checks types or conversion only.",
            "- *half at float32 tolerance*: coremltools' opt-in float32 variants of tests that",
            "  type their values as half; they compare values rounded to half at 1e-4. Their",
            "  default variants compare the same programs at the tolerance meant for half, and",
            "  count as passed or failed.",
            "- *failed another assertion*: no comparison of predictions failed, but an assertion",
            "  about something else: a count of casts in the converted program (in opt-in float32",
            "  variants), or the wording of the framework's own error messages.",
            "- Left out: " + ", ".join(f"`{name}`" for name in LEFT_OUT) + " (recurrent layers and",
            "  random numbers are not executed).",
            "",
            "| operation | " + " | ".join(OUTCOMES) + " |",
            "|---|" + "---:|" * len(OUTCOMES),
            *rows,
            "",
            *(["## Not passed", "", *problems, ""] if problems else []),
            *(f"`{name}` is accepted: {reason}." for name, reason in KNOWN.items()),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
