"""Polygraphy's linter, the one that TensorRT's own users run, finds nothing in the graphs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.forked import Forked

from .files import FILES

pytest.importorskip("polygraphy", reason="pip install polygraphy onnx-graphsurgeon to lint")


def lint(path: Path, report: Path) -> tuple[int, dict[str, Any]]:
    """In a child, since the linter reads what onnxruntime prints on the process's own streams."""
    import torch  # noqa: F401 -- the linter imports it for its first graph, and so every child

    main = importlib.import_module("polygraphy.tools").main
    arguments = ["check", "lint", str(path), "-o", str(report)]
    with Forked(lambda: sys.exit(main(arguments))) as linter:
        done = linter.finish()
    return done.code, json.loads(report.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_found(tiny_jetson: Path, tmp_path: Path, file: str) -> None:
    code, found = lint(tiny_jetson / file, tmp_path / "report.json")
    assert (code, found["lint_entries"]) == (0, [])
    assert found["summary"]["failing"] == []
    nodes = onnx.load(tiny_jetson / file, load_external_data=False).graph.node
    assert len(found["summary"]["passing"]) == len(nodes)  # each was looked at


def test_the_linter_would_find_something(tiny_jetson: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_jetson / "llm/projector.onnx")
    model.graph.node[-1].input[0] = "nothing"
    onnx.save(model, tmp_path / "broken.onnx")
    code, found = lint(tmp_path / "broken.onnx", tmp_path / "report.json")
    assert code != 0
    assert any(entry["level"] == "exception" for entry in found["lint_entries"])
