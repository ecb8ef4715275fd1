"""What every runtime offers: load an artifact, run it on named arrays.

A runtime is one module with a class that satisfies :class:`Runtime`. Arrays are NumPy arrays whose
names, shapes and dtypes are those of the component's signature (``mobileo_export.components``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
else:
    Array = Any

T = TypeVar("T")


@runtime_checkable
class Session(Protocol):
    """A loaded artifact, ready to run. Sessions may hold gigabytes; close them."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays.

        Raises:
            UsageError: an input is missing, unknown, or of the wrong shape or dtype.
        """
        ...

    def close(self) -> None:
        """Release what the session holds; running it afterwards is an error."""
        ...


@runtime_checkable
class LanguageModelSession(Session, Protocol):
    """A language model, which also generates: it keeps the keys and values of what it has read.

    ``run`` is stateless: it neither reads nor changes what ``prefill`` and ``step`` keep.
    """

    def prefill(self, input_ids: Array, image_features: Array | None = None) -> tuple[Array, Array]:
        """Forget everything, read a prompt, keep its keys and values.

        Args:
            input_ids: [1, T] int32.
            image_features: [1, M, F] float32, spliced in where ``recipe.image_span`` says.

        Returns:
            stacked_hidden_states [1, K, N, d] and logits [1, V] of the last position, float32.

        Raises:
            UsageError: an id is out of range, or the image tokens do not fit the features.
        """
        ...

    def step(self, token_id: int) -> Array:
        """Append one token to what was read; the logits [1, V] float32 after it.

        Raises:
            UsageError: nothing was read yet, or the id is out of range.
        """
        ...

    def beside(self) -> LanguageModelSession:
        """Another session over the same weights, which has read nothing.

        Each keeps what it reads to itself. Closing it leaves the weights to this one.
        """
        ...


class Runtime(Protocol):
    """Something that executes artifacts of one or more kinds."""

    name: str

    def load(self, path: Path) -> Session:
        """Open the artifact at ``path``.

        Raises:
            BundleError: the artifact is damaged or of a kind this runtime does not execute.
            RuntimeUnavailableError: the engine is not present on this machine.
        """
        ...


def opened(held: T | None) -> T:
    """What a session holds until it is closed; raises UsageError when it was."""
    if held is None:
        raise UsageError("the session is closed")
    return held
