"""The files of a checkpoint: in which folder they lie, and which tensors they hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file, safetensors_io
from mobileo_export.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from mobileo_export.safetensors_io import TensorInfo

INDEX = "model.safetensors.index.json"
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
    if not path.is_dir():
        raise UsageError(
            f"{path}: no such folder; name a checkpoint folder or a hub id such as "
            "Amshaker/Mobile-O-0.5B"
        )
    if _holds_weights(path):
        return path
    below = [child for child in sorted(path.iterdir()) if child.is_dir() and _holds_weights(child)]
    if len(below) > 1:
        names = ", ".join(child.name for child in below)
        raise UsageError(f"{path}: holds several checkpoints ({names}); name one of them")
    if not below and _pickles(path):
        return path
    if not below:
        raise CheckpointError(
            f"{path}: no checkpoint here (config.json and model.safetensors, "
            "or one folder that holds them)"
        )
    return below[0]


def _holds_weights(path: Path) -> bool:
    return (path / "config.json").is_file() and (
        (path / INDEX).is_file() or (path / "model.safetensors").is_file()
    )


def _pickles(path: Path) -> list[Path]:
    return [found for pattern in _PICKLES for found in sorted(path.glob(pattern))]


def tensors_of(folder: Path) -> dict[str, TensorInfo]:
    """Every tensor of the checkpoint in ``folder``: of its one file, or of its shards.

    Raises:
        CheckpointError: a file is missing or damaged, or it is a pickle.
    """
    single = folder / "model.safetensors"
    if (folder / INDEX).is_file():
        return _sharded(folder)
    if single.is_file():
        return safetensors_io.read_header(single)
    pickle = _pickles(folder)[0].name
    raise CheckpointError(
        f"{folder / pickle}: a pickle, which can run any code when it is loaded; convert it where "
        'you trust it: python -c "import torch, safetensors.torch as s; s.save_file({k: '
        f"v.contiguous() for k, v in torch.load('{pickle}', weights_only=True).items()}}, "
        "'model.safetensors')\""
    )


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
        for name, info in safetensors_io.read_header(folder / shard).items():
            if weight_map.get(name) != shard:
                raise CheckpointError(
                    f"{info.file}: tensor {name} is not where {INDEX} says; "
                    "shards and index come from different downloads"
                )
            tensors[name] = info
    absent = sorted(weight_map.keys() - tensors.keys())
    if absent:
        raise CheckpointError(
            f"{folder / str(weight_map[absent[0]])}: tensor {absent[0]} is missing from its shard; "
            "download it again"
        )
    return tensors
