"""What parity knows of a kind of artifact beside running it and judging what comes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Means:
    """How far an artifact can be looked into.

    Attributes:
        graph: its operations and constants can be read, each with the module that it came from.
        quantized: its tensors are stored in a layout and in bits of their own. They are compared
            first, and what it computes is held to those.
        values: each tensor of the checkpoint can be looked for in it.
    """

    graph: bool = False
    quantized: bool = False
    values: bool = False

    @property
    def open(self) -> bool:
        """Whether ``explain`` and mutations have a way in."""
        return self.graph or self.quantized


# Of any other kind the outputs alone are compared.
_KINDS = {
    "mlpackage": Means(graph=True),
    "mlx": Means(quantized=True),
    "aimodel": Means(values=True),
}
# What can be explained and mutated, in words.
OPEN = "Core ML packages and MLX folders"


def of(kind: str) -> Means:
    """What is known of ``kind``."""
    return _KINDS.get(kind, Means())
