"""Damage to checkpoints, byte by byte, as the tests of the core need it."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.safetensors_file import TensorInfo

Header = dict[str, Any]
Tensor = tuple[str, "NDArray[Any]"]


def split(path: Path) -> tuple[Header, bytes]:
    """The header and the data of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(path: Path, header: Header | bytes, data: bytes, length: int | None = None) -> None:
    """Write a file of any header, any data and any claimed header length."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    claimed = len(encoded) if length is None else length
    path.write_bytes(struct.pack("<Q", claimed) + encoded + data)


def save(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    """Write ``tensors``, name -> (dtype in the file, raw values)."""
    path.unlink(missing_ok=True)
    plan = {name: (dtype, array.shape) for name, (dtype, array) in tensors.items()}
    with SafetensorsWriter(path, plan) as writer:
        for name, (_, array) in tensors.items():
            writer.write(name, array)
    return path


def load(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file, as :func:`save` takes it."""
    infos = safetensors_file.read_header(path).values()
    return {info.name: (info.dtype, safetensors_file.raw(info).copy()) for info in infos}


def change(folder: Path, changes: Mapping[str, Tensor | None]) -> None:
    """Replace, add or (None) remove tensors of a one-file checkpoint."""
    path = folder / "model.safetensors"
    tensors: dict[str, Tensor | None] = {**load(path), **changes}
    save(path, {name: tensor for name, tensor in tensors.items() if tensor is not None})


def configure(folder: Path, changes: Mapping[str, Any], name: str = "config.json") -> None:
    """Replace, add or (``...``) remove fields of a JSON file."""
    path = folder / name
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    kept = {key: value for key, value in content.items() if value is not ...}
    path.write_text(json.dumps(kept), encoding="utf-8")


def shard(folder: Path, count: int = 3) -> dict[str, str]:
    """Split a one-file checkpoint into shards with an index; returns the weight map."""
    path = folder / "model.safetensors"
    tensors = load(path)
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for number in range(count):
        file = f"model-{number + 1:05}-of-{count:05}.safetensors"
        save(folder / file, {name: tensors[name] for name in names[number::count]})
        weight_map |= dict.fromkeys(names[number::count], file)
    path.unlink()
    reindex(folder, weight_map)
    return weight_map


def reindex(folder: Path, weight_map: object) -> None:
    """Write the index of a sharded checkpoint."""
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def same_bytes(left: TensorInfo, right: TensorInfo) -> bool:
    """Whether two stored tensors are equal to the bit."""
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    parts = safetensors_file.blocks_of_both(left, right)
    return all(np.array_equal(a, b) for a, b in parts)


def relative_difference(left: TensorInfo, right: TensorInfo) -> float:
    """What ``TensorDifference`` says of two tensors that are read for it."""
    difference = safetensors_file.TensorDifference(left, right)
    for parts in safetensors_file.blocks_of_both(left, right):
        difference.add(*parts)
    return difference.relative()
