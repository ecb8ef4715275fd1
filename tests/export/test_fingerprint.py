"""What a key covers, what it leaves out, and that a checkpoint is watched."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mobileo_export import components
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import Precision
from mobileo_export.compression import plan
from mobileo_export.converters import registry
from mobileo_export.errors import CheckpointError
from mobileo_export.export import fingerprint
from mobileo_export.export import run as export

TOOLS = dict.fromkeys(
    ("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors", "transformers"), "1"
)
TENSORS = "0" * 64


def key(path: Path, component: str, tools: dict[str, str] = TOOLS, **chosen: Any) -> str:
    options = export.Options(components.select(component), **chosen)
    stated = fingerprint.inputs(Checkpoint.open(path), options.components[0], options, tools)
    return fingerprint.key(stated, TENSORS)


def test_equal_inputs_have_equal_keys_wherever_they_lie(
    tiny_checkpoint: Path, tiny_copy: Path
) -> None:
    for name in components.COMPONENTS:
        assert key(tiny_checkpoint, name) == key(tiny_copy, name)
    every = {key(tiny_checkpoint, name) for name in components.COMPONENTS}
    assert len(every) == 5


def test_an_option_changes_the_keys_of_those_whom_it_concerns(tiny_checkpoint: Path) -> None:
    changed = {
        name: {
            option
            for option, value in {
                "llm_bits": 4,
                "llm_group_size": 32,
                "llm_exceptions": {"lm_head": 16},
                "precision": "float16",
                "source_name": "somewhere/else",
                "weights": "post-trained",  # tensors that differ have another digest
            }.items()
            if key(tiny_checkpoint, name, TOOLS, **{option: value}) != key(tiny_checkpoint, name)
        }
        for name in components.COMPONENTS
    }
    assert changed == {
        "vision_encoder": {"precision"},
        "mcp": set(),  # float32 whatever is asked for
        "dit": {"precision"},
        "vae_decoder": {"precision"},
        "llm": {"llm_bits", "llm_group_size", "llm_exceptions"},
    }


def test_rules_change_the_keys_of_their_components_alone(tiny_checkpoint: Path) -> None:
    def keys(stored: plan.CompressionPlan) -> dict[str, str]:
        return {
            name: key(tiny_checkpoint, name, compression=stored) for name in components.COMPONENTS
        }

    def parsed(name: str, **rules: Any) -> plan.CompressionPlan:
        return plan.parse(name, {"schema_version": 1, "components": rules}, Path(name))

    exact, none, w8 = (keys(plan.load(name)) for name in ("exact", "none", "w8"))
    assert {name for name in exact if w8[name] == exact[name]} == {"mcp", "llm"}
    assert {name for name in exact if none[name] == exact[name]} == {"llm"}
    # What a plan is called does not matter, nor what it says of others; the order of rules does.
    one = keys(parsed("one.json", dit={"a*": "int8", "*": "half"}, mcp={"*": "int8"}))
    other = keys(parsed("other.json", dit={"a*": "int8", "*": "half"}, mcp={"*": "half"}))
    turned = keys(parsed("one.json", dit={"*": "half", "a*": "int8"}, mcp={"*": "int8"}))
    assert {name for name in one if one[name] != other[name]} == {"mcp"}
    assert {name for name in one if one[name] != turned[name]} == {"dit"}
    same = parsed(
        "mine.json", **{n: dict(r) for n, r in plan.load("w8").content()["components"].items()}
    )
    assert keys(same) == w8


def test_a_tool_changes_the_keys_of_those_who_use_it(tiny_checkpoint: Path) -> None:
    newer = {**TOOLS, "coremltools": "2"}
    assert key(tiny_checkpoint, "mcp", newer) != key(tiny_checkpoint, "mcp")
    assert key(tiny_checkpoint, "llm", newer) == key(tiny_checkpoint, "llm")


def test_tensors_change_the_key() -> None:
    assert fingerprint.key({"a": 1}, "0") != fingerprint.key({"a": 1}, "1")


def test_code_changes_every_key(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(tiny_checkpoint, "mcp")
    monkeypatch.setattr(fingerprint, "code_digest", lambda kind, precision: "other")
    assert key(tiny_checkpoint, "mcp") != before


def test_a_tokenizer_file_changes_the_key_of_the_language_model(tiny_copy: Path) -> None:
    llm, mcp = key(tiny_copy, "llm"), key(tiny_copy, "mcp")
    path = tiny_copy / "generation_config.json"
    path.write_text(path.read_text() + "\n")
    assert key(tiny_copy, "llm") != llm
    assert key(tiny_copy, "mcp") == mcp


def test_the_configuration_changes_every_key(tiny_copy: Path) -> None:
    before = key(tiny_copy, "mcp")
    path = tiny_copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rope_theta": 12345.0}))
    assert key(tiny_copy, "mcp") != before


# -- the code that takes part ------------------------------------------------------------------

Made = tuple[str, Precision]
MADE: list[Made] = [
    ("mlpackage", "float32"),
    ("mlx", "float32"),
    ("onnx", "float32"),
    ("onnx", "float16"),
]
ROOT = Path(fingerprint.__file__).parents[1]
# What a conversion imports too, and why an edit there changes no artifact.
HARMLESS = {
    "mobileo_export": "the version, which a key states by itself",
    "mobileo_export.artifacts": "no code",
    "mobileo_export.artifacts.mlx": "no code",
    "mobileo_export.artifacts.onnx": "no code",
    "mobileo_export.bundle": "no code",
    "mobileo_export.bundle.links": "refuses a path or takes it as it is",
    "mobileo_export.bundle.manifest": "states what was made; other names are not found again",
    "mobileo_export.bundle.schema": "checks a manifest that is read",
    "mobileo_export.bundle.seal": "hashes files",
    "mobileo_export.checkpoint": "no code",
    "mobileo_export.checkpoint.recognise": "words",
    "mobileo_export.converters": "no code",
    "mobileo_export.errors": "words",
    "mobileo_export.export": "no code",
    "mobileo_export.export.forks": "processes",
    "mobileo_export.git_lfs": "words",
    "mobileo_export.memory": "processes",
    "mobileo_export.parity": "no code",
    "mobileo_export.pipelines": "no code",
    "mobileo_export.processes": "no code",
    "mobileo_export.processes.broken_imports": "words",
    "mobileo_export.processes.collecting": "when garbage is collected",
    "mobileo_export.processes.child_process": "processes",
    "mobileo_export.processes.debug": "what is shown and kept of a failure",
    "mobileo_export.processes.extras": "words",
    "mobileo_export.processes.importing": "who is told of imports, and which no tool needs",
    "mobileo_export.processes.worker": "processes",
    "mobileo_export.progress": "what is told meanwhile",
    "mobileo_export.reference": "a docstring",
    "mobileo_export.runtimes": "no code",
    "mobileo_export.runtimes.onnx": "no code",
    "mobileo_export.sizes": "words",
    "mobileo_export.whole_file": "how a file is written, not what",
}
# What `targets` and the worker import of what makes other kinds, or is used in half precision only.
OTHERS: dict[Made, set[str]] = {
    ("mlpackage", "float32"): {"converters.mlx", "converters.onnx", "parity.value_ranges", "recipe"}
    | {"artifacts.mlx", "checkpoint.tokenizer_files"},
    ("mlx", "float32"): {"compression", "converters.coreml", "converters.onnx"}
    | {"parity.value_ranges"},
    ("onnx", "float32"): {"artifacts.mlx", "compression", "converters.coreml", "converters.mlx"}
    | {"parity.value_ranges"},
    ("onnx", "float16"): {"artifacts.mlx", "compression", "converters.coreml", "converters.mlx"},
}


def module_of(path: Path, root: Path = ROOT) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """The names that a file of ours imports when it is executed, wherever it does."""
    found: set[str] = set()
    package = module_of(path) if path.name == "__init__.py" else module_of(path.parent)
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*(above if node.level else ()), *([node.module] if node.module else ())]
            base = ".".join(parts)
            found |= {base, *(f"{base}.{name.name}" for name in node.names)}
        pending += ast.iter_child_nodes(node)
    return found


def unaccounted(made: Made, modules: set[str]) -> set[str]:
    """Those of ``modules`` that no key of such an artifact covers, and that nobody vouches for."""
    covered = {module_of(path) for path in fingerprint.sources(*made)}
    others = {f"mobileo_export.{name}" for name in OTHERS[made]}
    return {
        name
        for name in modules - covered - HARMLESS.keys()
        if not any(name == other or name.startswith(f"{other}.") for other in others)
    }


@pytest.mark.parametrize("made", MADE, ids="-".join)
def test_what_is_covered_imports_only_what_is_covered(made: Made) -> None:
    """Read from the sources: what a rare way through them would import is seen too."""
    known = {
        module_of(path)
        for folder in (ROOT, *(path for path in ROOT.iterdir() if path.is_symlink()))
        for path in (folder.rglob("*.py") if folder.is_dir() else ())  # links are not followed
    }
    files = [path for path in fingerprint.sources(*made) if path.suffix == ".py"]
    named = set().union(*map(imports_of, files)) & known
    assert len(named) > 10
    assert unaccounted(made, named) == set()


CONVERTED: list[tuple[Made, str, str]] = [
    (("mlpackage", "float32"), "ios", "vision_encoder,mcp,dit,vae_decoder"),
    (("mlx", "float32"), "ios", "llm"),
    (("mlx", "float32"), "mlx", "vision_encoder,vae_decoder"),
    # The decoder is probed with what all other references give.
    (("onnx", "float16"), "jetson", "llm,vae_decoder"),
]
# What others wrote is imported once; of ours each child has what its conversion imports, alone.
CONVERT = """
import gc, json, os, sys
from importlib import import_module
from pathlib import Path

