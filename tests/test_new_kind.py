"""A target and a kind of artifact are added by the steps that CONTRIBUTING.md gives, and work.

The package is copied, as somebody would edit it, and the commands run from the copy: what it takes
is all in :data:`FILES` and :data:`EDITS`, and nothing else of the package knows of the toy.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import mobileo_export
from tests.absent import Shell

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mobileo_export.__file__).parent
FILES = {
    "artifacts/toy/__init__.py": "",
    "artifacts/toy/folder.py": '''
"""A toy: a folder with the component's tensors as they are, and the language model's tokenizer."""

WEIGHTS = "weights.safetensors"
''',
    "converters/toy/__init__.py": "",
    "converters/toy/converter.py": '''
"""Toys, to the rest of the house."""

from dataclasses import replace

import math

from mobileo_export.artifacts.toy.folder import WEIGHTS
from mobileo_export.checkpoint import safetensors_file, safetensors_writer, tokenizer_files
from mobileo_export.converters.base import Converter, Estimate


def _estimate(checkpoint, spec, options):
    tensors = spec.tensors(checkpoint.model).values()
    return Estimate(bytes=4 * sum(map(math.prod, tensors)), peak_memory=100_000_000, seconds=1)


def _convert(request):
    names = request.spec.tensors(request.checkpoint.model)
    infos = {name: request.checkpoint.info(name, request.options.weights) for name in names}
    request.output.mkdir()
    if request.spec.name == "llm":
        tokenizer_files.copy(request.checkpoint.path, request.output)
    plan = {name: (info.dtype, info.shape) for name, info in infos.items()}
    with safetensors_writer.SafetensorsWriter(request.output / WEIGHTS, plan) as writer:
        for done, (name, info) in enumerate(infos.items()):
            request.report("copying", done, len(infos))
            writer.write_part(name, 0, safetensors_file.raw(info).reshape(-1))
    return {"tensors": len(infos)}


def _describe(stated, spec, options, result):
    return replace(stated, operations={"tensor": result["tensors"]})


CONVERTER = Converter(
    kind="toy",
    tools=("numpy", "safetensors"),
    code=("artifacts/toy", "converters/toy"),
    estimate=_estimate,
    convert=_convert,
    describe=_describe,
    concerns=lambda checkpoint, spec, options: {},
)
''',
    "runtimes/toy.py": '''
"""Runs toys: what comes out has the right shapes, and is as large as the weights are on average."""

import numpy as np

from mobileo_export.artifacts.toy.folder import WEIGHTS
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import safetensors_file


class ToyRuntime:
    name = "toy"

    def load(self, path):
        for entry in manifest.read(path.parent)["components"].values():
            if entry["artifacts"][0]["path"] == path.name:
                return ToySession(path, entry)


class ToySession:
    def __init__(self, path, entry):
        self._outputs = tuple(map(manifest.tensor_spec, entry["outputs"]))
        self._inputs = tuple(map(manifest.tensor_spec, entry["inputs"]))
        infos = safetensors_file.read_header(path / WEIGHTS)
        self._level = float(sum(info.size for info in infos.values()) % 97) / 97
        self._read = 0

    def run(self, inputs):
        sizes = {}
        for tensor in self._inputs:
            for axis, dim in enumerate(tensor.shape):
                if not isinstance(dim, int) and tensor.name in inputs:
                    sizes[dim.name] = inputs[tensor.name].shape[axis]
        if "image_features" in inputs:
            sizes["T"] += inputs["image_features"].shape[1] - 1
        sizes.setdefault("N", sizes.get("T", 8))
        return {t.name: np.full(t.at(**sizes), self._level, np.float32) for t in self._outputs}

    def prefill(self, input_ids, image_features=None):
        given = {"input_ids": input_ids}
        if image_features is not None:
            given["image_features"] = image_features
        found = self.run(given)
        return found["stacked_hidden_states"], found["logits"]

    def step(self, token_id):
        return self.prefill(np.zeros((1, 8), np.int32))[1]

    def beside(self):
        return self

    def close(self):
        pass
''',
}
# By file: after which line what is inserted.
EDITS = {
    "converters/registry.py": ("FOLDERS = {", '    "toy": "toy",'),
    "runtimes/registry.py": ("ENTRIES = {", '    "toy": Entry("toy", "toy", "ToyRuntime"),'),
    "artifacts/kinds.py": ("KINDS = {", '    "toy": "a toy",'),
    "targets.py": (
        "    for target in (",
        '        ExportTarget("toy", "toys", Made("toy", ".toy"), {"llm": Made("toy")}),',
    ),
}
SCHEMA = "bundle/manifest.schema.json"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a copy of the package that knows of the toy."""
    root = tmp_path_factory.mktemp("toy")
    ignored = shutil.ignore_patterns("__pycache__", "miniature", "parity_tests")
    copy = shutil.copytree(PACKAGE, root / "mobileo_export", ignore=ignored)
    for name, text in FILES.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(text.lstrip())
    for name, (line, new) in EDITS.items():
        text = (copy / name).read_text(encoding="utf-8")
        assert text.count(f"\n{line}\n") == 1, name
        (copy / name).write_text(text.replace(f"\n{line}\n", f"\n{line}\n{new}\n"))
    schema = json.loads((copy / SCHEMA).read_text(encoding="utf-8"))
    for name in ("kind", "target"):
        schema["$defs"]["artifact"]["properties"][name]["enum"].append("toy")
    (copy / SCHEMA).write_text(json.dumps(schema))
    return root


