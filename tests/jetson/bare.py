"""``mobileo-jetson`` where nothing but the core is installed: ``python -m tests.jetson.bare``.

Reads command lines as JSON lists, one a line, and writes what each did as JSON, one a line.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pkgutil
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

BLOCKED = frozenset(
    (
        "accelerate",
        "coremltools",
        "diffusers",
        "huggingface_hub",
        "jinja2",
        "mlx",
        "mlx_lm",
        "onnx",
        "onnx_ir",
        "onnxruntime",
        "onnxscript",
        "polygraphy",
        "tensorrt",
        "tensorrt_rtx",
        "timm",
        "torch",
        "torchvision",
        "transformers",
    )
)


class Blocker(MetaPathFinder):
    """Nothing of :data:`BLOCKED` is to be found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def main() -> None:
    sys.meta_path.insert(0, Blocker())
    for package in ("mobileo_export.jetson", "mobileo_export.runtimes.tensorrt"):
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, package + "."):
            importlib.import_module(found.name)
    from mobileo_export.cli import program
    from mobileo_export.jetson.cli.main import app

    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ["mobileo-jetson", *json.loads(line)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program.call(app)
        done = {"code": code, "out": out.getvalue(), "err": err.getvalue()}
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