def ours():
    return [name for name in sys.modules if name.split(".")[0] == "mobileo_export"]

gc.disable()
for name in json.loads(sys.argv[1]):
    import_module(name)
gc.freeze()  # as a worker does: what is collected there is not what libraries are made of
gc.enable()
assert not ours()
for told, jobs in json.loads(sys.argv[2]).items():
    if not os.fork():
        from mobileo_export.export import worker_process as worker
        for job in jobs:
            Path(job["output"]).mkdir(parents=True)
            worker.convert_component(job, lambda stage, done, total: None)
        Path(told).write_text(json.dumps(ours()))
        break
    assert os.wait()[1] == 0, told
"""


@pytest.fixture(scope="module")
def imported(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[Made, str, str], set[str]]:
    """The modules of ours that are there when each was converted, in a process for each."""
    folder = tmp_path_factory.mktemp("converted")
    checkpoint = Checkpoint.open(tiny_checkpoint)
    libraries: list[str] = []
    work = {}
    for number, (made, target, names) in enumerate(CONVERTED):
        options = export.Options(components.select(names), target, precision=made[1])
        claimed: Any = SimpleNamespace(partial=folder / str(number))
        work[f"{folder / str(number)}.json"] = [
            export._job(checkpoint, spec, claimed, options) for spec in options.components
        ]
        for spec in options.components:
            libraries += (*registry.of(spec, target).libraries, *spec.libraries)
    subprocess.run(
        [sys.executable, "-c", CONVERT, json.dumps([*dict.fromkeys(libraries)]), json.dumps(work)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
    )
    return {
        converted: set(json.loads(Path(told).read_text(encoding="utf-8")))
        for converted, told in zip(CONVERTED, work, strict=True)
    }


@pytest.mark.parametrize("converted", CONVERTED, ids=lambda each: f"{'-'.join(each[0])}-{each[1]}")
def test_a_conversion_imports_only_what_is_covered(
    imported: dict[tuple[Made, str, str], set[str]], converted: tuple[Made, str, str]
) -> None:
    assert "mobileo_export.export.worker_process" in imported[converted]
    assert unaccounted(converted[0], imported[converted]) == set()


@pytest.fixture(scope="module")
def copied_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it would be installed."""
    copy = tmp_path_factory.mktemp("code") / "mobileo_export"
    return shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__", "miniature"))


