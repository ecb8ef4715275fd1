"""How much a component's outcome depends on each weight: squared gradients of random probes.

For a random direction u of the outcome, of independent unit normals, the gradient of ⟨u, y⟩ after
the weights is Jᵀu, and the expectation of its square at a weight is what a unit of error there adds
to ‖Δy‖². Rounding errors have no common sign, so that these sums add up: the predicted squared
error of a matrix is the sum of importance times squared rounding errors. What few bits do have in
common is that they make a row shorter; what that does is measured beside it, from ⟨Jᵀu, w⟩ of each
row.
"""

from __future__ import annotations

import math
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Literal

import numpy as np

from mobileo_export.bundle import durable
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from mobileo_export.sensitivity.judged import JudgedComponent
    from mobileo_export.sensitivity.sample import Call

    Float = NDArray[np.float32]

_LARGE = 1 << 18  # elements
LEAST_PROBES = 32  # of a component, whatever the number of its calls
_SAVED = 300.0  # seconds of work that may be lost; saving copies as many bytes as the weights have


class Importance:
    """Of each matrix of a component, in one file that the system may page out."""

    def __init__(self, path: Path, judged: JudgedComponent, mode: Literal["w+", "r+"]) -> None:
        """Open ``path``, or make it with ``mode`` ``w+``, for all of them.

        Raises:
            OSError: the file is missing, or the disk too small.
        """
        held = [judged.shapes[name] for name in judged.parameters]
        shapes = [part for shape in held for part in (shape, shape[:1])]
        whole = np.memmap(path, np.float32, mode, shape=(sum(map(math.prod, shapes)),))
        parts = np.split(whole, np.cumsum(list(map(math.prod, shapes)))[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        pairs = zip(arrays[::2], arrays[1::2], strict=True)
        self._arrays: dict[str, tuple[Float, Float]] = dict(
            zip(judged.parameters, pairs, strict=True)
        )
        self._whole = whole

    def weights(self, matrix: str) -> Float:
        """Relative squared error of the outcome by squared error of a weight, [out, in, ...]."""
        return self._arrays[matrix][0]

    def rows(self, matrix: str) -> Float:
        """By the square of the share that a row lacks, [out]."""
        return self._arrays[matrix][1]

    def flush(self) -> None:
        """Write it through."""
        self._whole.flush()


@contextmanager
def _kept_in_files(judged: JudgedComponent, folder: Path) -> Iterator[None]:
    """What a forward pass keeps for the backward one lies in files of ``folder`` without a name.

    Of a picture of 1024 × 1024 the vision encoder keeps gigabytes.
    """
    import torch

    weights = {p.untyped_storage().data_ptr() for p in judged.module.parameters()}

    def pack(kept: torch.Tensor) -> torch.Tensor:
        small = kept.numel() < _LARGE or kept.dtype != torch.float32
        if small or kept.untyped_storage().data_ptr() in weights:
            return kept
        with TemporaryFile(dir=folder) as file:
            pages = np.memmap(file, np.float32, "w+", shape=tuple(kept.shape))
        return torch.from_numpy(pages).copy_(kept.detach())

    def unpack(kept: torch.Tensor) -> torch.Tensor:
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def measure(
    judged: JudgedComponent, calls: Sequence[Call], path: Path, progress: OnStage = ignore
) -> Importance:
    """The importance of the weights of ``judged`` for one output, its own weights in place.

    It is relative: times the squares of errors it gives the square of the relative error. ``path``
    appears when it is complete; what an interrupted run has left beside it is gone on with. The
    gradient of a matrix is consumed as it is made, and never all of them held.
    """
    import torch

    found, begun = _begun(judged, path)
    saved = time.monotonic()
    (output,) = judged.spec.layouts
    squares = [float(np.square(call.outputs[output], dtype=np.float64).sum()) for call in calls]
    whole = sum(call.weight * square for call, square in zip(calls, squares, strict=True))
    share = 0.0  # of the call that is probed
    probes = -(-LEAST_PROBES // len(calls))

    @torch.no_grad()
    def consume(name: str, parameter: torch.Tensor) -> None:
        gradient = parameter.grad
        assert gradient is not None
        parameter.grad = None
        along = (gradient * parameter).flatten(1).sum(1)
        found.rows(name)[...] += along.square_().mul_(share).numpy()
        found.weights(name)[...] += gradient.square_().mul_(share).numpy()

    hooks = ExitStack()
    for name, parameter in judged.parameters.items():
        parameter.requires_grad_(True)
        hooks.enter_context(parameter.register_post_accumulate_grad_hook(partial(consume, name)))
    random = np.random.default_rng(zlib.crc32(judged.spec.name.encode()))
    for call in calls[:begun]:  # their directions
        random.standard_normal((probes, *call.outputs[output].shape), dtype=np.float32)
    hooks.callback(judged.module.requires_grad_, False)
    with hooks:
        for done, call in list(enumerate(calls))[begun:]:
            share = call.weight / whole / probes
            with _kept_in_files(judged, path.parent):
                made = judged.run(call.inputs)[output]
            for probe in range(probes):
                progress("taking gradients", done * probes + probe, len(calls) * probes)
                direction = random.standard_normal(tuple(made.shape), dtype=np.float32)
                made.backward(torch.from_numpy(direction), retain_graph=probe < probes - 1)
            if time.monotonic() - saved > _SAVED:
                found = _saved(found, judged, path, done + 1)
                saved = time.monotonic()
        progress("taking gradients", len(calls) * probes, len(calls) * probes)
    for name in judged.parameters:  # of what a package holds, not of what is multiplied
        factors = judged.factors(name)
        inverse = np.divide(1, factors, out=np.zeros_like(factors), where=factors != 0)
        found.weights(name)[...] *= inverse**2
    found.flush()
    _unfinished(path).replace(path)
    return found


def forget(path: Path) -> None:
    """Remove what :func:`measure` made of ``path``, finished or not."""
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _begun(judged: JudgedComponent, path: Path) -> tuple[Importance, int]:
    """The sums to go on with, and how many calls are in them."""
    left = {int(p.suffix[1:]): p for p in path.parent.glob(f"{path.name}.[0-9]*")}
    if not left:
        return Importance(_unfinished(path), judged, "w+"), 0
    done = max(left)
    shutil.copyfile(left[done], _unfinished(path))
    return Importance(_unfinished(path), judged, "r+"), done


def _saved(found: Importance, judged: JudgedComponent, path: Path, done: int) -> Importance:
    """Leave ``found`` under a name that says how many calls are in it, and go on with a copy."""
    found.flush()
    earlier = list(path.parent.glob(f"{path.name}.[0-9]*"))
    _unfinished(path).replace(path.with_name(f"{path.name}.{done}"))
    durable.sync_path(path.parent)
    for left in earlier:
        left.unlink()
    return _begun(judged, path)[0]
