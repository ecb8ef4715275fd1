"""Lowerings that coremltools 9.0 lacks for the operations of DC-AE."""

from __future__ import annotations


def register() -> None:
    """Teach coremltools' PyTorch frontend the missing operations; harmless when repeated."""
    from coremltools.converters.mil import Builder as mb  # noqa: N813 - the name coremltools uses
    from coremltools.converters.mil import register_torch_op
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs
    from coremltools.converters.mil.frontend.torch.torch_op_registry import (
        _TORCH_OPS_REGISTRY,
    )

    if "movedim" in _TORCH_OPS_REGISTRY:
        return

    @register_torch_op
    def movedim(context, node):  # type: ignore[no-untyped-def]
        x, source, destination = _get_inputs(context, node, expected=3)
        order = permutation(x.rank, source.val, destination.val)
        context.add(mb.transpose(x=x, perm=order, name=node.name))


def permutation(rank: int, source: object, destination: object) -> list[int]:
    """The transposition that ``torch.movedim`` is: ``source`` axes end at ``destination``."""
    moved = [axis % rank for axis in _axes(source)]
    targets = [axis % rank for axis in _axes(destination)]
    order = [-1] * rank
    for axis, target in zip(moved, targets, strict=True):
        order[target] = axis
    rest = iter(axis for axis in range(rank) if axis not in moved)
    return [next(rest) if axis < 0 else axis for axis in order]


def _axes(value: object) -> list[int]:
    import numpy as np

    return [int(axis) for axis in np.atleast_1d(np.asarray(value))]
