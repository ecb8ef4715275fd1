"""Checkpoints on the Hugging Face hub: which files are needed, and where they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mobileo_export.checkpoint import INDEX, Checkpoint
from mobileo_export.errors import MissingDependencyError, UsageError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# Everything a checkpoint is read from; pickles, pictures and optimizer states stay where they are.
_WANTED = (
    "config.json",
    "model.safetensors",
    INDEX,
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "generation_config.json",
    "preprocessor_config.json",
)
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@dataclass(frozen=True)
class Source:
    """An opened checkpoint and where it came from; ``name`` and ``revision`` only for the hub."""

    checkpoint: Checkpoint
    name: str | None
    revision: str | None


def is_hub_id(text: str) -> bool:
    """Whether ``text`` can only mean a repository: ``owner/name``, and no such folder here."""
    return _HUB_ID.fullmatch(text) is not None and not Path(text).exists()


def resolve(text: str, revision: str | None, offline: bool, quiet: bool) -> Source:
    """Open a checkpoint folder, or download what is needed of a hub repository and open that.

    Raises:
        UsageError: neither exists, or the repository cannot be reached.
        CheckpointError: it holds no usable checkpoint.
    """
    if is_hub_id(text):
        folder, commit = download(text, revision, offline, quiet)
        return Source(Checkpoint.open(folder), text, commit)
    if revision is not None:
        raise UsageError(f"{text}: --revision goes with a hub id, not with a folder")
    return Source(Checkpoint.open(Path(text)), None, None)


def needed(files: list[str]) -> list[str]:
    """Of a repository's files, those that a checkpoint is read from.

    A checkpoint lies at the root or in one folder below it; local diffusers folders count too.
    """
    wanted = []
    for name in files:
        path = PurePosixPath(name)
        if path.name in _WANTED or _SHARD.fullmatch(path.name):
            if len(path.parts) <= 2:
                wanted.append(name)
        elif path.name == "scheduler_config.json" and len(path.parts) <= 4:
            wanted.append(name)
        if path.name == "config.json" and len(path.parts) in {3, 4} and name not in wanted:
            wanted.append(name)
    return wanted


def download(
    repository: str, revision: str | None, offline: bool, quiet: bool
) -> tuple[Path, str | None]:
    """Fetch the needed files into the hub's cache; the snapshot folder and its commit.

    Raises:
        UsageError: the repository does not exist, is gated, or cannot be reached.
    """
    hub = _import_hub()
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if quiet:
        hub.utils.disable_progress_bars()
    try:
        if offline:
            folder = hub.snapshot_download(repository, revision=revision, local_files_only=True)
            return Path(folder), Path(folder).name
        info = hub.HfApi().model_info(repository, revision=revision)
        names = needed([file.rfilename for file in info.siblings or []])
        if not names:
            raise UsageError(f"{repository}: the repository holds no safetensors checkpoint")
        folder = hub.snapshot_download(repository, revision=info.sha, allow_patterns=names)
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"{repository}: not in the hub cache; leave out --offline to download it"
        ) from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        hint = {
            401: "it does not exist, or needs `hf auth login`",
            403: "accept its terms on the hub and `hf auth login`",
            404: "no such repository or revision",
        }.get(status or 0, "try again later")
        raise UsageError(f"{repository}: the hub answered {status}; {hint}") from error
    except (OSError, _network_errors()) as error:
        raise UsageError(
            f"{repository}: the hub cannot be reached ({type(error).__name__}); "
            "check the network, or name a checkpoint folder"
        ) from error
    return Path(folder), info.sha


def _import_hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise MissingDependencyError(
            "downloading needs huggingface_hub: pip install 'mobileo-export[export]'"
        ) from None
    return huggingface_hub


def _network_errors() -> Any:
    # huggingface_hub 1.x raises its HTTP client's own errors when there is no connection.
    for client in ("httpx2", "httpx", "requests"):
        try:
            module: Any = __import__(client)
        except ImportError:
            continue
        found = getattr(module, "HTTPError", None) or getattr(module, "RequestException", None)
        if found is not None:
            return found
    return OSError
