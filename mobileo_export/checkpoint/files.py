"""The files of a checkpoint: in which folder they lie, and which tensors they hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.recognise import is_bundle
from mobileo_export.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from mobileo_export.checkpoint.safetensors_file import TensorInfo

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_CONFIG, _ADAPTER = "config.json", "adapter_config.json"
_SHARD = re.compile(r".+-\d+-of-\d+\.safetensors")
# What training leaves beside weights.
_NO_WEIGHTS = (".", "training_args", "optimizer", "scheduler", "rng_state", "scaler")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing or holds no JSON object.
    """
    try:
        content = json_file.load(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no JSON object")
    return content


def locate(path: Path) -> Path:
    """``path``, or the one folder below it that holds a checkpoint.

    Raises:
        UsageError: ``path`` is not a folder, or several folders below it hold a checkpoint.
        CheckpointError: no checkpoint is there.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file; name the folder that it lies in, or a hub id")
    if not path.is_dir():
        raise UsageError(
            f"{path}: no such folder; name a checkpoint folder or a hub id such as "
            "Amshaker/Mobile-O-0.5B"
        )
    if _holds_weights(path):
        return path
    if is_bundle(path):
        raise UsageError(f"{path}: is a bundle; name the checkpoint that it was made from")
    below = [child for child in sorted(path.iterdir()) if child.is_dir() and _holds_weights(child)]
    if len(below) > 1:
        names = ", ".join(child.name for child in below)
        raise UsageError(f"{path}: holds several checkpoints ({names}); name one of them")
    if below:
        return below[0]
    reason = _what_lacks(path)
    if reason is None and _pickles(path):
        return path
    nothing = f"no checkpoint here ({_CONFIG} and {SINGLE}, or one folder that holds them)"
    raise CheckpointError(f"{path}: {reason or nothing}")


def _holds_weights(path: Path) -> bool:
    return (path / _CONFIG).is_file() and ((path / INDEX).is_file() or (path / SINGLE).is_file())


def _what_lacks(path: Path) -> str | None:
    """Why a folder without configuration or weights is no checkpoint; None when it has neither."""
    files = sorted(file.name for file in path.glob("*.safetensors") if file.is_file())
    if (path / _ADAPTER).is_file():
        return (
            "an adapter, not a checkpoint; put it into its base first: mobileo-export merge-lora "
            f"--base BASE --adapter {path} --output OUTPUT"
        )
    if SINGLE in files or (path / INDEX).is_file():
        return f"has weights but no {_CONFIG}; copy it from where the weights came from"
    shards = [name for name in files if _SHARD.fullmatch(name)]
    if shards:
        return (
            f"has shards such as {shards[0]} but no {INDEX}, which says what lies where; "
            "download or copy it too"
        )
    if files and (path / _CONFIG).is_file():
        return f"has {files[0]} but no {SINGLE}; if those are its weights, rename the file"
    return None


def _pickles(path: Path) -> list[Path]:
    found = [file for pattern in _PICKLES for file in sorted(path.glob(pattern))]
    return [file for file in found if not file.name.startswith(_NO_WEIGHTS)]


def tensors_of(folder: Path) -> tuple[dict[str, TensorInfo], tuple[str, ...]]:
    """Every tensor of the checkpoint in ``folder``, of its one file or of its shards.

    Returns:
        The tensors by their names in the files, and what a user should know of the choice.

    Raises:
        CheckpointError: a file is missing or damaged, or it is a pickle.
    """
    notes = []
    if (folder / _ADAPTER).is_file():
        notes.append(
            f"{folder}: the adapter beside the weights ({_ADAPTER}) is not taken; merge-lora "
            "merges it into them"
        )
    single = folder / SINGLE
    if single.is_file():
        # transformers and the authors' loader look for it first, and then for no index.
        if (folder / INDEX).is_file() and _shards(folder) != [SINGLE]:
            notes.append(
                f"{folder}: {SINGLE} is taken, as transformers takes it, and not the shards that "
                f"{INDEX} names; delete whichever is the older"
            )
        return safetensors_file.read_header(single), tuple(notes)
    if (folder / INDEX).is_file():
        return _sharded(folder), tuple(notes)
    pickle = _pickles(folder)[0].name
    raise CheckpointError(
        f"{folder / pickle}: a pickle, which can run any code when it is loaded; convert it where "
        'you trust it: python -c "import torch, safetensors.torch as s; s.save_file({k: '
        f"v.contiguous() for k, v in torch.load('{pickle}', weights_only=True).items()}}, "
        "'model.safetensors')\""
    )


def _shards(folder: Path) -> list[str]:
    """The files that the index of ``folder`` names; none when it names nothing."""
    try:
        weight_map = read_json(folder / INDEX).get("weight_map")
    except CheckpointError:
        return []
    if not isinstance(weight_map, dict):
        return []
    return sorted({str(name) for name in weight_map.values()})


def _sharded(folder: Path) -> dict[str, TensorInfo]:
    index = folder / INDEX
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: has no weight_map")
    shards = sorted({str(name) for name in weight_map.values()})
    for shard in shards:
        plain = Path(shard).name == shard and "\0" not in shard and len(shard) < 200
        if not plain or not shard.endswith(".safetensors"):
            raise CheckpointError(
                f"{index}: shard name {shard[:200]!r} is not a plain safetensors file"
            )
    tensors: dict[str, TensorInfo] = {}
    for shard in shards:
        if not (folder / shard).is_file():
            raise CheckpointError(f"{folder / shard}: shard is missing; download it again")
        for name, info in safetensors_file.read_header(folder / shard).items():
            if weight_map.get(name) != shard:
                raise CheckpointError(_misplaced(info, weight_map.get(name), folder))
            tensors[name] = info
    absent = sorted(weight_map.keys() - tensors.keys())
    if absent:
        raise CheckpointError(
            f"{folder / str(weight_map[absent[0]])}: tensor {absent[0]} is missing from its shard; "
            "download it again"
        )
    return tensors


def _misplaced(info: TensorInfo, listed: Any, folder: Path) -> str:
    """Why a tensor of a shard, for which the index names another file or none, is refused."""
    if listed is None:
        return (
            f"{info.file}: tensor {info.name} is not in {INDEX}; "
            "shards and index come from different downloads"
        )
    try:
        twice = info.name in safetensors_file.read_header(folder / str(listed))
    except CheckpointError:
        twice = False
    if twice:
        return (
            f"{info.file}: tensor {info.name} is also in {listed}, where {INDEX} looks for it; "
            "loaders that read whole files take one or the other: save the checkpoint again, with "
            "every tensor once"
        )
    return (
        f"{info.file}: tensor {info.name} is not where {INDEX} says ({listed}); "
        "shards and index come from different downloads"
    )
