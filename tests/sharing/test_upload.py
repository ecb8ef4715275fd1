"""Bundles sent to a hub on this machine, and used from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle import manifest, seal
from mobileo_export.errors import UsageError
from mobileo_export.sharing import download
from tests.loopback_hub import COMMIT, LARGE, REPOSITORY, Hub, failure, mobileo, running, started

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Hub]:
    with running({}) as found:
        found.exists = False
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cache, and a token as `hf auth login` leaves it."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "token").write_text("hf_x")
    return tmp_path / "hub"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def resealed(bundle: Path, change: Any) -> None:
    content = manifest.read(bundle)
    change(content)
    for item in content["files"]:
        path = bundle / item["path"]
        item |= {"size": path.stat().st_size, "sha256": seal.digest(path)}
    (bundle / manifest.MANIFEST).write_text(manifest.dumps(content))


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    return line


def test_there_and_back(server: Hub, home: Path, bundle: Path, tmp_path: Path) -> None:
    dry = mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"of {bundle} to {REPOSITORY}, which would be made, private" in dry.stdout
    assert not server.exists
    assert not server.sent
    assert not server.commits

    done = started(home, server.address, "upload", str(bundle), REPOSITORY, "-m", "mine")
    assert done.returncode == 0, done.stderr
    assert "sent " in done.stdout
    assert f"of {len(server.files)}: manifest.json" in done.stderr
    assert server.private
    assert server.files == contents(bundle)
    assert [(c["summary"], c["revision"]) for c in server.commits] == [("mine", "main")]

    again = mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--dry-run", "--json")
    told = json.loads(again.stdout)
    assert told["bytes"] == 0
    assert {item["state"] for item in told["items"]} == {"there"}

    # Taken from there by its id, at a revision, and without the network afterwards.
    for source in (REPOSITORY, f"{REPOSITORY}@{COMMIT}"):
        verified = mobileo(home, server.address, "verify", source)
        assert verified.returncode == 0, verified.stderr
        assert f"{source}: {len(server.files) - 1} files" in verified.stdout
        assert f"note: {source}: {home}" in verified.stderr
    shown = mobileo(home, server.address, "inspect", REPOSITORY, "--json")
    assert json.loads(shown.stdout)["kind"] == "bundle"
    server.fetched.clear()
    server.status = 500
    drawn = started(
        home, server.address, "generate", REPOSITORY, "a circle", "-o", str(tmp_path / "out.png"),
        "--offline", "--steps", "1", "--quiet",
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "out.png").is_file()
    assert server.fetched == []
    (snapshot,) = home.glob("hub/models--*/snapshots/*")
    (snapshot / "NOTICE.txt").unlink()
    partial = mobileo(home, server.address, "verify", REPOSITORY, "--offline")
    assert "not wholly in the hub cache" in failure(partial)


def test_an_interrupted_upload_goes_on(server: Hub, home: Path, bundle: Path) -> None:
    large = {
        hashlib.sha256(data).hexdigest() for data in contents(bundle).values() if len(data) >= LARGE
    }
    server.most = 2
    failed = mobileo(home, server.address, "upload", str(bundle), REPOSITORY)
    assert "the hub answered 507" in failure(failed)
    assert "goes on where it was" in failed.stderr
    assert server.files == {}
    assert server.commits == []
    server.most = None
    done = mobileo(home, server.address, "upload", str(bundle), REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert sorted(server.sent) == sorted(large)  # each once
    assert server.files == contents(bundle)


def test_what_was_there_before(server: Hub, home: Path, bundle: Path) -> None:
    server.exists = True
    former = {**contents(bundle), ".gitattributes": b"x"}
    content = json.loads(former["manifest.json"])
    content["files"].append({"path": "golden/index.json", "size": 2, "sha256": "0" * 64})
    former |= {"golden/index.json": b"{}", "manifest.json": json.dumps(content).encode()}
    server.files = {**former, "weights.bin": b"?"}
    line = failure(mobileo(home, server.address, "upload", str(bundle), REPOSITORY))
    assert "holds other files (weights.bin), which break the seal" in line
    server.files = former
    done = mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--revision", "next")
    assert done.returncode == 0, done.stderr
    assert server.files == {**contents(bundle), ".gitattributes": b"x"}
    assert server.branches == ["next"]
    assert len(server.sent) == 1  # the manifest


def test_who_may_see_it(server: Hub, home: Path, bundle: Path) -> None:
    done = mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--public", "-q")
    assert done.returncode == 0, done.stderr
    assert not server.private
    line = failure(mobileo(home, server.address, "upload", str(bundle), REPOSITORY))
    assert "is public; add --public" in line
    server.private = True
    line = failure(mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--public"))
    assert "is private; make it public in its settings" in line


def test_a_broken_seal_is_refused(server: Hub, home: Path, bundle: Path) -> None:
    (bundle / "NOTICE.txt").write_text("?")
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY), 1)
    assert "not as sealed (size NOTICE.txt)" in line
    assert not server.exists


def test_a_licence_that_does_not_match_is_refused(
    server: Hub, home: Path, bundle: Path, tmp_path: Path
) -> None:
    """Of the card, the notice, a published checkpoint, the repository; and one nobody knows."""
    resealed(bundle, lambda content: content["license"].update(weights="MIT"))
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY), 1)
    assert "states the licence MIT, but" in line
    assert "README.md none" in line
    (bundle / "README.md").write_text("---\nlicense: mit\n---\n")
    resealed(bundle, lambda content: None)
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY), 1)
    assert "NOTICE.txt: states another licence than MIT" in line
    (bundle / "NOTICE.txt").write_text("Licence of the weights: MIT\n")
    resealed(bundle, lambda content: content["source"].update(name="Amshaker/Mobile-O-0.5B"))
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY), 1)
    assert "but the checkpoint Amshaker/Mobile-O-0.5B CC-BY-NC-SA-4.0" in line
    resealed(bundle, lambda content: content["source"].update(name=None))
    server.exists = True
    server.files = {"README.md": b"---\nlicense: apache-2.0\n---\n"}
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY), 1)
    assert f"the model card in {REPOSITORY} Apache-2.0" in line
    server.exists = False
    (bundle / "README.md").write_text("---\nlicense: unknown\n---\n")
    (bundle / "NOTICE.txt").write_text("Licence of the weights: unknown\n")
    resealed(bundle, lambda content: content["license"].update(weights="unknown"))
    line = refused(mobileo(home, server.address, "upload", str(bundle), REPOSITORY, "--public"), 1)
    assert "nobody says how its weights are licensed" in line


def test_refusals_of_the_hub(server: Hub, home: Path, bundle: Path) -> None:
    server.exists = True
    server.status = 403
    line = failure(mobileo(home, server.address, "upload", str(bundle), REPOSITORY))
    assert "the hub answered 403" in line
    line = failure(mobileo(home, "http://127.0.0.1:9", "upload", str(bundle), REPOSITORY))
    assert "the hub cannot be reached" in line
    line = failure(mobileo(home, server.address, "upload", str(bundle), "../x"))
    assert "../x: is no hub id; expected OWNER/NAME" in line


def test_what_is_not_as_sealed_does_not_become_a_bundle(
    server: Hub, home: Path, bundle: Path
) -> None:
    server.exists = True
    server.files = contents(bundle)
    whole = server.files["NOTICE.txt"]
    server.files["NOTICE.txt"] = bytes(len(whole))
    for _ in range(2):  # what was found once is found again
        line = refused(mobileo(home, server.address, "verify", REPOSITORY), 1)
        assert "1 of its files are not as sealed (content NOTICE.txt)" in line
    offline = mobileo(home, server.address, "verify", REPOSITORY, "--offline")
    assert offline.returncode == 2


def test_other_sources_are_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("folder", "./a/b", "miniature", str(tmp_path)):
        assert download.located(text) == text
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert download.located("a/b") == "a/b"
    with pytest.raises(UsageError, match="is no address of a model"):
        download.located("https://example.org/a/b")
