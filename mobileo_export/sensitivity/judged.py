"""A component whose weights are changed one matrix at a time: its reference, and what is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint
from mobileo_export.compression.plan import matrices, matrix_name

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.schemes import Shape
    from mobileo_export.runtimes.base import Array
    from mobileo_export.sensitivity.sample import Call

    Float = NDArray[np.float32]


class _NamingCheckpoint(FileBackedCheckpoint):
    """Remembers which name gave which array: a reference renames its tensors, and keeps them."""

    places: dict[int, str]  # by address

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """As the class above reads."""
        values = super().read(name, weights)
        self.places[values.__array_interface__["data"][0]] = name
        return values


class JudgedComponent:
    """The reference of one component, its weights in pages of a file, and its matrices by name.

    A matrix is here what its package holds: a convolution times the norm or the scale behind it,
    which are multiplied into it when it is exported. Those factors are one a row.
    """

    def __init__(self, path: Path, spec: ComponentSpec, weights: Weights, folder: Path) -> None:
        """Build it of the checkpoint in ``path``; ``folder`` is where its pages lie.

        Raises:
            CheckpointError: the checkpoint does not hold the component.
            OSError: the disk is too small.
        """
        checkpoint = _NamingCheckpoint.open(path)
        places: dict[int, str] = {}
        checkpoint.places = places
        checkpoint.reserve(folder, spec.tensors(checkpoint.model).values())
        self.spec = spec
        self.shapes: dict[str, Shape] = matrices(spec, checkpoint.model)
        self.module = spec.reference(checkpoint, weights)
        self.model = checkpoint.model
        self._checkpoint = checkpoint
        self._weights: Weights = weights
        self.tensors = {matrix_name(name, spec.prefixes): name for name in places.values()}
        self._held = {places[p.data_ptr()]: p for p in self.module.parameters()}
        held = {matrix_name(name, spec.prefixes): p for name, p in self._held.items()}
        self.parameters = {name: held[name] for name in self.shapes if name in held}

    def values(self, matrix: str) -> Float:
        """The matrix as a package holds it: [out, in, ...], read anew from the checkpoint."""
        product: Float = self._own(matrix) * self.factors(matrix)
        return product

    def put(self, matrix: str, values: Float | None) -> None:
        """Let the reference compute with ``values``, of a package's matrix; None: with its own."""
        import torch

        own = self._own(matrix)
        if values is not None:
            factors = self.factors(matrix)
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.where(factors == 0, own, values / factors)
        with torch.no_grad():
            self.parameters[matrix].copy_(torch.from_numpy(np.require(own, np.float32, ["C", "W"])))

    def tensor(self, name: str) -> Float:
        """A tensor of the checkpoint by its own name, read anew."""
        # Not as the naming checkpoint reads, which would keep another copy in its pages.
        values: Float = Checkpoint.read(self._checkpoint, name, self._weights)
        return values

    def parameter(self, name: str) -> torch.nn.Parameter:
        """What holds the checkpoint's tensor ``name``."""
        return self._held[name]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, torch.Tensor]:
        """The outputs by name, with gradients where a parameter wants one."""
        import torch

        given = [
            torch.from_numpy(np.require(inputs[spec.name], requirements=["C", "W"]))
            if spec.name in inputs
            else None
            for spec in self.spec.inputs(self.model)
        ]
        returned = self.module(*given)
        made = returned if isinstance(returned, tuple) else (returned,)
        return dict(zip(self.spec.layouts, made, strict=True))

    def error(self, calls: Iterable[Call]) -> float:
        """Of what is made now: the squared relative error, weighted, the mean over the outputs."""
        import torch

        wrong = dict.fromkeys(self.spec.layouts, 0.0)
        whole = dict.fromkeys(self.spec.layouts, 0.0)
        with torch.inference_mode():
            for call in calls:
                for name, values in self.run(call.inputs).items():
                    right = call.outputs[name].astype(np.float64)
                    wrong[name] += call.weight * float(np.square(values.numpy() - right).sum())
                    whole[name] += call.weight * float(np.square(right).sum())
        return float(np.mean([wrong[name] / whole[name] for name in wrong]))

    def factors(self, matrix: str) -> Float:
        """What the rows of a matrix are multiplied by at export: [out, 1, ...]."""
        rows = np.ones(self.shapes[matrix][0], np.float32)
        parent, _, last = matrix.rpartition(".")
        norm = f"{parent}.bn"
        if norm in self.tensors:  # its weight: matrices are called without that word
            variance = self._own(f"{norm}.running_var")
            rows = self._own(norm) / np.sqrt(variance + np.float32(self._epsilon(norm)))
        elif last == "fc2" and parent.endswith(".convffn"):
            block = parent.removesuffix(".convffn")
            scales = (f"{block}.layer_scale", f"{block}.layer_scale_2")
            rows = self._own(next(name for name in scales if name in self.tensors))
        return rows.reshape(-1, *(1,) * (len(self.shapes[matrix]) - 1))

    def _epsilon(self, norm: str) -> float:
        from torch.nn import BatchNorm2d

        own = self.tensors[norm]
        return next(
            module.eps
            for module in self.module.modules()
            if isinstance(module, BatchNorm2d)
            and self._checkpoint.places[module.weight.data_ptr()] == own
        )

    def _own(self, name: str) -> Float:
        return self.tensor(self.tensors[name])
