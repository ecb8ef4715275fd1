"""Exports from end to end, in real processes: what they write, refuse, and leave behind."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import components
from mobileo_export.bundle import manifest, seal
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError, MissingDependencyError, UsageError
from mobileo_export.export import run as export
from mobileo_export.export import workers
from tests import surgery
from tests.command import Finished, execute
from tests.exports import convert_here

if TYPE_CHECKING:
    from tests.command import Command


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def options(only: str | None, **chosen: Any) -> export.Options:
    return export.Options(components.select(only), **chosen)


@pytest.fixture(scope="module")
def mcp_export(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """``export --only mcp --json`` by the installed program."""
    output = tmp_path_factory.mktemp("export") / "mcp"
    return execute("export", tiny_checkpoint, "--output", output, "--only", "mcp", "--json")


@pytest.fixture(scope="module")
def mcp_bundle(mcp_export: Finished) -> Path:
    return Path(json.loads(mcp_export.out)["output"])


def test_only_one_component(mcp_export: Finished, mcp_bundle: Path, tiny_bundle: Path) -> None:
    assert mcp_export.code == 0
    content = manifest.read(mcp_bundle)
    assert list(content["components"]) == ["mcp"]
    assert names(mcp_bundle) == [
        "NOTICE.txt",
        "README.md",
        "connector.mlpackage",
        "connector.operations.json",
        "manifest.json",
    ]
    assert seal.verify(mcp_bundle, content) == []
    # The same package as in a whole bundle, to the byte.
    whole = contents(tiny_bundle)
    assert contents(mcp_bundle / "connector.mlpackage") == {
        name.removeprefix("connector.mlpackage/"): data
        for name, data in whole.items()
        if name.startswith("connector.mlpackage/")
    }


def test_json_tells_what_was_written(mcp_export: Finished, mcp_bundle: Path) -> None:
    report = json.loads(mcp_export.out)
    listed = manifest.read(mcp_bundle)["files"]
    assert report["bytes"] == sum(item["size"] for item in listed)
    assert 0 < report["components"]["mcp"] < report["bytes"]
    assert report["reused"] == []
    assert 200e6 < report["peak_memory"]["mcp"] < 2e9
    assert report["seconds"] > 0
    (warning,) = report["warnings"]
    assert "nested copies" in warning
    assert "--weights post-trained" in warning
    assert mcp_export.err == f"warning: {warning}\n"


def test_a_second_export_is_equal_to_the_byte(
    tiny_checkpoint: Path, mcp_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, by another process."""
    monkeypatch.setattr(workers, "run", convert_here)
    moved = shutil.copytree(tiny_checkpoint, tmp_path / "elsewhere")
    export.export(
        Checkpoint.open(moved), tmp_path / "again", options("mcp"), log=tmp_path / "again.log"
    )
    assert contents(tmp_path / "again") == contents(mcp_bundle)


def test_the_notice_and_the_log(mcp_bundle: Path) -> None:
    notice = (mcp_bundle / "NOTICE.txt").read_text()
    assert "Licence of the weights: none" in notice
    assert "CC BY-NC-SA" not in notice
    log = mcp_bundle.with_name("mcp.log").read_text()
    assert log.startswith("# log of mobileo-export export\n")
    assert "coremltools" in log


