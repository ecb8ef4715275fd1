"""A Mobile-O checkpoint on disk: its layout, shards, prefixes, nested copies; reads what is asked.

Opening reads ``config.json`` and the safetensors headers only. A tensor is read when it is asked
for, from its place in the file, so that no more than one component is ever in memory.
"""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from mobileo_export.checkpoint import (
    diffusion_config,
    fields,
    model_config,
    safetensors_file,
    tensor_names,
)
from mobileo_export.checkpoint.fields.shapes import deciding
from mobileo_export.checkpoint.files import INDEX, locate, read_json, tensors_of
from mobileo_export.checkpoint.safetensors_file import FLOAT_DTYPES, Shape, TensorInfo
from mobileo_export.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.model_config import ModelConfig

Weights = Literal["released", "post-trained"]
NESTED = "base_model.model."
GENERATION, PREPROCESSOR = "generation_config.json", "preprocessor_config.json"
_COUNTER = "num_batches_tracked"
_INTEGERS = frozenset({"I64", "I32"})
__all__ = ["INDEX", "NESTED", "Checkpoint", "NestedCopies", "Weights", "read_json"]


@dataclass(frozen=True)
class NestedCopies:
    """How the tensors under ``base_model.model.`` compare with their top-level namesakes.

    The merge script of the released checkpoint left the post-trained weights under this prefix,
    where the authors' own loader never looks; the top-level ones are from the stage before.
    """

    count: int
    identical: int
    differing: int
    largest_difference: float  # ‖nested - top‖ / ‖top‖ of the tensor that differs most
    largest_name: str
    orphans: tuple[str, ...]  # nested names without a namesake of the same shape


_Opened = TypeVar("_Opened", bound="Checkpoint")


