"""Which files of a hub's repository a checkpoint is read from."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mobileo_export.checkpoint import license, tokenizer_files
from mobileo_export.checkpoint.files import INDEX, SINGLE
from mobileo_export.errors import UsageError

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
# All that a checkpoint is read from beside its weights; pickles, pictures and optimizer states
# stay where they are.
_TEXTS = {
    "config.json",
    license.CARD,
    tokenizer_files.CONFIG,
    tokenizer_files.FAST,
    *tokenizer_files.SLOW,
    *tokenizer_files.OPTIONAL,
}
_SCHEDULER = "scheduler_config.json"


def needed(files: list[str]) -> list[str]:
    """Of a repository's files, those that a checkpoint is read from; empty without weights.

    A checkpoint lies at the root, or in one folder below it. The diffusers folder that its
    configuration may name (``NAME/vae/config.json`` and so on) lies beside its weights.

    Raises:
        UsageError: several folders hold weights, and none of them is the root.
    """
    paths = [PurePosixPath(name) for name in files]
    weights = [path for path in paths if _is_weights(path.name) and len(path.parts) <= 2]
    folders = sorted({path.parent for path in weights})
    if not folders:
        return []
    root = PurePosixPath()
    if len(folders) > 1 and root not in folders:
        raise UsageError(
            f"the repository holds several checkpoints ({', '.join(map(str, folders))}); "
            "download one of them and name its folder"
        )
    folder = root if root in folders else folders[0]
    wanted = {str(path) for path in weights if path.parent == folder} | {license.CARD}
    if str(folder / SINGLE) in wanted:  # it is read, whatever shards lie beside it
        wanted &= {str(folder / SINGLE), str(folder / INDEX)}
    for path in paths:
        inside = path.relative_to(folder) if path.is_relative_to(folder) else None
        if inside is None:
            continue
        beside = len(inside.parts) == 1 and path.name in _TEXTS
        diffusers = len(inside.parts) == 3 and path.name in {"config.json", _SCHEDULER}
        if beside or diffusers:
            wanted.add(str(path))
    return [name for name in files if name in wanted]


def _is_weights(name: str) -> bool:
    return name in {INDEX, "model.safetensors"} or _SHARD.fullmatch(name) is not None
