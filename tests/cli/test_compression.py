"""``--compression`` on the command line: what is stored and told, what is refused and when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.compression.plan import load
from mobileo_export.export import workers
from tests.exports import convert_here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converters run in this process, which has their libraries."""
    monkeypatch.setattr(workers, "run", convert_here)


def plan(**components: Any) -> str:
    return json.dumps({"schema_version": 1, "components": components})


def refused(command: Command, folder: Path, content: str | bytes, *more: str) -> str:
    """The error of an export that must not begin: in one line, and without a trace."""
    path = folder / "plan.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = command(
        "export", "miniature", "-o", folder / "out", "--compression", path, "--dry-run", *more
    )
    assert (done.code, done.out) == (2, "")
    assert sorted(folder.iterdir()) == [path]
    told = done.error()
    assert len(told) < 500
    return told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        # What is no JSON document that means one thing.
        ("", "cannot be read: is empty"),
        ("{", "cannot be read: Expecting property name"),
        (b"\xff\xfe", "is UTF-16"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"schema_version": 1, "schema_version": 1}', "the key 'schema_version' occurs twice"),
        (plan(dit={"*": "int8"})[:-2] + ', "dit": {}}}', "the key 'dit' occurs twice"),
        ('{"schema_version": NaN, "components": {}}', "NaN is no JSON"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (" " * (1 << 22) + plan(dit={"*": "int8"}), "at most 4,194,304 are read"),
        ('{"schema_version": ' + "1" * 5000 + "}", "cannot be read: Exceeds the limit"),
        # What is no plan.
        ("[]", "is list, not an object"),
        ("{}", "schema_version is None, read is 1"),
        ('{"schema_version": 2, "components": {}}', "schema_version is 2, read is 1"),
        ('{"schema_version": 1}', "components: is NoneType, not an object"),
        ('{"schema_version": 1, "components": {}, "name": "x"}', "'name' is none of components"),
        (plan(unet={"*": "int8"}), "'unet' is none of dit, llm, mcp, vae_decoder, vision_encoder"),
        (plan(dit=["int8"]), "dit: is list, not an object"),
        (plan(dit={"*": 8}), "dit: '*' is 8, not the name of a scheme"),
        (plan(dit={"*": "int9"}), "scheme 'int9': bits of int are 8, 4"),
        (plan(dit={"*": "int" + "9" * 9000}), "is none; there are exact, half"),
        (plan(dit={"*": "int4 block 0"}), "a group of 0 divides nothing"),
        (plan(dit={"*": "palette4 block 32"}), "palette takes no block"),
        # What does not go with the model.
        (plan(dit={"*": "int8", "*.q": "int4"}), "pattern '*.q' fits no matrix; they are called"),
        (plan(dit={"x" * 9000: "int8"}), "fits no matrix"),
        (plan(dit={"time_embed.linear.weight": "int8"}), "fits no matrix"),
        (plan(dit={"*": "int8", "*.to_q": "half"}), "fits only what patterns before it took"),
        (plan(dit={"*.to_q": "int4 block 48"}), "fits none of them: 128 inputs are no multiple"),
        (plan(dit={"*.to_q": "int4 block 999999"}), "128 inputs are no multiple of 999999"),
        (plan(dit={"*.to_q": "palette4 rows 24"}), "128 outputs are no multiple of 24"),
        (plan(mcp={"*.channel_attn.fc.2": "palette8 rows 2"}), "it takes 72.0 bits a weight"),
        # What MLX does not have.
        (plan(llm={"bits": 9}), "llm: bits is 9; MLX has 4, 5, 6, 8, 16"),
        (plan(llm={"bits": True}), "llm: bits is True"),
        (plan(llm={"bits": 6.0}), "llm: bits is 6.0"),
        (plan(llm={}), "llm: bits is None"),
        (plan(llm={"bits": 6, "group_size": 48}), "group_size is 48; MLX has 32, 64, 128"),
        (plan(llm={"bits": 6, "exceptions": {"lm_head": "8"}}), "bits of 'lm_head' is '8'"),
        (plan(llm={"bits": 6, "exceptions": {"head": 8}}), "'head' fits no linear layer"),
        (plan(llm={"bits": 6, "mode": "affine"}), "'mode' is none of bits, exceptions, group_size"),
    ],
)
def test_a_hostile_plan_gets_one_line_before_any_work(
    command: Command, tmp_path: Path, content: str | bytes, told: str
) -> None:
    assert told in refused(command, tmp_path, content)


def test_a_plan_that_does_nothing_here_is_refused(command: Command, tmp_path: Path) -> None:
    content = plan(dit={"*": "int8"})
    told = refused(command, tmp_path, content, "--only", "mcp")
    assert told.endswith("plan.json says nothing of --only mcp")
    told = refused(command, tmp_path, content, "--target", "jetson")
    assert told.startswith("--compression goes with --target ios")
    told = refused(command, tmp_path, content, "--only", "llm")
    assert "makes an MLX folder, see --llm-bits" in told


