"""The manifest's schema: real manifests fit it, damaged ones do not, by jsonschema and by us."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from mobileo_export.bundle import manifest, schema
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Damage = Callable[[dict[str, Any]], object]

Validator = jsonschema.Draft202012Validator


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return schema.manifest_schema()


@pytest.fixture
def content(tiny_bundle: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tiny_bundle / "manifest.json").read_text())
    return loaded


def first_artifact(m: dict[str, Any], component: str = "mcp") -> dict[str, Any]:
    artifact: dict[str, Any] = m["components"][component]["artifacts"][0]
    return artifact


DAMAGES: list[tuple[str, Damage]] = [
    ("a field is gone", lambda m: m.pop("recipe")),
    ("a field is new", lambda m: m.update(created="2026-01-01")),
    ("another format", lambda m: m.update(format="zip")),
    ("another version", lambda m: m.update(schema_version=3)),
    ("a version that only looks right", lambda m: m.update(schema_version=True)),
    ("no components", lambda m: m.update(components={})),
    ("an unknown component", lambda m: m["components"].update(audio=m["components"]["mcp"])),
    ("a component without artifacts", lambda m: m["components"]["mcp"].update(artifacts=[])),
    ("an artifact outside", lambda m: first_artifact(m).update(path="../connector.mlpackage")),
    ("an absolute artifact", lambda m: first_artifact(m).update(path="/connector.mlpackage")),
    ("an unknown precision", lambda m: first_artifact(m).update(weight_precision="int8")),
    ("no kind", lambda m: first_artifact(m).pop("kind")),
    ("an unknown kind", lambda m: first_artifact(m).update(kind="gguf")),
    ("an unknown target", lambda m: first_artifact(m).update(target="android")),
    ("bits as text", lambda m: first_artifact(m, "llm")["options"].update(bits="8")),
    ("odd exceptions", lambda m: first_artifact(m, "llm")["options"].update(exceptions={"a": 7})),
    ("no operations", lambda m: first_artifact(m)["operations"].update(add=0)),
    ("a negative size", lambda m: m["files"][0].update(size=-1)),
    ("a size with a fraction", lambda m: m["files"][0].update(size=1.5)),
    ("half a digest", lambda m: m["files"][0].update(sha256="0" * 32)),
    ("a digest in capitals", lambda m: m["files"][0].update(sha256="A" * 64)),
    ("a file outside", lambda m: m["files"][0].update(path="a/../../b")),
    ("no files", lambda m: m.update(files=[])),
    ("a shape of text", lambda m: m["components"]["mcp"]["inputs"][0].update(shape=["N"])),
    ("a shape with zero", lambda m: m["components"]["mcp"]["inputs"][0].update(shape=[0])),
    (
        "a dimension without bounds",
        lambda m: m["components"]["mcp"]["inputs"][0]["shape"][2].pop("max"),
    ),
    ("an unknown dtype", lambda m: m["components"]["mcp"]["inputs"][0].update(dtype="bfloat16")),
    ("weights of a third kind", lambda m: m["source"].update(weights="other")),
    ("a count of none", lambda m: m["source"]["nested_copies"].update(count=0)),
    ("another solver", lambda m: m["recipe"]["sampling"].update(algorithm="euler")),
    ("a latent without batch", lambda m: m["recipe"]["latent"].update(shape=[8, 8, 8])),
    ("a boolean dimension", lambda m: m["model"]["llm"].update(hidden_size=True)),
    ("no stop token", lambda m: m["recipe"]["text"].update(stop_token_ids=[])),
    ("a list for an object", lambda m: m.update(model=[])),
]


def test_the_schema_is_a_schema(published: dict[str, Any]) -> None:
    Validator.check_schema(published)


def test_a_real_manifest_fits(content: dict[str, Any], published: dict[str, Any]) -> None:
    jsonschema.validate(content, published, cls=Validator)
    assert schema.first_problem(content) is None


def test_a_manifest_without_nested_copies_fits(
    content: dict[str, Any], published: dict[str, Any]
) -> None:
    content["source"]["nested_copies"] = None
    content["source"].update(name="Amshaker/Mobile-O-0.5B", revision="0" * 40)
    content["components"] = {"llm": content["components"]["llm"]}
    jsonschema.validate(content, published, cls=Validator)
    assert schema.first_problem(content) is None


@pytest.mark.parametrize("damage", [pytest.param(damage, id=name) for name, damage in DAMAGES])
def test_damage_is_refused_by_jsonschema_and_by_us(
    content: dict[str, Any], published: dict[str, Any], damage: Damage
) -> None:
    whole = copy.deepcopy(content)
    damage(content)
    assert content != whole or content["schema_version"] is True
    assert not Validator(published).is_valid(content)
    assert schema.first_problem(content) is not None


def test_the_message_says_where(content: dict[str, Any]) -> None:
    content["components"]["mcp"]["inputs"][0]["shape"][2]["min"] = 0
    content["components"]["mcp"]["inputs"][0]["dtype"] = "bfloat16"
    problem = schema.first_problem(content)
    assert problem is not None
    assert problem.startswith("components.mcp.inputs[0].dtype is 'bfloat16'")


def test_every_field_of_the_structure_is_closed(published: dict[str, Any]) -> None:
    """Whatever has properties says what is required and allows nothing else."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "properties" in node and "type" in node:
                assert "additionalProperties" in node, node
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(published)


def test_read_refuses_what_the_schema_refuses(tmp_path: Path, content: dict[str, Any]) -> None:
    content["files"][0]["size"] = -1
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"files\[0\]\.size is -1"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"format": NaN}', "NaN is no JSON"),
        ("\udcff", "cannot be read as JSON"),
        ("[]", "not the manifest"),
        ('{"format": "mobileo-bundle"}', "schema_version None"),
        ('{"format": "mobileo-bundle", "schema_version": 3}', "schema_version 3"),
        ('{"format": "mobileo-bundle", "schema_version": true}', "schema_version True"),
        ('{"format": "mobileo-bundle", "schema_version": 2}', "has no components"),
        ('{"format": "mobileo-bundle", "schema_version": 1}', "has no components"),
    ],
)
def test_read_refuses_text_that_is_no_manifest(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleError, match=message):
        manifest.read(tmp_path)


def test_read_of_no_folder_and_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        manifest.read(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        manifest.read(tmp_path / "file")
