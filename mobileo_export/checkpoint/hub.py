"""Checkpoints by name: the shipped miniature, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mobileo_export import assets
from mobileo_export.checkpoint import license
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.hub_files import needed
from mobileo_export.errors import MissingDependencyError, UsageError
from mobileo_export.processes import extras

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PINNED = re.compile(rf"({_HUB_ID.pattern})@([^@\s]+)")
_ADDRESS = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+)"
    r"(?:/tree/([^/?#]+))?/?(?:[?#].*)?"
)


@dataclass(frozen=True)
class FoundCheckpoint:
    """An opened checkpoint and where it came from; a folder has neither name nor revision."""

    checkpoint: Checkpoint
    name: str | None
    revision: str | None


def named(text: str, revision: str | None) -> tuple[str, str | None]:
    """``text`` and ``revision``, or what the address of a repository in ``text`` says.

    ``https://huggingface.co/OWNER/NAME/tree/REVISION`` and ``OWNER/NAME@REVISION`` are OWNER/NAME
    at REVISION.

    Raises:
        UsageError: it is another address, or both name a revision.
    """
    if "://" not in text:
        pinned = _PINNED.fullmatch(text)
        if pinned is None or Path(text).exists():
            return text, revision
        if revision not in {None, pinned[2]}:
            raise UsageError(f"{text}: names another revision than --revision {revision}")
        return pinned[1], pinned[2]
    found = _ADDRESS.fullmatch(text)
    if found is None or _HUB_ID.fullmatch(found[1]) is None:
        raise UsageError(
            f"{text}: is no address of a model; expected https://huggingface.co/OWNER/NAME or "
            "https://huggingface.co/OWNER/NAME/tree/REVISION"
        )
    stated = unquote(found[2]) if found[2] else None
    if stated is not None and revision not in {None, stated}:
        raise UsageError(f"{text}: names another revision than --revision {revision}")
    return found[1], stated or revision


def is_id(text: str) -> bool:
    """Whether ``text`` has the form ``owner/name``."""
    return _HUB_ID.fullmatch(text) is not None


def is_hub_id(text: str) -> bool:
    """Whether ``text`` can only mean a repository: ``owner/name``, and no such folder here.

    ``owner/name@revision`` and an address mean one too.
    """
    if "://" in text:
        return True
    known = _HUB_ID.fullmatch(text) or _PINNED.fullmatch(text)
    return known is not None and not Path(text).exists()


def is_name(text: str) -> bool:
    """Whether ``text`` names a checkpoint otherwise than by its folder."""
    return text == assets.MINIATURE or is_hub_id(text)


def resolve(text: str, revision: str | None, offline: bool, quiet: bool) -> FoundCheckpoint:
    """Open the shipped miniature, a checkpoint folder, or what is needed of a hub repository.

    A repository is named as ``owner/name`` or by its address, see :func:`named`.

    ``miniature`` is always the shipped one; a folder of that name is ``./miniature``.

    Raises:
        UsageError: neither exists, or the repository cannot be reached.
        CheckpointError: it holds no usable checkpoint.
    """
    repository = is_hub_id(text)
    text, revision = named(text, revision)
    if repository:
        folder, commit = download(text, revision, offline, quiet)
        opened = Checkpoint.open(folder)
        opened.origin = text
        return FoundCheckpoint(opened, text, commit)
    if revision is not None:
        raise UsageError(f"{text}: --revision goes with a hub id, not with a folder")
    if text == assets.MINIATURE:
        return FoundCheckpoint(Checkpoint.open(assets.miniature()), text, None)
    return FoundCheckpoint(Checkpoint.open(Path(text)), None, None)


def download(
    repository: str, revision: str | None, offline: bool, quiet: bool
) -> tuple[Path, str | None]:
    """Fetch the needed files into the hub's cache; the snapshot folder and its commit.

    Raises:
        UsageError: the repository does not exist, is gated, holds no checkpoint, cannot be
            reached, or (offline) is not in the cache.
    """
    hub = client()
    offline = offline or always_offline()
    if quiet:
        import_module("huggingface_hub.utils").disable_progress_bars()
    with explained(repository, offline):
        if offline:
            folder = _cached(hub, repository, revision)
        else:
            # Asked for by name, the cache remembers which commit a branch was, for --offline.
            names = _asked(hub, repository, revision).sizes
            folder = hub.snapshot_download(
                repository, revision=revision, allow_patterns=[glob.escape(n) for n in names]
            )
    return Path(folder), Path(folder).name


@dataclass(frozen=True)
class Pending:
    """What a repository's checkpoint would take to download; ``sizes`` is by file, in bytes."""

    repository: str
    revision: str
    sizes: dict[str, int]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(self.sizes.values())


