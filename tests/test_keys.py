"""What a key covers, what it leaves out, and that a checkpoint is watched."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mobileo_export import components, export, keys
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.errors import CheckpointError

TOOLS = dict.fromkeys(
    ("torch", "coremltools", "diffusers", "timm", "numpy", "safetensors", "transformers"), "1"
)
TENSORS = "0" * 64


def key(path: Path, component: str, tools: dict[str, str] = TOOLS, **chosen: Any) -> str:
    options = export.Options(components.select(component), **chosen)
    stated = keys.inputs(Checkpoint.open(path), options.components[0], options, tools)
    return keys.key(stated, TENSORS)


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
            if key(tiny_checkpoint, name, **{option: value}) != key(tiny_checkpoint, name)
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


def test_a_tool_changes_the_keys_of_those_who_use_it(tiny_checkpoint: Path) -> None:
    newer = {**TOOLS, "coremltools": "2"}
    assert key(tiny_checkpoint, "mcp", newer) != key(tiny_checkpoint, "mcp")
    assert key(tiny_checkpoint, "llm", newer) == key(tiny_checkpoint, "llm")


def test_tensors_change_the_key() -> None:
    assert keys.key({"a": 1}, "0") != keys.key({"a": 1}, "1")


def test_code_changes_every_key(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(tiny_checkpoint, "mcp")
    monkeypatch.setattr(keys, "code_digest", lambda: "other")
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


def imports_of(path: Path) -> set[str]:
    """The names that a file imports when it is executed, wherever it does."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        pending += ast.iter_child_nodes(node)
    return found


def test_the_code_that_converts_is_covered() -> None:
    """Every module of ours that a worker can import is part of the digest."""
    root = Path(keys.__file__).parent
    covered = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in keys.sources()
    }
    known = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for folder in (root, root / "converters")  # a link, which is not followed
        for path in folder.rglob("*.py")
    }
    reached, pending = set(), ["mobileo_export.worker", "mobileo_export.reference.dit"]
    while pending:
        name = pending.pop()
        if name in reached or name not in known:
            continue
        reached.add(name)
        pending += imports_of(known[name])
    assert len(reached) > 20
    assert reached <= covered


def test_a_checkpoint_that_does_not_change(tiny_copy: Path) -> None:
    snapshot = keys.Snapshot.take(Checkpoint.open(tiny_copy))
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
    snapshot = keys.Snapshot.take(Checkpoint.open(tiny_copy))
    change(tiny_copy / name)
    with pytest.raises(CheckpointError, match=f"{name}: changed while it was being exported"):
        snapshot.check()
