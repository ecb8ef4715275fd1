"""``verify --checkpoint`` as a user and a CI machine see it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.parity import results
from mobileo_export.parity.report import write as report
from tests.command import Command

from .conftest import damage_weight
from .test_compare import MCP, swap_channels


def test_a_good_bundle_passes_and_is_reported(
    command: Command, sealed: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--checkpoint", tiny_checkpoint, "--component", "mcp", "--runtime", "mil")
    done = command("verify", sealed, *options, "--report", tmp_path / "report", "--verbose")
    assert done.code == 0, done.err
    assert "all as sealed" in done.out
    assert "unconditional" in done.out
    assert "the gates rejected" in done.out
    assert re.search(r"(?m)^mcp             holds    \d+ cases, at most \d+% of a bound$", done.out)
    assert done.out.splitlines()[-1].startswith(f"Parity holds: {sealed} computes what ")
    jsonschema.validate(
        json.loads((tmp_path / "report" / report.REPORT).read_text()), results.schema()
    )
    ElementTree.parse(tmp_path / "report" / report.JUNIT)


def test_a_damaged_bundle_fails_by_name(
    command: Command, copied: Path, tiny_checkpoint: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    damage_weight(
        copied, "connector.mlpackage", checkpoint, MCP + "output_proj.0.weight", swap_channels
    )
    assert command("verify", copied).code == 0  # the seal is whole
    options = ("--checkpoint", tiny_checkpoint, "--component", "mcp", "--runtime", "mil", "--json")
    done = command("verify", copied, *options, "--report", tmp_path)
    assert done.code == 1
    document = json.loads(done.out)
    assert document["problems"] == []
    assert document["parity"]["ok"] is False
    assert any(
        line.startswith("mcp, prompt, conditioning:") for line in document["parity"]["failures"]
    )
    assert json.loads((tmp_path / report.REPORT).read_text()) == document["parity"]
    assert "Traceback" not in done.err


def test_a_broken_seal_is_not_run(command: Command, copied: Path, tiny_checkpoint: Path) -> None:
    (copied / "NOTICE.txt").write_text("changed")
    done = command("verify", copied, "--checkpoint", tiny_checkpoint)
    assert done.code == 1
    assert "NOTICE.txt" in done.out
    assert "conditioning" not in done.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--component", "mcp"), "goes with --checkpoint"),
        (("--report", "x"), "goes with --checkpoint"),
        (("--checkpoint", "{checkpoint}", "--component", "vae_decoder"), "has no vae_decoder"),
        (("--checkpoint", "{checkpoint}", "--component", "dot"), "unknown component 'dot'"),
        (
            ("--checkpoint", "{checkpoint}", "--component", "llm", "--runtime", "mil"),
            "choose --runtime mlx-dequantized or mlx",
        ),
        (("--checkpoint", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_run_says_so(
    command: Command,
    sealed: Path,
    tiny_checkpoint: Path,
    options: tuple[str, ...],
    expected: str,
) -> None:
    done = command("verify", sealed, *(o.format(checkpoint=tiny_checkpoint) for o in options))
    assert done.code == 2
    assert expected in done.err
    assert "Traceback" not in done.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from mobileo_export.cli.main import app\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    app(['verify', '--help'])\n"
        "print([m for m in ('numpy', 'torch', 'coremltools') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_shipped_tests_take_any_bundle(
    sealed: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tests of their own, in this process, which has the libraries; below they start anew."""
    package = "mobileo_export.parity_tests"
    options = ["-p", f"{package}.plugin", "--pyargs", package, "-q"]
    options += ["--bundle", str(sealed), "--checkpoint", str(tiny_checkpoint)]
    options += ["-p", "no:cacheprovider", "-p", "no:faulthandler"]  # whose end would be ours too
    monkeypatch.chdir(tmp_path)  # or ours would be configured as these are
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "")  # they leave none behind
    code = pytest.main([*options, "--runtime", "mil", "-k", "mcp or sealed or llm"])
    done = capsys.readouterr()
    assert code == pytest.ExitCode.OK, done.out + done.err
    # The seal, the two components' cases, damage and mutants; Core ML itself needs a Mac.
    assert "17 passed, 4 skipped" in done.out


def test_the_shipped_tests_refuse_what_they_would_not_run(
    sealed: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    package = "mobileo_export.parity_tests"
    command = [sys.executable, "-m", "pytest", "-p", f"{package}.plugin", "--pyargs", package, "-q"]
    command += ["--bundle", str(sealed), "--checkpoint", str(tiny_checkpoint)]
    for options, message in (
        (("--runtime", "tensorrt"), "the tensorrt runtime does not execute a Core ML package or"),
        (("--compute-units", "all"), "--compute-units all: goes with --runtime coreml only"),
        (("--steps", "3"), f"--steps 3: no picture is drawn, {sealed} has no vae_decoder"),
    ):
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert message in done.stderr
        assert "Traceback" not in done.stderr
