"""Every reader of JSON on documents of hypothesis: read, or refused in one line."""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobileo_export import recipe
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlx.folder import open_folder
from mobileo_export.bundle import manifest, seal
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.checkpoint.folder import INDEX, Checkpoint
from mobileo_export.errors import MobileoError
from mobileo_export.inspection import describe
from mobileo_export.merging import adapter_config
from mobileo_export.parity.stored_values import package_graph

from ..surgery import shard, split
from .strategies import documents, edited, headers

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = 20
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def attempt(read: Callable[[], object]) -> None:
    """Read, or be refused in one printable line; everything else fails the test."""
    line = "read"
    try:
        read()
    except MobileoError as error:
        line = str(error)
    assert line.isprintable()
    assert 0 < len(line) <= 1000


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked(tiny_bundle, tmp_path_factory.mktemp("fuzz") / "bundle")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked(tiny_checkpoint, tmp_path_factory.mktemp("fuzz") / "checkpoint")


def linked(source: Path, target: Path) -> Path:
    def link(one: str, other: str) -> str:
        try:
            os.link(one, other)
        except OSError:
            shutil.copy2(one, other)
        return other

    return Path(shutil.copytree(source, target, copy_function=link))


def put(path: Path, document: Any) -> None:
    """Replace a file, not what it is linked to."""
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(document))


def original(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "tokenizer_config.json", "added_tokens.json", "tokenizer.json",
        "diffusion/transformer/config.json", "diffusion/vae/config.json",
        "diffusion/scheduler/scheduler_config.json",
    ],
)  # fmt: skip
def test_checkpoint(checkpoint: Path, tiny_checkpoint: Path, name: str) -> None:
    intact = original(tiny_checkpoint / name)

    def read() -> None:
        opened = Checkpoint.open(checkpoint)
        describe.inspect_checkpoint(opened)
        tokenizer_files.special_ids(checkpoint)

    @fuzz
    @given(st.one_of(edited(intact), documents()))
    def check(document: Any) -> None:
        put(checkpoint / name, document)
        attempt(read)

    try:
        check()
    finally:
        put(checkpoint / name, intact)
    read()


def test_safetensors(checkpoint: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    header, data = split(tiny_checkpoint / "model.safetensors")
    few = {name: header[name] for name in sorted(header)[:6]}
    moved = 0
    for entry in few.values():
        size = entry["data_offsets"][1] - entry["data_offsets"][0]
        entry["data_offsets"] = [moved, moved + size]
        moved += size
    path = tmp_path / "x.safetensors"

    def read() -> None:
        for info in safetensors_file.read_header(path).values():
            np.asarray(safetensors_file.raw(info)).sum()

    @fuzz
    @given(st.one_of(headers(few), edited(few), documents()), st.integers(-1, 1))
    def check(document: Any, longer: int) -> None:
        encoded = json.dumps(document).encode()
        path.write_bytes(struct.pack("<Q", len(encoded) + longer) + encoded + data[:moved])
        attempt(read)

    check()


@settings(max_examples=200)
@given(headers({"only": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}))
def test_a_header_may_be_changed_where_it_is_no_entry_any_more(document: Any) -> None:
    assert document.keys() == {"only"}


def test_index(tiny_copy: Path) -> None:
    shard(tiny_copy)
    path = tiny_copy / INDEX
    intact = original(path)

    @fuzz
    @given(st.one_of(edited(intact), documents()))
    def check(document: Any) -> None:
        put(path, document)
        attempt(lambda: Checkpoint.open(tiny_copy))

    check()


def test_manifest(bundle: Path, tiny_bundle: Path) -> None:
    intact = original(tiny_bundle / "manifest.json")

    def read() -> None:
        content = manifest.read(bundle)
        recipe.from_manifest(content["recipe"])
        describe.inspect_bundle(bundle)
        seal.verify(bundle, content)

    @fuzz
    @given(st.one_of(edited(intact), documents()))
    def check(document: Any) -> None:
        put(bundle / "manifest.json", document)
        attempt(read)

    try:
        check()
    finally:
        put(bundle / "manifest.json", intact)
    read()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "tokenizer.json"])
def test_mlx_folder(bundle: Path, tiny_bundle: Path, name: str) -> None:
    intact = original(tiny_bundle / "llm" / name)

    @fuzz
    @given(st.one_of(edited(intact), documents()))
    def check(document: Any) -> None:
        put(bundle / "llm" / name, document)
        attempt(lambda: open_folder(bundle / "llm"))

    try:
        check()
    finally:
        put(bundle / "llm" / name, intact)


def test_package_manifest_and_operation_map(bundle: Path, tiny_bundle: Path) -> None:
    package, origins = "connector.mlpackage", "connector.operations.json"
    first = original(tiny_bundle / package / "Manifest.json")
    other = original(tiny_bundle / origins)

    @fuzz
    @given(st.one_of(edited(first), documents()), st.one_of(edited(other), documents()))
    def check(items: Any, operations: Any) -> None:
        put(bundle / package / "Manifest.json", items)
        attempt(lambda: open_package(bundle / package))
        put(bundle / package / "Manifest.json", first)
        put(bundle / origins, operations)
        attempt(lambda: package_graph.load(bundle / package, bundle / origins))

    try:
        check()
    finally:
        put(bundle / package / "Manifest.json", first)
        put(bundle / origins, other)


def test_adapter(tmp_path: Path) -> None:
    intact = {
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": False,
        "init_lora_weights": True,
        "target_modules": ["q_proj"], "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"k": 2.0},
    }  # fmt: skip

    def read() -> None:
        config = adapter_config.read(tmp_path)
        config.settle(["model.layers.0.self_attn.q_proj"])

    @fuzz
    @given(st.one_of(edited(intact), documents()))
    def check(document: Any) -> None:
        put(tmp_path / adapter_config.CONFIG, document)
        attempt(read)

    check()