def pending(text: str, revision: str | None, offline: bool) -> Pending | None:
    """What :func:`resolve` would download; None when all of it is here.

    Raises:
        UsageError: as :func:`download`.
    """
    if not is_hub_id(text) or offline or always_offline():
        return None
    repository, revision = named(text, revision)
    hub = client()
    with explained(repository, offline):
        found = _asked(hub, repository, revision)
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(
            hub.snapshot_download(
                repository,
                revision=found.revision,
                local_files_only=True,
                allow_patterns=[glob.escape(name) for name in found.sizes],
            )
        )
    except LocalEntryNotFoundError:
        return found
    return None if all((folder / name).is_file() for name in found.sizes) else found


def _asked(hub: Any, repository: str, revision: str | None) -> Pending:
    """The needed files, as the hub lists them."""
    info = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    names = needed(list(sizes))
    if not names:
        raise UsageError("the repository holds no safetensors checkpoint")
    return Pending(repository, str(info.sha), {name: sizes[name] for name in names})


def always_offline() -> bool:
    """Whether the environment forbids the network to the hub's client."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return False
    return bool(constants.HF_HUB_OFFLINE)


@contextmanager
def explained(repository: str, offline: bool) -> Iterator[None]:
    """What the hub's client raises, as a UsageError that says what to do."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    unreachable: Any = (ConnectionError, TimeoutError, LocalEntryNotFoundError, *_network_errors())
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{repository}: {error}") from None
    except HFValidationError as error:
        raise UsageError(f"{repository}: no such folder, and no hub id ({error})") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        hint = {
            401: "it does not exist, or needs `hf auth login`; no folder has this name either",
            403: "accept its terms on the hub and `hf auth login`",
            404: "no such repository or revision; no folder has this name either",
        }.get(status or 0, f"try again later; {_instead(repository)}")
        raise UsageError(f"{repository}: the hub answered {status}; {hint}") from error
    except unreachable as error:
        if offline and isinstance(error, LocalEntryNotFoundError):
            raise UsageError(
                f"{repository}: not (or not wholly) in the hub cache; "
                "leave out --offline to download it"
            ) from error
        raise UsageError(
            f"{repository}: the hub cannot be reached ({type(error).__name__}); "
            f"check the network; {_instead(repository)}"
        ) from error


def _instead(repository: str) -> str:
    """What can be done without the hub."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE, f"models--{repository.replace('/', '--')}", "snapshots")
    if any(folder.rglob("*.safetensors")):
        return "the cache holds a copy: --offline uses it"
    return "or name a folder"


def _cached(hub: Any, repository: str, revision: str | None) -> str:
    """The snapshot in the cache, complete as far as it is needed."""
    patterns = None
    # huggingface_hub 2 remembers the repository's list of files and calls a snapshot without the
    # pickles and pictures incomplete, unless it is asked for the needed files only.
    if hasattr(hub, "get_cached_repo_tree"):
        from huggingface_hub.errors import CachedRepoTreeNotFoundError

        try:
            tree = hub.get_cached_repo_tree(repository, revision=revision)
            names = needed([file.path for file in tree])
            patterns = [glob.escape(name) for name in names if name != license.CARD]
        except CachedRepoTreeNotFoundError:
            patterns = None  # downloaded by an earlier release
    folder: str = hub.snapshot_download(
        repository, revision=revision, local_files_only=True, allow_patterns=patterns or None
    )
    return folder


def client() -> Any:
    """The hub's client.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise MissingDependencyError(f"the hub needs {extras.lacks(['huggingface_hub'])}") from None
    return huggingface_hub


def _network_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub's HTTP client (its name depends on the release) raises itself."""
    found = []
    for client in ("httpx2", "httpx"):
        try:
            found.append(import_module(client).HTTPError)
        except ImportError:
            continue
    return tuple(found)
