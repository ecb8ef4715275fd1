"""How convolutions and pools pad: the ``pad_type`` of their documentation made explicit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .registry import Ints


def explicit(
    pad_type: str, pad: Ints | None, sizes: Sequence[int], window: Ints, strides: Ints
) -> list[tuple[int, int]]:
    """Elements to add before and after each spatial axis.

    Args:
        pad_type: ``valid``, ``custom``, ``same`` or ``same_lower`` (odd rest first).
        pad: before and after of every axis, for ``custom``.
        sizes: spatial sizes of the input.
        window: extent of the (dilated) kernel along each axis.
        strides: step along each axis.
    """
    match pad_type:
        case "valid":
            return [(0, 0)] * len(window)
        case "custom":
            if pad is None or len(pad) != 2 * len(window):
                raise ValueError(f"pad has to have {2 * len(window)} elements")
            return list(zip(pad[::2], pad[1::2], strict=True))
        case "same" | "same_lower":
            pads = []
            for size, extent, stride in zip(sizes, window, strides, strict=True):
                total = max(0, (-(-size // stride) - 1) * stride + extent - size)
                less, more = total // 2, total - total // 2
                pads.append((less, more) if pad_type == "same" else (more, less))
            return pads
        case _:
            raise ValueError(f"unknown pad_type {pad_type!r}")


def flat(pads: Sequence[tuple[int, int]]) -> Ints:
    """Pads in the order of ``torch.nn.functional.pad``: last axis first."""
    return [amount for pair in reversed(pads) for amount in pair]


def symmetric(pads: Sequence[tuple[int, int]]) -> bool:
    """Whether every axis is padded alike on both sides."""
    return all(before == after for before, after in pads)
