"""A bundle that a hub id names: in the hub's cache, as sealed.

The manifest goes into the cache last, after every file that it lists was found to be as sealed, so
that a bundle in the cache was checked once and need not be hashed each time it is used.
"""

from __future__ import annotations

import glob
from importlib import import_module
from pathlib import Path
from typing import Any

from mobileo_export.bundle import manifest, seal
from mobileo_export.checkpoint import hub, recognise
from mobileo_export.errors import CheckFailedError, UsageError
from mobileo_export.processes import debug


def located(
    text: str, revision: str | None = None, *, offline: bool = False, quiet: bool = False
) -> str:
    """The folder of the bundle that a hub id or address names; any other ``text`` as it is.

    What is not in the hub's cache is downloaded, and checked against its manifest.

    Raises:
        UsageError: the repository cannot be reached, or only a part of it is in the cache.
        CheckFailedError: it does not hold what was sealed.
        BundleError: its manifest is damaged.
    """
    if not hub.is_hub_id(text):
        return text
    repository, revision = hub.named(text, revision)
    client = hub.client()
    offline = offline or hub.always_offline()
    with hub.explained(repository, offline):
        if offline:
            return _offline(client, repository, revision) or text
        info = client.HfApi().model_info(repository, revision=revision)
        if manifest.MANIFEST not in {file.rfilename for file in info.siblings or []}:
            return text
        if quiet:
            import_module("huggingface_hub.utils").disable_progress_bars()
        if not _whole(client, repository, info.sha):
            with debug.scratch("mobileo-manifest-") as scratch:
                fetched = {"revision": info.sha, "local_dir": scratch}
                client.hf_hub_download(repository, manifest.MANIFEST, **fetched)
                if not recognise.is_bundle(scratch):
                    return text
                _fetch(client, repository, revision, manifest.read(scratch))
        # By its name, so that the cache knows of --offline which commit a branch was.
        path = client.hf_hub_download(repository, manifest.MANIFEST, revision=revision)
    return str(Path(path).parent)


def _fetch(client: Any, repository: str, revision: str | None, content: dict[str, Any]) -> None:
    """Download what the manifest lists, and check it."""
    names = [glob.escape(item["path"]) for item in content["files"]]
    folder = Path(client.snapshot_download(repository, revision=revision, allow_patterns=names))
    problems = [p for p in seal.verify(folder, content) if p.kind != "extra"]
    if problems:
        raise CheckFailedError(
            f"{repository}: {len(problems)} of its files are not as sealed ({problems[0].kind} "
            f"{problems[0].path}); ask whoever uploaded it, or delete {folder} and try again"
        )


def _offline(client: Any, repository: str, revision: str | None) -> str | None:
    """The bundle in the cache; None if there is no manifest of one."""
    folder = _snapshot(client, repository, revision)
    if folder is None or not recognise.is_bundle(folder):
        return None
    if not _whole(client, repository, revision):
        raise UsageError("not wholly in the hub cache; leave out --offline to download it")
    return str(folder)


def _whole(client: Any, repository: str, revision: str | None) -> bool:
    """Whether the cache has the manifest, which comes last, and every file with its size."""
    folder = _snapshot(client, repository, revision)
    if folder is None or not recognise.is_bundle(folder):
        return False
    files = [(folder / item["path"], item["size"]) for item in manifest.read(folder)["files"]]
    return all(path.is_file() and path.stat().st_size == size for path, size in files)


def _snapshot(client: Any, repository: str, revision: str | None) -> Path | None:
    found = client.try_to_load_from_cache(repository, manifest.MANIFEST, revision=revision)
    return Path(found).parent if isinstance(found, str) else None
