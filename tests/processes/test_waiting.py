"""Threads that wait do not take the processor from those that they wait for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mobileo_export.processes import waiting

_PROGRAM = """
import sys, types
from mobileo_export.cli import program
module = types.ModuleType("toy")
module.app = lambda: __import__("torch")
sys.modules["toy"] = module
program.main("toy")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP")
@pytest.mark.parametrize("said", [{}, {"GOMP_SPINCOUNT": "7"}])
def test_the_library_that_computes_was_told(said: dict[str, str]) -> None:
    ours = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**ours, **said, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rounds = said.get("GOMP_SPINCOUNT", waiting.ROUNDS)
    assert f"GOMP_SPINCOUNT = '{rounds}'" in done.stderr


def test_who_has_a_policy_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    waiting.briefly()
    assert "GOMP_SPINCOUNT" not in os.environ
