"""A model's call as one graph: traced once, elementwise operations fused, then only replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlx.core as mx

from mobileo_export.runtimes.mlx.layers import MXArray, on_cpu

if TYPE_CHECKING:
    from collections.abc import Callable


class CompiledModel:
    """A model whose call evaluates nothing on the way, compiled for the shapes of the last call.

    All steps of a picture have one shape. Of other prompts there are as many as lengths, and MLX
    keeps the graph of each while the function lives: so a new shape gets a new one.
    """

    def __init__(self, model: Callable[..., MXArray]) -> None:
        self._model = model
        self._shapes: list[tuple[int, ...]] = []
        self._call = model

    def __call__(self, *arrays: MXArray) -> MXArray:
        """What the model makes of ``arrays``."""
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            self._call, self._shapes = mx.compile(self._model), shapes
        return self._call(*arrays)


def pays() -> bool:
    """Whether compiling is worth it here: on a processor each fusion is a run of g++ first."""
    return not on_cpu()
