"""An index is believed in nothing: each lie in it is a BundleError that says where."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobileo_export.bundle import manifest
from mobileo_export.errors import BundleError
from mobileo_export.parity.golden.index import dumps, index_schema, open_golden
from mobileo_export.parity.golden.stages import STAGES

from ..conftest import reseal
from .conftest import Index, calls, change_index

Lie = Callable[[Index], object]


def raw(index: Index) -> dict[str, Any]:
    entry: dict[str, Any] = next(e for e in index["entries"] if e["storage"] == "raw")
    return entry


def stored(index: Index, storage: str) -> dict[str, Any]:
    entry: dict[str, Any] = next(e for e in index["entries"] if e["storage"] == storage)
    return entry


def first_dit(index: Index) -> dict[str, Any]:
    return calls(index, "generate", "dit")[0]


LIES: list[tuple[str, Lie]] = [
    ("an offset past the end", lambda i: raw(i).update(offset=1 << 40)),
    ("a negative offset", lambda i: raw(i).update(offset=-64)),
    ("an offset with a fraction", lambda i: raw(i).update(offset=0.5)),
    ("a larger shape", lambda i: raw(i)["shape"].append(2)),
    ("a shape that overflows", lambda i: raw(i).update(shape=[1 << 33, 1 << 33])),
    ("a huge constant", lambda i: stored(i, "constant").update(shape=[1 << 20, 1 << 20])),
    ("a shape with zero", lambda i: raw(i).update(shape=[0])),
    ("a size of its own", lambda i: raw(i).update(size=raw(i)["size"] + 4)),
    ("another dtype", lambda i: raw(i).update(dtype="float64")),
    ("a path upwards", lambda i: raw(i).update(file="../manifest.json")),
    ("a path into a folder", lambda i: raw(i).update(file="x/arrays.bin")),
    ("an absolute path", lambda i: raw(i).update(file="/etc/passwd")),
    ("a file that is not there", lambda i: raw(i).update(file="other.bin")),
    ("a storage of another age", lambda i: raw(i).update(storage="zip")),
    ("a sample of no axis", lambda i: stored(i, "sampled")["sample"].update(axis=9)),
    ("a sample past its axis", lambda i: stored(i, "sampled")["sample"].update(start=1 << 20)),
    ("a stride of none", lambda i: stored(i, "sampled")["sample"].update(stride=0)),
    ("another stride", lambda i: stored(i, "sampled")["sample"].update(stride=1)),
    ("an entry that is not there", lambda i: first_dit(i)["inputs"].update(latent=10**6)),
    ("an input less", lambda i: first_dit(i)["inputs"].pop("timestep")),
    ("an input more", lambda i: first_dit(i)["inputs"].update(images=0)),
    ("an output less", lambda i: first_dit(i)["outputs"].clear()),
    ("a gate that is not there", lambda i: first_dit(i)["outputs"]["velocity"].update(gate="x")),
    ("another gate", lambda i: first_dit(i)["outputs"]["velocity"].update(gate="image")),
    ("a gate less", lambda i: i["gates"].pop("velocity")),
    ("noise without end", lambda i: i["parts"]["noise"][0].update(shape=[1 << 40])),
    ("an unknown stage", lambda i: first_dit(i).update(stage="euler")),
    ("a stage of another kind", lambda i: first_dit(i).update(stage="mcp")),
    ("a value less", lambda i: calls(i, "edit", "guidance")[0]["values"].clear()),
    ("no runs", lambda i: i.update(runs=[])),
    ("a run without settings", lambda i: i["runs"][0].update(drawing=None)),
    ("a field that is new", lambda i: i.update(created="today")),
    ("a gate without bounds", lambda i: i["gates"]["velocity"].pop("host")),
    ("a gate that asks nothing", lambda i: asks_nothing(i, "noise")),
    ("a gate of slices that are none", lambda i: asks_nothing(i, "logits", worst_slice=0.1)),
    ("a gate of text", lambda i: i["gates"]["velocity"]["host"].update(relative_l2="1")),
    ("another version", lambda i: i.update(format_version=2)),
    ("another format", lambda i: i.update(format="zip")),
    ("parts that are gone", lambda i: i.pop("parts")),
    ("no noise to compare", lambda i: i["parts"]["noise"].clear()),
    ("no texts to compare", lambda i: i["parts"]["tokenizer"].clear()),
    ("a sampled input", lambda i: first_dit(i)["inputs"].update(latent=position(i, "sampled"))),
]


def asks_nothing(index: Index, gate: str, **asked: float) -> None:
    nothing = dict.fromkeys(("relative_l2", "worst_slice", "psnr", "max_absolute"))
    index["gates"][gate]["host"].update(nothing | asked)


def position(index: Index, storage: str) -> int:
    return [e["storage"] for e in index["entries"]].index(storage)


def test_the_schema_is_strict_and_fits_what_is_written(index: Index) -> None:
    jsonschema.Draft202012Validator.check_schema(index_schema())
    jsonschema.validate(index, index_schema())

    def objects(schema: Any) -> None:
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert set(schema["required"]) == schema["properties"].keys()
            for value in schema.values():
                objects(value)

    objects(index_schema())
    assert set(index_schema()["$defs"]["call"]["properties"]["stage"]["enum"]) == STAGES.keys()
    assert {c["stage"] for run in index["runs"] for c in run["calls"]} == STAGES.keys()


@pytest.mark.parametrize(("name", "lie"), LIES, ids=[name for name, _ in LIES])
def test_a_lie_is_found(copied: Path, name: str, lie: Lie) -> None:
    open_golden(copied, manifest.read(copied))
    change_index(copied, lie)
    with pytest.raises(BundleError, match="index.json: .+; record it again"):
        open_golden(copied, manifest.read(copied))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10**5, '{"format": NaN}', "\x00"])
def test_what_is_no_index_is_refused(copied: Path, text: str) -> None:
    (copied / "golden" / "index.json").write_text(text)
    with pytest.raises(BundleError, match="index.json"):
        open_golden(copied, manifest.read(copied))


def test_a_truncated_file_is_found(copied: Path) -> None:
    path = copied / "golden" / "arrays.bin"
    path.write_bytes(path.read_bytes()[:-1])
    reseal(copied)
    with pytest.raises(BundleError, match="ends after the end of arrays.bin"):
        open_golden(copied, manifest.read(copied))


def test_a_file_larger_than_listed_is_not_mapped(copied: Path) -> None:
    os.truncate(copied / "golden" / "arrays.bin", 40 << 30)  # a hole takes no disk
    with pytest.raises(BundleError, match="arrays.bin: 42949672960 bytes, the manifest lists"):
        open_golden(copied, manifest.read(copied))


@pytest.mark.parametrize("name", ["index.json", "arrays.bin"])
def test_a_link_is_not_followed(copied: Path, name: str) -> None:
    path = copied / "golden" / name
    path.rename(copied.parent / name)
    path.symlink_to(copied.parent / name)
    with pytest.raises(BundleError, match="record it again"):
        open_golden(copied, manifest.read(copied))


def test_a_bundle_without_a_trace_says_how_to_get_one(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="mobileo-export record"):
        open_golden(tiny_bundle, manifest.read(tiny_bundle))


def test_the_text_of_an_index_is_json_in_a_fixed_order() -> None:
    value = {"b": [1, 2.5, None], "a": {"long": "x" * 120, "list": [{"k": i} for i in range(40)]}}
    assert json.loads(dumps(value)) == value
    assert dumps(value) == dumps(dict(reversed(value.items())))
    assert max(map(len, dumps({"ids": list(range(100))}).splitlines())) > 100  # numbers in a row


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("golden", {"index": "../golden/index.json", "format_version": 1}),
        ("golden", {"index": "golden/index.json"}),
        ("golden", {"index": "golden/index.json", "format_version": 1, "more": 1}),
        ("parity", {"path": "/etc/passwd", "format_version": 1}),
        ("parity", None),
    ],
)
def test_the_manifest_names_the_trace_in_one_way(copied: Path, name: str, entry: Any) -> None:
    content = manifest.read(copied)
    (copied / "manifest.json").write_text(manifest.dumps({**content, name: entry}))
    with pytest.raises(BundleError, match=f"manifest.json: {name}"):
        manifest.read(copied)


def test_a_trace_of_a_later_release_is_not_read(copied: Path) -> None:
    content = manifest.read(copied)
    content["golden"]["format_version"] = 2
    with pytest.raises(BundleError, match="format version 2, this release reads 1"):
        open_golden(copied, content)
