"""Send a bundle to a repository of the hub: what would change, and then all of it in one commit.

Files that the hub has by their hash are not sent again, those of an interrupted upload included;
until the commit at the end the repository is what it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mobileo_export.bundle import card, manifest, seal
from mobileo_export.checkpoint import hub, license
from mobileo_export.errors import CheckFailedError, UsageError

MESSAGE = "Upload a bundle made by mobileo-export"
NOTICE = "NOTICE.txt"
_TOKEN = "give a token that may write there, by `hf auth login` or HF_TOKEN"

State = Literal["new", "changed", "there"]


@dataclass(frozen=True)
class UploadedFile:
    """One file, its bytes, and what it is to the repository."""

    path: str
    size: int
    state: State


@dataclass(frozen=True)
class Planned:
    """What an upload does; ``removed`` are files of the bundle that was there."""

    repository: str
    revision: str | None
    exists: bool
    private: bool
    items: tuple[UploadedFile, ...]
    removed: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of all that is not there."""
        return sum(item.size for item in self.items if item.state != "there")


OnFile = Callable[
    [UploadedFile, int, int], None
]  # the file that is begun, its number, and of how many


def plan(bundle: Path, repository: str, revision: str | None, public: bool) -> Planned:
    """Check everything that can be checked before something is sent.

    Raises:
        BundleError: there is no bundle.
        CheckFailedError: its files are not as sealed, or its licence is not the weights'.
        UsageError: the repository cannot be reached, or holds something else.
    """
    if not hub.is_id(repository):
        raise UsageError(f"{repository}: is no hub id; expected OWNER/NAME")
    content = manifest.read(bundle)
    problems = seal.verify(bundle, content)
    if problems:
        raise CheckFailedError(
            f"{bundle}: {len(problems)} of its files are not as sealed ({problems[0].kind} "
            f"{problems[0].path}); {seal.advice(problems)} before you upload it"
        )
    client = hub.client()
    with _explained(repository):
        found = _remote(client, repository, revision)
        _check_visibility(found, public)
        _check_license(client, bundle, content, repository, found, public)
        ours = {item["path"]: (int(item["size"]), str(item["sha256"])) for item in content["files"]}
        path = bundle / manifest.MANIFEST
        ours[manifest.MANIFEST] = (path.stat().st_size, seal.digest(path))
        removed = _removed(client, repository, found, set(ours))
    items = tuple(
        UploadedFile(name, size, _state(bundle / name, sha256, found.files.get(name)))
        for name, (size, sha256) in ours.items()
    )
    return Planned(repository, revision, found.exists, not public, items, removed)


def send(bundle: Path, planned: Planned, message: str, on_file: OnFile) -> str:
    """Do what was planned; the address of the commit.

    Raises:
        UsageError: the hub refuses, or cannot be reached; the same again goes on.
    """
    client = hub.client()
    api, repository, revision = client.HfApi(), planned.repository, planned.revision
    with _explained(repository):
        if not planned.exists:
            api.create_repo(repository, private=planned.private, exist_ok=True)
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        waiting = [item for item in planned.items if item.state != "there"]
        operations: list[Any] = []
        for number, item in enumerate(waiting, 1):
            on_file(item, number, len(waiting))
            added = client.CommitOperationAdd(item.path, str(bundle / item.path))
            api.preupload_lfs_files(repository, [added], revision=revision)
            operations.append(added)
        operations += [client.CommitOperationDelete(path) for path in planned.removed]
        done = api.create_commit(repository, operations, commit_message=message, revision=revision)
        present = _remote(client, repository, revision).files
        missing = [item.path for item in planned.items if item.path not in present]
        if missing:  # as a .gitignore there may have it
            raise UsageError(f"the hub left out {', '.join(missing)}; see the .gitignore there")
    return str(done.commit_url)


@dataclass(frozen=True)
class _Remote:
    """A repository as it is: its files by path, and the revision at which they were seen."""

    exists: bool
    private: bool
    revision: str | None
    files: dict[str, Any]


def _remote(client: Any, repository: str, revision: str | None) -> _Remote:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = client.HfApi()

    def files(at: str | None) -> dict[str, Any]:
        tree = api.list_repo_tree(repository, recursive=True, revision=at)
        return {file.path: file for file in tree if hasattr(file, "blob_id")}

    try:
        private = bool(api.model_info(repository).private)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return _Remote(False, True, None, {})
    try:
        return _Remote(True, private, revision, files(revision))
    except RevisionNotFoundError:  # a branch that is new begins as the main one
        return _Remote(True, private, None, files(None))