def changed_by(edited: str, package: Path) -> set[Made]:
    """Which artifacts' keys an edit changes."""

    def digests() -> list[str]:
        fingerprint.code_digest.cache_clear()
        return [fingerprint.code_digest(*made, package) for made in MADE]

    before, path = digests(), package / edited
    content = path.read_bytes()
    path.write_bytes(content + b"# edited\n")
    after = digests()
    path.write_bytes(content)
    assert digests() == before == [fingerprint.code_digest(*made) for made in MADE]
    return {made for made, old, new in zip(MADE, before, after, strict=True) if old != new}


@pytest.mark.parametrize(
    "edited",
    [
        "artifacts/kinds.py",
        "bench/measurement.py",
        "bundle/workspace.py",
        "cli/export.py",
        "demo/page.py",
        "doctor/machine.py",
        "errors.py",
        "export/plan.py",
        "evaluation/judge.py",
        "export/run.py",
        "checkpoint/hub.py",
        "jetson/bench.py",
        "merging/merge.py",
        "parity/gates.py",
        "parity/means.py",
        "runtimes/registry.py",
        "html/render.py",
        "parity/report/write.py",
        "pipelines/generate.py",
        "runtimes/mil/interpreter.py",
        "export/workers.py",
    ],
)
def test_an_edit_elsewhere_changes_no_key(copied_code: Path, edited: str) -> None:
    assert changed_by(edited, copied_code) == set()


