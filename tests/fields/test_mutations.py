"""Random changes of configuration files: the same model, a changed one, a warning or a refusal."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mobileo_export import components, export
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.fields import FILES
from mobileo_export.parity.compare import compare_bundle
from tests import surgery

from .values import EVERY, VALUES
from .variants import Variants, allowed

COMPONENTS = "dit,llm"


def test_500_random_changes_come_to_what_the_tables_say(variants: Variants) -> None:
    generator = random.Random(15)
    outcomes: Counter[str] = Counter()
    for _ in range(500):
        file = generator.choice(list(FILES))
        if generator.random() < 0.05:
            name, value = f"new_field_{generator.randrange(99)}", generator.random()
            expected = {"warned"}
        else:
            name = generator.choice(list(VALUES[file]))
            value = generator.choice(VALUES[file][name])
            expected = set(allowed(file, name))
        outcome = variants.outcome(file, name, value)
        assert outcome in expected, (file, name, value)
        outcomes[outcome] += 1
    assert min(outcomes[kind] for kind in ("same", "changed", "warned", "refused")) >= 20, outcomes


@pytest.mark.parametrize("file", FILES)
def test_two_changes_at_once_are_not_lost_in_one_another(variants: Variants, file: str) -> None:
    """A field that is refused is refused beside any other that is accepted."""
    generator = random.Random(7)
    idle = [n for n, row in FILES[file].items() if row.use in ("irrelevant", "overruled")]
    for name, row in FILES[file].items():
        if row.use == "only":
            other = generator.choice(idle)
            variants.change(file, {other: VALUES[file][other][0]})
            path = variants.path(file)
            content = {**variants.raw(file), name: VALUES[file][name][0]}
            path.write_text(json.dumps(content))
            found, refusal = variants.attempt()
            assert found is None, (name, other)
            assert name in refusal


# --- real exports


def exported(checkpoint: Path, folder: Path) -> Path:
    options = export.Options(components.select(COMPONENTS))
    export.export(Checkpoint.open(checkpoint), folder, options, log=folder.with_suffix(".log"))
    return folder


def changed(source: Path, folder: Path, changes: dict[str, dict[str, Any]]) -> Path:
    """A copy of a checkpoint with fields changed in several files."""
    shutil.copytree(source, folder)
    for file, fields in changes.items():
        surgery.configure(folder / "diffusion" if "/" in file else folder, fields, file)
    return folder


@pytest.fixture(scope="module")
def plain(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tiny_checkpoint, tmp_path_factory.mktemp("plain") / "bundle")


def test_irrelevant_changes_give_the_same_bytes(
    tiny_checkpoint: Path, plain: Path, tmp_path: Path
) -> None:
    changes: dict[str, dict[str, Any]] = {}
    for file, name, value in EVERY:
        if FILES[file][name].use == "irrelevant" and file != "preprocessor_config.json":
            changes.setdefault(file, {})[name] = value
    bundle = exported(changed(tiny_checkpoint, tmp_path / "other", changes), tmp_path / "bundle")
    contents = [manifest.read(folder) for folder in (plain, bundle)]
    # The language model's folder carries generation_config.json itself.
    files, others = (
        {entry["path"]: entry["sha256"] for entry in content["files"]} for content in contents
    )
    assert {path for path in files if files[path] != others[path]} <= {"llm/generation_config.json"}
    assert contents[0]["model"] == contents[1]["model"]
    assert contents[0]["recipe"] == contents[1]["recipe"]


def test_honored_changes_give_a_changed_artifact_that_verifies(
    tiny_checkpoint: Path, plain: Path, tmp_path: Path
) -> None:
    changes = {
        "config.json": {"rms_norm_eps": 1e-2, "rope_theta": 1e4, "eos_token_id": 5},
        "transformer/config.json": {"norm_eps": 1e-2},
        "vae/config.json": {"scaling_factor": 0.5},
        "scheduler/scheduler_config.json": {"flow_shift": 5.0},
    }
    other = Checkpoint.open(changed(tiny_checkpoint, tmp_path / "other", changes))
    bundle = exported(other.path, tmp_path / "bundle")
    content = manifest.read(bundle)["recipe"]
    assert content["sampling"]["flow_shift"] == 5.0
    assert content["latent"]["scaling_factor"] == 0.5
    assert content["text"]["stop_token_ids"] == [5, 506, 508]
    found = compare_bundle(bundle, other)
    assert found.failures() == []
    assert found.ok
    # The other checkpoint's artifacts do not pass for these, in either component.
    mistaken = compare_bundle(plain, other)
    assert {r.gate.component for r in mistaken.components if r.problem or not r.ok} == {
        "dit",
        "llm",
    }