def test_what_is_no_preset_and_no_file(command: Command, tmp_path: Path) -> None:
    for name, told in (
        ("w4", "--compression w4: no such file, and no preset; those are none, exact, w8, small"),
        (str(tmp_path / "absent.json"), "no such file, and no preset"),
        (str(tmp_path), "cannot be read: not a plain file"),
    ):
        done = command("export", "miniature", "-o", tmp_path / "out", "--compression", name)
        assert done.code == 2
        assert told in done.error()


@pytest.mark.parametrize("name", ["none", "exact", "w8", "small"])
def test_presets_are_plans_of_every_size(command: Command, tmp_path: Path, name: str) -> None:
    done = command("export", "miniature", "-o", tmp_path / "o", "--compression", name, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert load(name).name == name


@pytest.mark.parametrize(
    ("more", "bits", "group_size", "exceptions"),
    [
        ((), 6, 32, {"lm_head": 8}),
        (("--llm-bits", "8"), 8, 32, {"lm_head": 8}),
        (("--llm-group-size", "64"), 6, 64, {"lm_head": 8}),
        (("--llm-exception", "model.embed_tokens=8"), 6, 32, {"model.embed_tokens": 8}),
    ],
)
def test_an_explicit_option_wins_over_the_plan(
    command: Command,
    tmp_path: Path,
    more: tuple[str, ...],
    bits: int,
    group_size: int,
    exceptions: dict[str, int],
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(plan(llm={"bits": 6, "group_size": 32, "exceptions": {"lm_head": 8}}))
    out = tmp_path / "out"
    done = command(
        "export", "miniature", "-o", out, "--only", "llm", "--compression", path, "-q", *more
    )
    assert (done.code, done.err) == (0, "")
    (artifact,) = manifest.read(out)["components"]["llm"]["artifacts"]
    stated = artifact["options"]
    assert (stated["bits"], stated["group_size"]) == (bits, group_size)
    assert stated["exceptions"] == exceptions
    assert artifact["weight_precision"] == f"{bits}-bit"


@pytest.mark.usefixtures("here")
def test_a_change_of_one_component_converts_that_one_alone(
    command: Command, tmp_path: Path
) -> None:
    path, out = tmp_path / "plan.json", tmp_path / "out"
    call = ("export", "miniature", "-o", out, "--only", "mcp,vae_decoder", "--json")
    mcp = {"*.pointwise": "int4 block 32", "*": "int8"}
    path.write_text(plan(mcp=mcp, vae_decoder={"*": "int8"}))
    assert command(*call, "--compression", path).code == 0
    path.write_text(plan(mcp=mcp, vae_decoder={"conv_in": "half", "*": "int8"}))
    done = command(*call, "--compression", path, "--overwrite")
    assert json.loads(done.out)["reused"] == ["mcp"]

    content = manifest.read(out)
    artifacts = {name: entry["artifacts"][0] for name, entry in content["components"].items()}
    stated = artifacts["mcp"]["options"]
    assert stated["compression"] == "plan"
    assert stated["rules"] == [{"matrices": n, "scheme": s} for n, s in mcp.items()]
    assert sum(form["elements"] for form in stated["forms"].values()) == 278_528
    assert set(stated["forms"]) == {"int4 block 32", "int8"}
    assert 0.005 < stated["relative_error"] < stated["largest_error"] < 0.15
    assert stated["misfits"] == 0
    # Beside the operation map, and sealed as that is.
    name = artifacts["mcp"]["compression_map"]
    assert name in {file["path"] for file in content["files"]}
    matrices = json.loads((out / name).read_text())["matrices"]
    assert len(matrices) == 8
    assert matrices["sequence_refiners.0.conv.pointwise"]["form"] == "int4 block 32"
    assert max(matrix["error"] for matrix in matrices.values()) == stated["largest_error"]
    assert command("verify", out).code == 0
    (out / name).write_text("{}")
    assert command("verify", out).code == 1


@pytest.mark.usefixtures("here")
def test_what_does_not_fit_is_told(command: Command, tmp_path: Path) -> None:
    """Of the names that a pattern fits some are too narrow: they stay exact, and are named."""
    path, out = tmp_path / "plan.json", tmp_path / "out"
    path.write_text(plan(vae_decoder={"*": "int4 block 32"}))
    call = ("export", "miniature", "-o", out, "--only", "vae_decoder", "--compression", path, "-q")
    done = command(*call)
    assert done.code == 0
    (line,) = done.err.splitlines()
    assert "vae_decoder: 9 matrices of " in line
    assert "conv_in (int4 block 32: 8 inputs are no multiple of 32)" in line
    (artifact,) = manifest.read(out)["components"]["vae_decoder"]["artifacts"]
    assert artifact["options"]["misfits"] == 9
    matrices = json.loads((out / artifact["compression_map"]).read_text())["matrices"]
    assert matrices["conv_in"]["misfit"] == "int4 block 32: 8 inputs are no multiple of 32"
    assert matrices["conv_in"]["form"] == "float16"
