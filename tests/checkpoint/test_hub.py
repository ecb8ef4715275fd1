"""Downloads, from a server on this machine that speaks what the hub's client asks for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from mobileo_export.checkpoint import hub, hub_files
from mobileo_export.checkpoint.files import INDEX
from mobileo_export.errors import MissingDependencyError, UsageError
from tests.loopback_hub import COMMIT, REPOSITORY, Hub, failure, mobileo, run, running, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN = {
    ".gitattributes": b"\n",
    "picture.png": b"\x89PNG",
    "pytorch_model.bin": b"pickle",
    "training_args.bin": b"pickle",
    "onnx/model.onnx": b"onnx",
    "global_step10/mp_rank_00_model_states.pt": b"pickle",
}


# -- which files are needed ----------------------------------------------------------------------

TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]


def test_a_checkpoint_at_the_root() -> None:
    files = ["config.json", "model.safetensors", *TOKENIZER, "added_tokens.json"]
    assert hub_files.needed([*FOREIGN, *files]) == files


def test_shards_with_their_index() -> None:
    files = ["config.json", "model.safetensors.index.json"]
    files += [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    extra = ["model.fp16.safetensors", "optimizer.safetensors", "adapter_model.safetensors"]
    assert hub_files.needed(files + extra) == files


def test_a_checkpoint_in_one_folder() -> None:
    folder = "final_merged_model_23620"
    files = [f"{folder}/{name}" for name in ("config.json", "model.safetensors", *TOKENIZER)]
    foreign = [f"{folder}/{name}" for name in FOREIGN] + ["config.json", "assets/config.json"]
    assert hub_files.needed(files + foreign) == files


def test_chat_templates_travel_with_the_tokenizer() -> None:
    files = ["model.safetensors", "chat_template.jinja", "special_tokens_map.json"]
    assert hub_files.needed(files) == files


@pytest.mark.parametrize("folder", ["", "merged/"])
def test_a_diffusers_folder_beside_the_weights(folder: str) -> None:
    files = [f"{folder}{name}" for name in ("config.json", "model.safetensors")]
    files += [f"{folder}sana/{part}/config.json" for part in ("transformer", "vae")]
    files += [f"{folder}sana/scheduler/scheduler_config.json"]
    weights = [f"{folder}sana/transformer/diffusion_pytorch_model.safetensors"]
    assert hub_files.needed(files + weights) == files


def test_weights_at_the_root_win_over_older_ones_below() -> None:
    files = ["config.json", "model.safetensors"]
    assert hub_files.needed([*files, "sft/config.json", "sft/model.safetensors"]) == files


def test_several_checkpoints_are_not_downloaded_on_suspicion() -> None:
    files = [f"{stage}/{name}" for stage in ("sft", "post") for name in ("model.safetensors",)]
    with pytest.raises(UsageError, match=r"several checkpoints \(post, sft\)"):
        hub_files.needed(files)


@pytest.mark.parametrize(
    "files", [[], list(FOREIGN), ["config.json", *TOKENIZER], ["a/b/c/model.safetensors"]]
)
def test_without_weights_nothing_is_needed(files: list[str]) -> None:
    assert hub_files.needed(files) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Amshaker/Mobile-O-0.5B", True),
        ("a/b", True),
        ("folder", False),
        ("./a/b", False),
        ("/a/b", False),
        ("a/b/c", False),
        ("../b", False),
        ("a/b/", False),
        ("a b/c", False),
        ("a/" + "b" * 97, False),
    ],
)
def test_what_can_be_a_hub_id(text: str, expected: bool) -> None:
    assert hub.is_hub_id(text) is expected


def test_a_folder_of_that_name_is_no_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert not hub.is_hub_id("a/b")


# -- a hub on this machine -----------------------------------------------------------------------


@pytest.fixture
def server(tiny_checkpoint: Path) -> Iterator[Hub]:
    files = {
        path.relative_to(tiny_checkpoint).as_posix(): path.read_bytes()
        for path in tiny_checkpoint.rglob("*")
        if path.is_file()
    }
    card = {"README.md": b"---\nlicense: mit\n---\n# card\n"}
    with running(files | FOREIGN | card) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def export(output: Path, *more: str) -> tuple[str, ...]:
    return ("export", REPOSITORY, "--output", str(output), "--only", "llm", "--json", *more)


def test_download_export_and_offline(server: Hub, home: Path, tmp_path: Path) -> None:
    offline = mobileo(home, server.address, *export(tmp_path / "a", "--offline"))
    assert "not (or not wholly) in the hub cache" in failure(offline)
    assert server.fetched == []

    done = started(home, server.address, *export(tmp_path / "b"))
    assert done.returncode == 0, done.stderr
    assert sorted(server.fetched) == sorted(server.files.keys() - FOREIGN.keys())
    source = json.loads((tmp_path / "b" / "manifest.json").read_text())["source"]
    assert (source["name"], source["revision"]) == (REPOSITORY, COMMIT)

    server.fetched.clear()
    server.status = 500
    for number, revision in enumerate(([], ["--revision", COMMIT], ["--revision", "main"])):
        output = tmp_path / f"offline{number}"
        done = mobileo(home, server.address, *export(output, "--offline", *revision))
        assert done.returncode == 0, done.stderr
        again = json.loads((output / "manifest.json").read_text())["source"]
        assert again == source
    assert server.fetched == []


def test_a_cache_without_all_that_is_needed_is_not_taken_for_whole(
    server: Hub, home: Path, tmp_path: Path
) -> None:
    assert mobileo(home, server.address, "inspect", REPOSITORY, "--json").returncode == 0
    (snapshot,) = home.glob("hub/models--*/snapshots/*")
    (snapshot / "generation_config.json").unlink()
    done = mobileo(home, server.address, *export(tmp_path / "a", "--offline"))
    assert "not (or not wholly) in the hub cache" in failure(done)


def test_a_checkpoint_in_a_folder_of_the_repository(
    server: Hub, home: Path, tmp_path: Path
) -> None:
    server.files = {
        (name if name in FOREIGN else f"final_merged_model/{name}"): content
        for name, content in server.files.items()
    }
    done = mobileo(home, server.address, "inspect", REPOSITORY, "--json", "--revision", "main")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"].endswith(f"snapshots/{COMMIT}/final_merged_model")
    assert not set(server.fetched) & FOREIGN.keys()


def test_a_dry_run_says_what_it_would_download(server: Hub, home: Path, tmp_path: Path) -> None:
    output = tmp_path / "bundle"
    dry = ("export", REPOSITORY, "-o", str(output), "--only", "llm", "--dry-run")
    done = mobileo(home, server.address, *dry)
    assert done.returncode == 0, done.stderr
    assert f"files of {REPOSITORY} at {COMMIT}, then write {output};" in done.stdout
    needed = {name: len(data) for name, data in server.files.items() if name not in FOREIGN}
    told = json.loads(mobileo(home, server.address, *dry, "--json").stdout)
    assert told["download"] == {
        "repository": REPOSITORY,
        "revision": COMMIT,
        "files": needed,
        "bytes": sum(needed.values()),
    }
    merge = ("merge-lora", "--base", REPOSITORY, "-o", str(output), "--dry-run")
    merged = mobileo(home, server.address, *merge, "--weights", "post-trained")
    assert merged.stdout.startswith("would download "), merged.stderr
    assert server.fetched == []
    assert not output.exists()
    assert mobileo(home, server.address, "inspect", REPOSITORY, "--json").returncode == 0
    planned = mobileo(home, server.address, *dry)
    assert f"would write {output}, from " in planned.stdout, planned.stderr


def test_what_can_be_known_is_known_before_a_download(
    server: Hub, home: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("")
    for arguments in (
        ("export", REPOSITORY, "-o", str(taken)),
        ("export", REPOSITORY, "-o", str(tmp_path / "b"), "--max-memory", "2"),
        ("export", REPOSITORY, "-o", str(tmp_path / "b"), "--llm-exception", "nonsense"),
        ("merge-lora", "--base", REPOSITORY, "-o", str(taken), "--weights", "post-trained"),
        ("merge-lora", "--base", REPOSITORY, "-o", str(tmp_path / "b"), "--adapter", "absent"),
    ):
        failure(mobileo(home, server.address, *arguments))
    assert server.fetched == []


def test_an_address_of_the_hub(server: Hub, home: Path) -> None:
    address = f"https://huggingface.co/{REPOSITORY}/tree/{COMMIT}"
    done = mobileo(home, server.address, "inspect", address, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"].endswith(f"snapshots/{COMMIT}")


@pytest.mark.parametrize(
    ("text", "revision", "expected"),
    [
        ("https://huggingface.co/a/b", None, ("a/b", None)),
        ("https://huggingface.co/a/b/", "v1", ("a/b", "v1")),
        ("http://www.huggingface.co/a/b?library=x", None, ("a/b", None)),
        ("https://hf.co/a/b/tree/main", None, ("a/b", "main")),
        ("https://hf.co/a/b/tree/main", "main", ("a/b", "main")),
        ("https://huggingface.co/a/b/tree/refs%2Fpr%2F1", None, ("a/b", "refs/pr/1")),
        ("a/b", "v1", ("a/b", "v1")),
        ("a/b@v1", None, ("a/b", "v1")),
        ("a/b@v1", "v1", ("a/b", "v1")),
        ("a/b@refs/pr/1", None, ("a/b", "refs/pr/1")),
        ("a@b/c", None, ("a@b/c", None)),
        ("./folder", None, ("./folder", None)),
    ],
)
def test_names_and_addresses(
    text: str, revision: str | None, expected: tuple[str, str | None]
) -> None:
    assert hub.named(text, revision) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/datasets/a/b",
        "https://huggingface.co/a",
        "https://huggingface.co/a/b/blob/main/config.json",
        "https://huggingface.co/a/b/tree/main/folder",
        "https://huggingface.co.evil.example/a/b",
        "https://example.org/a/b",
        "file:///a/b",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address of a model; expected https://hugg"):
        hub.resolve(text, None, offline=False, quiet=True)


def test_two_revisions_are_refused() -> None:
    with pytest.raises(UsageError, match="another revision than --revision v2"):
        hub.named("https://huggingface.co/a/b/tree/v1", "v2")
    with pytest.raises(UsageError, match="another revision than --revision v2"):
        hub.named("a/b@v1", "v2")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the hub answered 401; it does not exist, or needs `hf auth login`"),
        (403, "the hub answered 403; accept its terms"),
        (404, "the hub answered 404; no such repository or revision"),
        (400, "the hub answered 400; try again later"),
    ],
)
def test_answers_that_are_refusals(server: Hub, home: Path, status: int, message: str) -> None:
    server.status = status
    line = failure(mobileo(home, server.address, "inspect", REPOSITORY))
    assert line.startswith(f"error: {REPOSITORY}: {message}")


def test_an_unknown_revision(server: Hub, home: Path) -> None:
    done = mobileo(home, server.address, "inspect", REPOSITORY, "--revision", "v9")
    assert "the hub answered 404; no such repository or revision" in failure(done)


def test_no_server(home: Path) -> None:
    done = mobileo(home, "http://127.0.0.1:9", "inspect", REPOSITORY)
    assert "the hub cannot be reached" in failure(done)


def test_a_repository_of_pickles(server: Hub, home: Path) -> None:
    server.files = {"config.json": b"{}", **FOREIGN}
    done = mobileo(home, server.address, "inspect", REPOSITORY)
    assert f"{REPOSITORY}: the repository holds no safetensors checkpoint" in failure(done)
    assert server.fetched == []


def test_a_name_that_the_client_refuses(server: Hub, home: Path) -> None:
    done = mobileo(home, server.address, "inspect", "some..body/model")
    assert "no such folder, and no hub id" in failure(done)


def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        hub.resolve(REPOSITORY, None, offline=False, quiet=True)


def test_a_folder_is_opened_without_any_hub(
    monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    source = hub.resolve(str(tiny_checkpoint), None, offline=False, quiet=True)
    assert (source.name, source.revision) == (None, None)
    with pytest.raises(UsageError, match="goes with a hub id"):
        hub.resolve(str(tiny_checkpoint), "main", offline=False, quiet=True)


def test_a_bundle_from_the_cache_is_as_sealed(server: Hub, home: Path, tiny_bundle: Path) -> None:
    """The links are those that the hub's own client makes."""
    server.files = {
        path.relative_to(tiny_bundle).as_posix(): path.read_bytes()
        for path in tiny_bundle.rglob("*")
        if path.is_file()
    } | {".gitattributes": b"*.bin filter=lfs\n"}
    code = f"import huggingface_hub as h; print(h.snapshot_download({REPOSITORY!r}))"
    folder = run(home, server.address, "-c", code).stdout.strip()
    done = mobileo(home, server.address, "verify", folder)
    assert done.returncode == 0, done.stderr
    assert "left aside, no part of the bundle: .gitattributes" in done.stdout


def test_an_unreachable_hub_suggests_what_the_cache_holds(server: Hub, home: Path) -> None:
    assert mobileo(home, server.address, "inspect", REPOSITORY, "--json").returncode == 0
    done = mobileo(home, "http://127.0.0.1:9", "inspect", REPOSITORY)
    assert "the cache holds a copy: --offline uses it" in failure(done)
    server.status = 503
    done = mobileo(home, server.address, "inspect", REPOSITORY)
    assert "the cache holds a copy: --offline uses it" in failure(done)


def test_shards_beside_a_single_file_are_not_downloaded() -> None:
    both = ["config.json", "model.safetensors", INDEX, "model-00001-of-00001.safetensors"]
    assert hub_files.needed(both) == both[:3]