class Checkpoint:
    """An open checkpoint. ``path`` is the folder that holds ``config.json``.

    Attributes:
        found_below: the folder that was chosen by itself, because the one that was named holds no
            weights and has one below it that does; None when that folder itself was named.
        origin: the hub id that it was opened by.
        notes: what a user should know of how it was read, a line each.
        frequencies: of rotary embeddings, where the file holds any; read only to be compared.
    """

    found_below: str | None = None
    origin: str | None = None
    notes: tuple[str, ...] = ()

    def __init__(
        self, path: Path, config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]
    ) -> None:
        own, self.frequencies = tensor_names.sorted_out(tensors)
        self.path = path
        self.config = config
        self.top_level = {n: t for n, t in own.items() if not n.startswith(NESTED)}
        self.nested = {n.removeprefix(NESTED): t for n, t in own.items() if n.startswith(NESTED)}

    @classmethod
    def open(cls: type[_Opened], path: Path) -> _Opened:
        """Open the checkpoint in ``path``, or in the one folder below it that holds one.

        Raises:
            UsageError: ``path`` is not a folder, or several folders below it hold a checkpoint.
            CheckpointError: no readable checkpoint is there.
        """
        folder = locate(path)
        tensors, notes = tensors_of(folder)  # before the configuration: a lone pickle has none
        opened = cls(folder, read_json(folder / "config.json"), tensors)
        opened.notes = (*notes, *tensor_names.notes(tensors))
        if folder != path:
            opened.found_below = folder.name
            below = f"{path}: holds no weights itself; {folder.name} in it is taken"
            opened.notes = (below, *opened.notes)
        return opened

    @cached_property
    def model(self) -> ModelConfig:
        """Every dimension of the model; raises CheckpointError when they cannot be derived."""
        where = self.path / "config.json"
        nested = [key for key in fields.NESTED if key in self.config]
        fields.check(where, {key: self.config[key] for key in nested}, fields.FILES[where.name])
        name = self.config.get("diffusion_name_or_path")
        if not isinstance(name, str) or not name:
            raise CheckpointError(
                f"{where}: no diffusion_name_or_path; "
                "this is not a Mobile-O checkpoint (a plain FastVLM has none)"
            )
        warnings = fields.check(
            PREPROCESSOR, self._beside(PREPROCESSOR), fields.FILES[PREPROCESSOR]
        )
        diffusion = diffusion_config.find(name, self.path, warnings)
        shapes = {name: info.shape for name, info in self.top_level.items()}
        try:
            model = model_config.derive(self.config, shapes, diffusion, self._beside(GENERATION))
        except CheckpointError as error:
            raise CheckpointError(f"{self.path}: {error}") from error
        return replace(model, warnings=(*model.warnings, *warnings))

    def _beside(self, name: str) -> dict[str, Any]:
        """A JSON file that a checkpoint may have or lack."""
        path = self.path / name
        return read_json(path) if path.is_file() else {}

    @property
    def files(self) -> tuple[Path, ...]:
        """The safetensors files, in name order."""
        every = (*self.top_level.values(), *self.nested.values())
        return tuple(sorted({info.file for info in every}))

    def info(self, name: str, weights: Weights) -> TensorInfo:
        """Where the chosen copy of ``name`` lies.

        Raises:
            CheckpointError: there is no such tensor.
        """
        found = self.nested.get(name) if weights == "post-trained" else None
        found = found or self.top_level.get(name)
        if found is None:
            raise CheckpointError(f"{self.path}: tensor {name} is missing; download it again")
        return found

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """The chosen copy of ``name``: floats as float32, exactly; integers as stored.

        Counters are integers, whatever they are stored as.
        """
        values = safetensors_file.read(self.info(name, weights))
        return values.astype(np.int64) if name.endswith(_COUNTER) else values

    def digest(
        self, names: Iterable[str], weights: Weights, compared: dict[str, float] | None = None
    ) -> str:
        """sha256 over names, dtypes, shapes and stored bytes of the chosen tensors.

        ``compared`` takes how those that have two copies differ, for :meth:`compare_nested`: found
        as they are read.
        """
        state = hashlib.sha256()
        for name in sorted(names):
            info = self.info(name, weights)
            state.update(f"{name} {info.dtype} {list(info.shape)}\n".encode())
            if compared is None or name not in self._twice:
                for values in safetensors_file.blocks(info):
                    state.update(values.view("u1").data)
                continue
            top, nested = self._twice[name]
            difference = safetensors_file.TensorDifference(top, nested)
            for a, b in safetensors_file.blocks_of_both(top, nested):
                state.update((a if info is top else b).view("u1").data)
                difference.add(a, b)
            compared[name] = _told(difference)
        return state.hexdigest()

    @cached_property
    def _twice(self) -> dict[str, tuple[TensorInfo, TensorInfo]]:
        """The tensors of which there are two copies of one shape."""
        pairs = {n: (self.top_level[n], t) for n, t in self.nested.items() if n in self.top_level}
        return {name: pair for name, pair in pairs.items() if pair[0].shape == pair[1].shape}

    def require_weights(self, weights: Weights) -> None:
        """Refuse ``post-trained`` when no nested copies exist."""
        if weights == "post-trained" and not self.nested:
            raise UsageError(
                f"{self.path}: has no nested copies under {NESTED}; "
                "its weights are what they are: use --weights released"
            )

    def check(self, expected: Mapping[str, Shape], prefixes: Iterable[str]) -> None:
        """Compare the tensors under ``prefixes`` with the ``expected`` names and shapes.

        Raises:
            CheckpointError: names the first tensor that is missing, misshapen or unexpected.
        """
        for name, shape in expected.items():
            found = self.top_level.get(name)
            if found is None:
                raise CheckpointError(
                    f"{self.path}: tensor {name} is missing; download the checkpoint again "
                    "or export a component that does not need it (--only), unless the "
                    f"configuration{deciding(name)} is another model's"
                )
            for info in (found, self.nested.get(name)):
                if info is not None and info.shape != shape:
                    raise CheckpointError(
                        f"{info.file}: tensor {info.name} has shape {list(info.shape)}, "
                        f"the configuration{deciding(name)} asks for {list(shape)}; "
                        "config.json and weights come from different models"
                    )
                # A cast of all tensors makes a float of a counter too, which nothing reads.
                allowed = FLOAT_DTYPES | _INTEGERS if name.endswith(_COUNTER) else FLOAT_DTYPES
                if info is not None and info.dtype not in allowed:
                    raise CheckpointError(
                        f"{info.file}: tensor {info.name} is {info.dtype}; weights must be stored "
                        "as bfloat16, float16 or float32, counters as integers or such floats"
                    )
        prefixes = tuple(prefixes)
        if "model.layers.".startswith(prefixes):
            tensor_names.check_frequencies(self.frequencies, self.model.llm)
        for name, info in (*self.top_level.items(), *self.nested.items()):
            if name.startswith(prefixes) and name not in expected:
                raise CheckpointError(
                    f"{info.file}: tensor {info.name} is unexpected; "
                    + (
                        "merge the adapter into its base first"
                        if "lora_" in name
                        else f"configuration{deciding(name)} and weights come from different models"
                    )
                )

    def compare_nested(self, compared: Mapping[str, float] | None = None) -> NestedCopies | None:
        """Compare every nested copy with its namesake; reads both. None without nested copies.

        Those of ``compared`` were compared by :meth:`digest`, and are not read again.
        """
        if not self.nested:
            return None
        left = {name: pair for name, pair in self._twice.items() if name not in (compared or ())}
        with ThreadPoolExecutor(2) as pool:  # NumPy releases the interpreter lock
            differences = dict(zip(left, pool.map(_difference, left.values()), strict=True))
        differences.update(compared or {})
        found = [(d, name) for name, d in differences.items() if d]
        largest, largest_name = max(found, default=(0.0, ""))
        return NestedCopies(
            len(self.nested),
            len(self._twice) - len(found),
            len(found),
            largest,
            largest_name,
            tuple(info.name for name, info in self.nested.items() if name not in self._twice),
        )


def _difference(pair: tuple[TensorInfo, TensorInfo]) -> float:
    difference = safetensors_file.TensorDifference(*pair)
    for parts in safetensors_file.blocks_of_both(*pair):
        difference.add(*parts)
    return _told(difference)


def _told(difference: safetensors_file.TensorDifference) -> float:
    """0 only for tensors that are equal to the bit."""
    return 0.0 if difference.same else difference.relative() or math.ulp(0.0)
