"""What is fuzzed: for each target the corpus folder it starts from, its damage, and its readers."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.cli import main, program

from . import files, guard, messages, readers
from .readers import Inputs

if TYPE_CHECKING:
    from random import Random

Damage = Callable[["Random", Path, Path], str]  # random, the case's folder, outside: what was done
_CLI_SHARE = 0.12
# A file that an earlier damage of the same case left without a structure to change.
_UNREADABLE = (ValueError, KeyError, RecursionError, struct.error)


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        corpus: the folder of the corpus that is copied.
        damage: changes the copy and says how.
        use: reads it, through every door that leads to it.
        commands: the command lines that read it.
        bounds: of time and memory.
    """

    corpus: str
    damage: Damage
    use: Callable[[Inputs], object]
    commands: Callable[[Inputs], list[list[str | Path]]] = lambda inputs: []
    bounds: guard.Bounds = guard.BOUNDS


def run(target: Target, inputs: Inputs) -> object:
    """Read the damaged input: mostly by calls, sometimes through the command line."""
    commands = target.commands(inputs)
    if commands and inputs.random.random() < _CLI_SHARE:
        return command_line(*inputs.random.choice(commands))
    return target.use(inputs)


def command_line(*arguments: str | Path) -> int:
    """Run a command in this process; what it prints has to be in order.

    Raises:
        AssertionError: it printed a traceback, or an error that is no line of its own.
    """
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["mobileo-export", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program.call(main.app)
    finally:
        sys.argv = before
    lines = err.getvalue().splitlines()
    assert code in {0, 1, 2}, f"exit code {code}"
    assert all(line.startswith(("error: ", "warning: ")) for line in lines), err.getvalue()[:500]
    errors = [line for line in lines if line.startswith("error: ")]
    assert {0: not errors, 1: True, 2: len(errors) == 1}[code], err.getvalue()[:500]
    return code


def _pick(random: Random, root: Path, pattern: str = "*") -> Path:
    return random.choice(sorted(p for p in root.rglob(pattern) if p.is_file()))


def _tree(*weights: tuple[str, int]) -> Damage:
    """Damage to a folder: by JSON, by bytes, by header, by entry; weights by file pattern."""
    patterns = [pattern for pattern, weight in weights for _ in range(weight)]

    def damage(random: Random, root: Path, outside: Path) -> str:
        told = []
        for _ in range(random.choice((1, 1, 1, 2))):
            path = _pick(random, root, random.choice(patterns))
            action = random.random()
            if path.is_symlink() or not path.stat().st_size or path.stat().st_size > 1 << 28:
                continue
            if action < 0.15:
                entry = random.choice((path, path, path.parent if path.parent != root else path))
                told.append(files.entry_of(random, entry, root, outside))
                break
            if path.suffix == ".json" and action < 0.8:
                with contextlib.suppress(*_UNREADABLE):
                    told.append(files.json_of(random, path, outside))
            elif path.suffix == ".safetensors" and action < 0.8:
                with contextlib.suppress(*_UNREADABLE):
                    told.append(files.header_of(random, path, outside))
            else:
                told.append(files.bytes_of(random, path))
        return "; ".join(told)

    return damage


def _package(random: Random, root: Path, outside: Path) -> str:
    """Damage to a package: mostly its program, by structure."""
    from mobileo_export.artifacts.mlpackage.schema import model_pb2

    action = random.random()
    (model,) = root.rglob("model.mlmodel")
    if action < 0.6:
        spec = model_pb2().Model()
        spec.ParseFromString(model.read_bytes())
        done = messages.change(random, spec)
        files.replace(model, spec.SerializeToString())
        return done
    if action < 0.7:
        return files.bytes_of(random, model)
    return _tree(("Manifest.json", 2), ("weight.bin", 3), ("*.operations.json", 1))(
        random, root, outside
    )


def _one_file(random: Random, root: Path, outside: Path) -> str:
    """Keep one file of the folder and damage it."""
    kept = _pick(random, root)
    for path in root.iterdir():
        if path != kept:
            path.unlink()
    if random.random() < 0.1:
        return files.entry_of(random, kept, root, outside)
    return files.bytes_of(random, kept)


def _weights_only(random: Random, root: Path, outside: Path) -> str:
    path = root / "model.safetensors"
    if random.random() < 0.8:
        return files.header_of(random, path, outside)
    return files.bytes_of(random, path)


_JSON = ("*.json", 6)
TARGETS: dict[str, Target] = {
    "safetensors": Target("llm-bundle/llm", _weights_only, readers.safetensors),
    "checkpoint": Target(
        "checkpoint",
        _tree(
            ("config.json", 5), ("*.json", 3), ("scheduler_config.json", 1), ("*.safetensors", 3)
        ),
        readers.checkpoint,
        lambda i: [
            ["inspect", i.folder],
            ["export", i.folder, "-o", i.output / "b", "--dry-run", "--json"],
            ["doctor", i.folder, "--quiet"],
        ],
    ),
    "sharded": Target(
        "sharded",
        _tree(("model.safetensors.index.json", 3), ("*.safetensors", 3)),
        readers.checkpoint,
        lambda i: [["inspect", i.folder, "--json"]],
    ),
    "tokenizer": Target("tokenizer", _tree(("*", 1)), readers.tokenizer),
    "slow tokenizer": Target("slow-tokenizer", _tree(("*", 1)), readers.tokenizer),
    "manifest": Target(
        "bundle",
        _tree(("manifest.json", 8), ("*.operations.json", 1), ("*", 1)),
        readers.bundle,
        lambda i: [
            ["inspect", i.folder],
            ["verify", i.folder],
            ["diff", i.intact / "bundle", i.folder, "--quiet"],
            ["doctor", i.folder, "--quiet"],
        ],
    ),
    "golden": Target(
        "bundle", _tree(("index.json", 8), ("manifest.json", 2), ("arrays.bin", 1)), readers.golden
    ),
    "package": Target(
        "connector",
        _package,
        readers.graph("connector.mlpackage"),
        lambda i: [["inspect", i.folder / "connector.mlpackage"]],
    ),
    "larger package": Target(
        "transformer",
        _package,
        readers.graph("transformer.mlpackage"),
        lambda i: [["inspect", i.folder / "transformer.mlpackage"]],
    ),
    "mlx folder": Target(
        "llm-bundle",
        _tree(("llm/config.json", 4), ("*.safetensors", 4), ("*.json", 2)),
        readers.mlx,
    ),
    "adapter": Target(
        "adapter",
        _tree(("*.json", 2), ("*.safetensors", 3)),
        readers.adapter(False),
        lambda i: [
            ["merge-lora", "--base", i.intact / "checkpoint", "--adapter", i.folder, "-o",
             i.output / "m", "--dry-run", "--json"],
        ],
    ),
    "pickled adapter": Target(
        "pickled-adapter", _tree(("*.bin", 3), ("*.json", 1)), readers.adapter(True)
    ),
    "arrays": Target(
        "arrays",
        _one_file,
        readers.arrays,
        lambda i: [
            ["run", i.intact / "bundle", "llm", "--inputs", p, "-o", i.output / "o.npz"]
            for p in i.folder.glob("*.npz")
        ],
    ),
    "photograph": Target(
        "photographs", _one_file, readers.photograph, bounds=guard.Bounds(30.0, 2 << 30)
    ),
}  # fmt: skip