PACKAGES, FOLDERS, GRAPHS, HALVES = MADE


@pytest.mark.parametrize(
    ("edited", "concerned"),
    [
        ("checkpoint/folder.py", {*MADE}),
        ("checkpoint/expected_tensors.py", {*MADE}),
        ("targets.py", {*MADE}),
        ("converters/base.py", {*MADE}),
        ("converters/onnx/converter.py", {GRAPHS, HALVES}),
        ("export/worker_process.py", {*MADE}),
        ("converters/coreml/lowering.py", {PACKAGES}),
        ("artifacts/mlx/packed.py", {FOLDERS}),
        ("converters/onnx/passes.py", {GRAPHS, HALVES}),
        ("reference/dit.py", {PACKAGES, GRAPHS, HALVES}),
        ("reference/timm_names.py", {*MADE}),
        ("reference/llm.py", {GRAPHS, HALVES}),
        ("checkpoint/tokenizer_files.py", {FOLDERS, GRAPHS, HALVES}),
        ("parity/cases.py", {HALVES}),  # a precision plan comes of them
        ("assets/photographs/coffee.jpg", {HALVES}),
        ("recipe.py", {FOLDERS, GRAPHS, HALVES}),
    ],
)
def test_an_edit_inside_changes_the_keys_of_what_it_makes(
    copied_code: Path, edited: str, concerned: set[Made]
) -> None:
    assert changed_by(edited, copied_code) == concerned


def test_a_file_that_was_moved_is_missed(tmp_path: Path) -> None:
    package = shutil.copytree(
        ROOT, tmp_path / "code", ignore=shutil.ignore_patterns("__pycache__", "miniature")
    )
    (package / "artifacts" / "onnx" / "folder.py").rename(package / "folder.py")
    with pytest.raises(RuntimeError, match="folder.py: is not there, though the onnx converter"):
        fingerprint.sources("onnx", "float32", package)
    for path in (package / "converters" / "mlx").glob("*.py"):
        path.unlink()
    with pytest.raises(RuntimeError, match="converters/mlx: is not there"):
        fingerprint.sources("mlx", "float32", package)


# -- a checkpoint is watched -------------------------------------------------------------------


def test_a_checkpoint_that_does_not_change(tiny_copy: Path) -> None:
    snapshot = fingerprint.Snapshot.take(Checkpoint.open(tiny_copy))
    assert tiny_copy / "model.safetensors" in dict(snapshot.files)
    assert tiny_copy / "config.json" in dict(snapshot.files)
    assert any(path.parent.name == "transformer" for path, _ in snapshot.files)
    (tiny_copy / "model.safetensors").read_bytes()
    snapshot.check()


def rewrite(path: Path) -> None:
    """Other bytes, and the times set back as if nothing had happened."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("change", [rewrite, replace, Path.unlink])
def test_a_checkpoint_that_changes_is_noticed(tiny_copy: Path, name: str, change: Any) -> None:
    snapshot = fingerprint.Snapshot.take(Checkpoint.open(tiny_copy))
    change(tiny_copy / name)
    with pytest.raises(CheckpointError, match=f"{name}: changed while it was being exported"):
        snapshot.check()
