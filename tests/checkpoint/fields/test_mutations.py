"""Random changes of configuration files: the same model, a changed one, a warning or a refusal."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.checkpoint.fields import FILES
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.inspection import describe
from mobileo_export.parity.compare import compare_bundle
from tests import surgery
from tests.checkpoint.fields.values import EVERY, VALUES
from tests.checkpoint.fields.variants import Variants, allowed
from tests.exports import Exports


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


def changed(source: Path, folder: Path, changes: dict[str, dict[str, Any]]) -> Path:
    """A copy of a checkpoint with fields changed in several files."""
    shutil.copytree(source, folder)
    for file, fields in changes.items():
        surgery.configure(folder / "diffusion" if "/" in file else folder, fields, file)
    return folder


def hashes(content: dict[str, Any], folder: str) -> dict[str, str]:
    return {e["path"]: e["sha256"] for e in content["files"] if e["path"].startswith(folder)}


def test_irrelevant_changes_give_the_same_bytes(
    tiny_checkpoint: Path, tiny_bundle: Path, exported: Exports, tmp_path: Path
) -> None:
    changes: dict[str, dict[str, Any]] = {}
    for file, name, value in EVERY:
        if FILES[file][name].use == "irrelevant" and file != "preprocessor_config.json":
            changes.setdefault(file, {})[name] = value
    other = changed(tiny_checkpoint, tmp_path / "other", changes)
    plain, content = manifest.read(tiny_bundle), manifest.read(exported(other, "llm"))
    expected, found = hashes(plain, "llm/"), hashes(content, "llm/")
    # The language model's folder carries this file as it is.
    assert expected.pop("llm/generation_config.json") != found.pop("llm/generation_config.json")
    assert found == expected
    assert content["model"] == plain["model"]
    assert content["recipe"] == plain["recipe"]


def test_honored_changes_give_a_changed_artifact_that_verifies(
    tiny_checkpoint: Path, tiny_bundle: Path, exported: Exports, tmp_path: Path
) -> None:
    changes = {
        "config.json": {
            "rms_norm_eps": 1e-2,
            "rope_theta": 1e4,
            "eos_token_id": 5,
            "brand_new_field": 1,
        },
        "transformer/config.json": {"norm_eps": 1e-2},
        "vae/config.json": {"scaling_factor": 0.5},
        "scheduler/scheduler_config.json": {"flow_shift": 5.0},
    }
    other = changed(tiny_checkpoint, tmp_path / "other", changes)
    bundle = exported(other, "dit,llm")
    plain, content = manifest.read(tiny_bundle), manifest.read(bundle)
    (warning,) = describe.inspect_bundle(bundle)["warnings"][:1]
    assert "brand_new_field" in warning
    assert content["model"]["warnings"] == [warning]
    assert content["recipe"]["sampling"]["flow_shift"] == 5.0
    assert content["recipe"]["latent"]["scaling_factor"] == 0.5
    assert content["recipe"]["text"]["stop_token_ids"] == [5, 506, 508]
    for folder in ("llm/", "transformer.mlpackage/"):
        assert hashes(content, folder) != hashes(plain, folder)
    found = compare_bundle(bundle, Checkpoint.open(other))
    assert found.failures() == []
    assert found.ok