def _check_visibility(found: _Remote, public: bool) -> None:
    if found.exists and not found.private and not public:
        raise UsageError("is public; add --public, or choose another repository")
    if found.exists and found.private and public:
        raise UsageError("is private; make it public in its settings, or leave out --public")


def _check_license(
    client: Any,
    bundle: Path,
    content: dict[str, Any],
    repository: str,
    found: _Remote,
    public: bool,
) -> None:
    """Raise CheckFailedError unless all say of the weights what the manifest says."""
    stated, source = content["license"]["weights"], content["source"]
    said: dict[str, str | None] = {}
    if (bundle / card.CARD).is_file():
        said[f"{bundle / card.CARD}"] = license.of_card(_text(bundle / card.CARD))
    if source["name"] and hub.is_id(source["name"]):
        name = source["name"]
        told = _card(client, name, source["revision"]) or license.published(name)
        said[f"the checkpoint {name}"] = told
    if card.CARD in found.files:
        said[f"the model card in {repository}"] = _card(client, repository, found.revision)
    for where, other in said.items():
        if other is not None and other != stated:
            raise CheckFailedError(
                f"{bundle}: states the licence {stated}, but {where} {other}; export it again, or "
                "choose another repository"
            )
    notice = bundle / NOTICE
    if notice.is_file() and f"Licence of the weights: {stated}\n" not in _text(notice):
        raise CheckFailedError(f"{notice}: states another licence than {stated}; export it again")
    if public and stated == license.UNKNOWN:
        raise CheckFailedError(
            f"{bundle}: nobody says how its weights are licensed; state it in the README.md of the "
            "checkpoint and export again, or leave out --public"
        )


def _card(client: Any, repository: str, revision: str | None) -> str | None:
    """The licence that the model card of a repository states; None where there is none to read."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    try:
        path = client.hf_hub_download(repository, card.CARD, revision=revision)
    except (EntryNotFoundError, HfHubHTTPError):
        return None
    return license.of_card(_text(Path(path)))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _removed(client: Any, repository: str, found: _Remote, ours: set[str]) -> tuple[str, ...]:
    """Files of the bundle that is there and that the new one has not; others may not be there."""
    over = sorted(path for path in found.files if path not in ours and not seal.is_stray(path))
    if not over:
        return ()
    listed: set[str] = set()
    if manifest.MANIFEST in found.files:
        path = client.hf_hub_download(repository, manifest.MANIFEST, revision=found.revision)
        listed = {item["path"] for item in manifest.read(Path(path).parent)["files"]}
    foreign = [path for path in over if path not in listed]
    if foreign:
        raise UsageError(
            f"holds other files ({', '.join(foreign[:3])}), which break the seal of a bundle; "
            "choose a repository of its own"
        )
    return tuple(over)


def _state(path: Path, sha256: str, there: Any) -> State:
    if there is None:
        return "new"
    if there.lfs is not None:
        return "there" if there.lfs.sha256 == sha256 else "changed"
    if there.size != path.stat().st_size:
        return "changed"
    blob = hashlib.sha1(b"blob %d\0" % there.size, usedforsecurity=False)
    blob.update(path.read_bytes())
    return "there" if blob.hexdigest() == there.blob_id else "changed"


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """What keeps an upload from going on, in a line."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    with hub.explained(repository, offline=False):
        try:
            yield
        except LocalTokenNotFoundError:
            raise UsageError(f"the hub asks who you are; {_TOKEN}") from None
        except HfHubHTTPError as error:
            raise _refused(error) from error
        except RuntimeError as error:  # of one file; what happened to it is the cause
            if isinstance(error.__cause__, HfHubHTTPError):
                raise _refused(error.__cause__) from error
            raise error.__cause__ or error from None
        except ValueError as error:  # the hub's client finds the model card wanting
            raise UsageError(" ".join(str(error).split())) from error


def _refused(error: Any) -> UsageError:
    status = getattr(error.response, "status_code", None)
    if status in {401, 403}:
        return UsageError(f"the hub answered {status}; {_TOKEN}")
    said = " ".join(str(error).split())[:200]
    return UsageError(f"the hub answered {status} ({said}); the same command goes on where it was")
