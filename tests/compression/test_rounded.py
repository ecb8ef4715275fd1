"""Matrices beside a plan: written and read to the bit, and refused where they do not belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export import assets, components
from mobileo_export.bundle import seal
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.compression import plan, rounded
from mobileo_export.compression.rounded import packed, unpacked
from mobileo_export.compression.schemes import Scheme, Stored, compress
from mobileo_export.errors import CheckpointError, UsageError

MATRIX = "transformer_blocks.0.attn1.to_q"
DIT = components.COMPONENTS["dit"]


@given(st.integers(1, 8), st.integers(0, 40), st.integers(0, 99))
def test_codes_are_packed_and_unpacked(bits: int, count: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 1 << bits, count, np.uint8)
    data = packed(codes, bits)
    assert data.size == -(-count * bits // 8)
    np.testing.assert_array_equal(unpacked(data, bits, count), codes)
    with pytest.raises(ValueError, match="bytes for"):
        unpacked(np.append(data, np.uint8(0)), bits, count)


def stored(scheme: str, shape: tuple[int, ...] = (128, 128)) -> Stored:
    values = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    return compress(values, Scheme.parse(scheme))


def written(folder: Path, made: Stored, matrix: str = MATRIX) -> Path:
    """A plan with one rounded matrix of the miniature's DiT."""
    checkpoint = Checkpoint.open(assets.miniature())
    sources = {"dit": checkpoint.digest(DIT.tensors(checkpoint.model), "released")}
    path = folder / "plan.json"
    found = rounded.write(plan.beside(path), {"dit": {matrix: made}}, sources)
    rules = {"dit": {MATRIX: made.scheme}}
    content = plan.CompressionPlan("plan.json", rules, rounded=found).content()
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("scheme", ["palette4 rows 16", "palette3", "int4 block 32", "int4"])
def test_what_is_read_is_what_was_written(tmp_path: Path, scheme: str) -> None:
    made = stored(scheme)
    read = plan.load(str(written(tmp_path, made)))
    found = read.made("dit", MATRIX)
    assert found is not None
    assert found.data.dtype == made.data.dtype
    np.testing.assert_array_equal(found.data, made.data)
    np.testing.assert_array_equal(found.expanded(), made.expanded())
    assert read.made("dit", "transformer_blocks.1.attn1.to_q") is None
    assert read.made("mcp", MATRIX) is None
    checkpoint = Checkpoint.open(assets.miniature())
    read.check(checkpoint.model)
    assert read.rounded is not None
    read.rounded.check(checkpoint, "released")


def test_the_file_decides_what_the_plan_is(tmp_path: Path) -> None:
    contents = []
    for name, scheme in (("a", "palette4"), ("b", "palette4 rows 16")):
        (tmp_path / name).mkdir()
        contents.append(plan.load(str(written(tmp_path / name, stored(scheme)))).content())
    assert contents[0]["rounded"]["sha256"] != contents[1]["rounded"]["sha256"]
    assert contents[0]["rounded"]["sources"] == contents[1]["rounded"]["sources"]


def test_another_checkpoint_is_refused(tmp_path: Path, tiny_checkpoint: Path) -> None:
    read = plan.load(str(written(tmp_path, stored("palette4"))))
    assert read.rounded is not None
    with pytest.raises(UsageError, match="was rounded for other weights of dit"):
        read.rounded.check(Checkpoint.open(tiny_checkpoint), "released")


def test_a_file_that_is_gone_or_another(tmp_path: Path) -> None:
    path = written(tmp_path, stored("palette4"))
    beside = plan.beside(path)
    beside.write_bytes(beside.read_bytes() + b" ")
    with pytest.raises(UsageError, match="is not the file that the plan"):
        plan.load(str(path))
    beside.unlink()
    with pytest.raises(UsageError, match="keep the two together"):
        plan.load(str(path))


def test_a_file_that_is_damaged_though_the_plan_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, stored("palette4"))
    beside = plan.beside(path)
    beside.write_bytes(b"nothing of the kind")
    content = json.loads(path.read_text())
    content["rounded"]["sha256"] = seal.digest(beside)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        plan.load(str(path))


def test_matrices_that_do_not_fit(tmp_path: Path) -> None:
    model = Checkpoint.open(assets.miniature()).model
    other = plan.load(str(written(tmp_path, stored("palette4"), "no.such")))
    with pytest.raises(UsageError, match=r"dit has no matrix no\.such"):
        other.check(model)
    small = plan.load(str(written(tmp_path, stored("palette4", (64, 128)))))
    with pytest.raises(UsageError, match=f"dit has no matrix {MATRIX}"):
        small.check(model)
    path = written(tmp_path, stored("palette4"))
    content = json.loads(path.read_text())
    content["components"]["dit"][MATRIX] = "palette3"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="is not stored as palette3"):
        plan.load(str(path)).made("dit", MATRIX)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (7, "rounded: is int, not an object"),
        ({"sha256": "0"}, "sources: is NoneType"),
        ({"sources": {}}, "a sha256 is missing"),
        ({"sha256": "0", "sources": {"dit": 1}}, "a sha256 is missing"),
        ({"sha256": "0", "sources": {"unet": "0"}}, "'unet' is none of"),
        ({"sha256": "0", "sources": {}, "file": "/etc/passwd"}, "'file' is none of"),
    ],
)
def test_what_a_plan_may_say_of_it(tmp_path: Path, stated: object, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"schema_version": 1, "components": {}, "rounded": stated}))
    with pytest.raises(UsageError, match=message):
        plan.load(str(path))