def test_post_trained_weights_change_the_artifact_and_are_recorded(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    made = {}
    for weights in ("released", "post-trained"):
        result = export.export(
            Checkpoint.open(tiny_checkpoint), tmp_path / weights, options("llm", weights=weights)
        )
        assert result.nested is not None
        made[weights] = manifest.read(tmp_path / weights)
        assert made[weights]["source"]["weights"] == weights
        assert "post-trained for others" in result.warnings[-1] or weights != "released"
    digests = {made[weights]["components"]["llm"]["tensors_sha256"] for weights in made}
    assert len(digests) == 2
    released, other = (
        {item["path"]: item["sha256"] for item in made[weights]["files"]} for weights in made
    )
    assert released["llm/model.safetensors"] != other["llm/model.safetensors"]
    assert released["llm/config.json"] == other["llm/config.json"]


def test_options_reach_the_language_model(tiny_checkpoint: Path, tmp_path: Path) -> None:
    chosen = options("llm", llm_bits=4, llm_group_size=32, llm_exceptions={"lm_head": 8})
    export.export(Checkpoint.open(tiny_checkpoint), tmp_path / "out", chosen)
    (artifact,) = manifest.read(tmp_path / "out")["components"]["llm"]["artifacts"]
    assert artifact["weight_precision"] == "4-bit"
    stated = artifact["options"]
    assert (stated["bits"], stated["group_size"], stated["exceptions"]) == (4, 32, {"lm_head": 8})
    assert 5 < stated["bits_per_weight"] < 7


# -- refused before any work ---------------------------------------------------------------------


def refused(command: Command, tmp_path: Path, checkpoint: Path, *more: str) -> str:
    """The error of an export that must not even begin: quickly, and without a trace."""
    before = sorted(tmp_path.rglob("*"))
    finished = command("export", checkpoint, "--output", tmp_path / "out", *more)
    assert finished.code == 2
    assert finished.out == ""
    assert sorted(tmp_path.rglob("*")) == before
    return finished.error()


def test_a_missing_tokenizer_file(command: Command, tiny_copy: Path, tmp_path: Path) -> None:
    (tiny_copy / "tokenizer_config.json").unlink()
    assert "tokenizer_config.json" in refused(command, tmp_path, tiny_copy, "--only", "mcp")


def test_a_pickle(command: Command, tiny_copy: Path, tmp_path: Path) -> None:
    (tiny_copy / "model.safetensors").rename(tiny_copy / "pytorch_model.bin")
    assert "a pickle" in refused(command, tmp_path, tiny_copy)


def test_a_truncated_shard(command: Command, tiny_copy: Path, tmp_path: Path) -> None:
    surgery.shard(tiny_copy)
    os.truncate(tiny_copy / "model-00002-of-00003.safetensors", 5000)
    assert "model-00002-of-00003" in refused(command, tmp_path, tiny_copy)


def test_a_missing_tensor(command: Command, tiny_copy: Path, tmp_path: Path) -> None:
    surgery.change(tiny_copy, {"model.vae.decoder.conv_in.bias": None})
    assert "conv_in.bias is missing" in refused(command, tmp_path, tiny_copy)


@pytest.mark.parametrize("prefix", ["", "base_model.model."], ids=["plain", "nested"])
def test_an_unmerged_adapter(
    command: Command, tiny_copy: Path, tmp_path: Path, prefix: str
) -> None:
    name = f"{prefix}model.layers.0.self_attn.q_proj.lora_A.weight"
    surgery.change(tiny_copy, {name: ("F32", np.zeros((2, 2), "f4"))})
    assert "merge the adapter" in refused(command, tmp_path, tiny_copy)


def test_a_configuration_of_another_model(
    command: Command, tiny_copy: Path, tmp_path: Path
) -> None:
    surgery.configure(tiny_copy, {"diffusion_name_or_path": ...})
    assert "diffusion_name_or_path" in refused(command, tmp_path, tiny_copy)


def test_a_folder_that_is_no_checkpoint(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no checkpoint here" in refused(command, tmp_path, tmp_path / "empty")
    assert "no such folder" in refused(command, tmp_path, tmp_path / "a" / "b" / "c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "mpc"], "unknown component 'mpc'"),
        (["--only", ""], "unknown component"),
        (["--llm-exception", "lm_head"], "PATTERN=BITS"),
        (["--llm-exception", "lm_head=7"], "PATTERN=BITS"),
        (["--llm-exception", "nothing_like_this=8"], "nothing_like_this"),
        (["--revision", "main"], "--revision goes with a hub id"),
    ],
)
def test_an_option_that_cannot_be_used(
    command: Command, tiny_checkpoint: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in refused(command, tmp_path, tiny_checkpoint, *arguments)


def test_no_nested_copies_for_post_trained(
    command: Command, tiny_copy: Path, tmp_path: Path
) -> None:
    tensors = surgery.load(tiny_copy / "model.safetensors")
    surgery.change(tiny_copy, {name: None for name in tensors if name.startswith("base_model.")})
    arguments = ("--weights", "post-trained")
    assert "has no nested copies" in refused(command, tmp_path, tiny_copy, *arguments)


def test_a_parent_that_is_a_file(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    finished = command("export", tiny_checkpoint, "--output", tmp_path / "file" / "out")
    assert finished.code == 2
    assert "is a file" in finished.error()


@pytest.mark.parametrize("dry", [True, False], ids=["--dry-run", "for real"])
def test_a_memory_that_is_too_small(
    command: Command, tiny_checkpoint: Path, tmp_path: Path, dry: bool
) -> None:
    arguments = ["--max-memory", "300MB", *(["--dry-run"] if dry else [])]
    told = refused(command, tmp_path, tiny_checkpoint, *arguments)
    assert "memory, 0.30 GB can be had (--max-memory)" in told
    assert told.startswith(("vision_encoder: ", "dit: ", "mcp: ", "vae_decoder: "))
    told = refused(command, tmp_path, tiny_checkpoint, "--max-memory", "plenty")
    assert "'plenty': expected a size" in told


@pytest.mark.parametrize("dry", [True, False], ids=["--dry-run", "for real"])
def test_a_disk_that_is_too_small(
    command: Command,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dry: bool,
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    arguments = ["--dry-run"] if dry else []
    assert "21.0 MB free" in refused(command, tmp_path, tiny_checkpoint, *arguments)


def test_a_package_that_is_not_installed(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = metadata.version

    def installed(name: str) -> str:
        if name == "coremltools":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", installed)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    with pytest.raises(MissingDependencyError, match=r"needs coremltools: pip install"):
        export.export(checkpoint, tmp_path / "out", options("mcp"))
    assert names(tmp_path) == []
    export.export(checkpoint, tmp_path / "out", options("llm"))  # needs none of it


def test_a_log_that_is_not_ours_is_left_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_text("my own notes\n")
    with pytest.raises(UsageError, match="no log of ours"):
        export.export(Checkpoint.open(tiny_checkpoint), tmp_path / "out", options("llm"), log=log)
    assert log.read_text() == "my own notes\n"
    assert names(tmp_path) == ["out.log"]


# -- dry run -------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("export", tiny_checkpoint, "--output", tmp_path / "out", "--dry-run")
    shown = command(*arguments)
    assert (shown.code, shown.err) == (0, "")
    for name in components.COMPONENTS:
        assert name in shown.out
    report = json.loads(command(*arguments, "--json").out)
    assert [item["component"] for item in report["components"]] == list(components.COMPONENTS)
    assert report["bytes"] >= sum(item["bytes"] for item in report["components"])
    assert names(tmp_path) == []


def test_a_dry_run_says_that_the_output_is_taken(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    arguments = ("export", tiny_checkpoint, "--output", tiny_bundle, "--dry-run")
    assert "--overwrite" in command(*arguments).error()
    assert command(*arguments, "--overwrite").code == 0


# -- failures on the way -------------------------------------------------------------------------


def poison(folder: Path, name: str) -> None:
    dtype, values = surgery.load(folder / "model.safetensors")[name]
    values = values.copy()
    values.reshape(-1)[3] = 0x7FC0  # a bfloat16 NaN
    surgery.change(folder, {name: (dtype, values)})


def test_a_nan_is_found_in_the_worker_and_told_in_one_line(
    command: Command, tiny_copy: Path, tmp_path: Path
) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    poison(tiny_copy, name)
    finished = command("export", tiny_copy, "--output", tmp_path / "out", "--only", "llm", "-q")
    assert finished.code == 2
    assert name in finished.error()
    assert names(tmp_path) == ["out.log", "tiny"]


def test_every_component_that_fails_has_a_line(
    command: Command, tiny_copy: Path, tmp_path: Path
) -> None:
    """Found by their workers, one line each in the order of the registry."""
    poison(tiny_copy, "model.embed_tokens.weight")
    poison(tiny_copy, "model.diffusion_connector.fusion.output_proj.0.weight")
    finished = command("export", tiny_copy, "-o", tmp_path / "out", "--only", "mcp,llm", "-q")
    assert finished.code == 2
    first, second = finished.err.splitlines()
    assert first.startswith("error: ")
    assert "model.diffusion_connector" in first
    assert "model.embed_tokens.weight" in second
    assert names(tmp_path) == ["out.log", "tiny"]


def test_a_failed_replacement_keeps_the_old_bundle(
    tiny_copy: Path, mcp_bundle: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(mcp_bundle, tmp_path / "out")
    poison(tiny_copy, "model.embed_tokens.weight")
    with pytest.raises(CheckpointError):
        export.export(Checkpoint.open(tiny_copy), output, options("llm"), overwrite=True)
    assert contents(output) == contents(mcp_bundle)
    assert names(tmp_path) == ["out", "tiny"]


def test_replacing_leaves_nothing_of_the_old_bundle(
    tiny_checkpoint: Path, mcp_bundle: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(mcp_bundle, tmp_path / "out")
    export.export(Checkpoint.open(tiny_checkpoint), output, options("llm"), overwrite=True)
    assert names(output) == ["NOTICE.txt", "README.md", "llm", "manifest.json"]
    assert seal.verify(output, manifest.read(output)) == []
    assert names(tmp_path) == ["out"]


def test_every_option_reaches_the_conversion(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a job lacks would silently be the default there."""
    jobs: list[dict[str, Any]] = []

    def look(lanes: Any, *_: object, **__: object) -> Any:
        jobs.extend(job for lane in lanes for job in lane.jobs)
        raise UsageError("looked at")

    monkeypatch.setattr(workers, "run", look)
    options = export.Options(components.select("mcp"), precision="float16", source_name="a/b")
    with pytest.raises(UsageError, match="looked at"):
        export.export(Checkpoint.open(tiny_checkpoint), tmp_path / "out", options)
    (job,) = jobs
    lost = {item.name for item in fields(options)} - job.keys()
    assert lost == {"components"}
    assert (job["component"], job["precision"], job["source_name"]) == ("mcp", "float16", "a/b")
    assert json.loads(json.dumps(job)) == job