@pytest.fixture(scope="module")
def call(package: Path) -> Iterator[Shell]:
    """The commands of the copy."""
    path = os.pathsep.join(map(str, (package, ROOT)))
    shell = Shell({**os.environ, "PYTHONPATH": path}, package)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def bundle(call: Shell, package: Path, tiny_checkpoint: Path) -> Path:
    output = package / "bundle"
    done = call("export", tiny_checkpoint, "-o", output, "--target", "toy", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["reused"] == []
    assert len(report["components"]) == 5
    return output


def test_contributing_names_the_steps() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = text.partition("- **A target**")[2].partition("- **A gate**")[0]
    named = set(re.findall(r"`([\w/.]+)`", steps))
    folders = {Path(name).parent.parent.as_posix() + "/" for name in FILES if "/toy/" in name}
    assert {*EDITS, SCHEMA, *folders, "runtimes/"} <= named


def test_a_plan_is_made(call: Shell, tiny_checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "b"
    done = call("export", tiny_checkpoint, "-o", output, "--target", "toy", "--dry-run", "--json")
    assert done.code == 0, done.err
    planned = {item["component"]: item["artifact"] for item in json.loads(done.out)["components"]}
    assert planned["mcp"] == "connector.toy"
    assert planned["llm"] == "llm"


def test_what_it_states(bundle: Path) -> None:
    content = json.loads((bundle / "manifest.json").read_text())
    for entry in content["components"].values():
        (artifact,) = entry["artifacts"]
        assert (artifact["kind"], artifact["target"]) == ("toy", "toy")
        assert artifact["operations"]["tensor"] > 0
    assert set(content["tools"]) == {"numpy", "safetensors"}


def test_an_unchanged_export_takes_all_of_it_over(
    call: Shell, bundle: Path, tiny_checkpoint: Path
) -> None:
    options = ("--target", "toy", "--overwrite", "--json")
    done = call("export", tiny_checkpoint, "-o", bundle, *options)
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["reused"]) == 5


def test_every_command_takes_it(call: Shell, bundle: Path, tmp_path: Path) -> None:
    assert call("verify", bundle).code == 0
    shown = call("inspect", bundle)
    assert shown.code == 0, shown.err
    assert "connector.toy" in shown.out
    assert call("diff", bundle, bundle).code == 0
    picture = tmp_path / "out.png"
    drawn = call("generate", bundle, "a circle", "-o", picture, "--steps", "2", "-q")
    assert drawn.code == 0, drawn.err
    assert picture.is_file()
    asked = call("ask", bundle, picture, "what?", "--max-new-tokens", "2", "-q")
    assert asked.code == 0, asked.err
    able = call("doctor", bundle, "--target", "toy", "--runtime", "toy", "--json")
    assert json.loads(able.out)["abilities"], able.err


def test_another_of_other_contents(call: Shell, bundle: Path, tmp_path: Path) -> None:
    other = shutil.copytree(bundle, tmp_path / "other")
    weights = other / "connector.toy/weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert call("verify", other).code == 1
    found = call("diff", bundle, other, "--json")
    assert found.code == 1
    assert "only the files" in json.loads(found.out)["artifacts"][0]["note"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("export", "CHECKPOINT", "-o", "b", "--target", "toy", "--precision", "float16"),
            "--precision goes with --target ios or mlx or jetson: toy is toys",
        ),
        (
            ("export", "CHECKPOINT", "-o", "b", "--target", "toy", "--llm-bits", "4"),
            "--llm-bits goes with --target ios or mlx: toy is toys",
        ),
        (
            ("generate", "BUNDLE", "a circle", "-o", "o.png", "--runtime", "mil"),
            "BUNDLE: the mil runtime does not execute a toy; choose --runtime toy",
        ),
        (
            ("verify", "BUNDLE", "--checkpoint", "CHECKPOINT", "--component", "mcp", "-q"),
            "mcp: no gate for float32 on toy; it cannot be judged",
        ),
        (
            ("explain", "BUNDLE", "--checkpoint", "CHECKPOINT", "--component", "mcp"),
            "BUNDLE: explain reads Core ML packages and MLX folders, and the mcp of a toy bundle "
            "is a toy; export for ios or mlx from the same checkpoint and explain that",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(
    call: Shell, bundle: Path, tiny_checkpoint: Path, arguments: tuple[str, ...], message: str
) -> None:
    places = {"BUNDLE": str(bundle), "CHECKPOINT": str(tiny_checkpoint)}
    done = call(*(places.get(argument, argument) for argument in arguments))
    assert (done.code, done.error()) == (2, message.replace("BUNDLE", str(bundle)))
