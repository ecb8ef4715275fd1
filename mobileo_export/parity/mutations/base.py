"""What a mutation is: where it can be done, how, and why it may change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobileo_export.parity.mutations.folder import Folder
    from mobileo_export.parity.mutations.graph import EditedGraph
    from mobileo_export.runtimes.base import Array, Session

# Runs a session on named inputs; the outputs by name.
Use = Callable[["Session", "Mapping[str, Array]"], "dict[str, Array]"]
PACKAGES = ("vision_encoder", "mcp", "dit", "vae_decoder")


@dataclass(frozen=True)
class Site:
    """One place where a mutation can be done.

    Attributes:
        operation: name of the operation's first output; of a folder, of the tensor or setting.
        detail: what is changed, in words.
        module: the torch module that the operation came from, "" when unknown.
        indices: what the mutation needs besides, such as two rows.
    """

    operation: str
    detail: str
    module: str = ""
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.module or self.operation}: {self.detail}"


@dataclass(frozen=True)
class GraphMutation:
    """Damage to a package.

    Attributes:
        kind: its name.
        title: what it does, in a sentence without a subject.
        sites: every place in a graph where it changes something, in the graph's order.
        edit: does it at one of them.
        inert: why no output can depend on what it changes there, or None.
        exaggerate: changes the same place out of all proportion, which an inert place bears.
    """

    kind: str
    title: str
    sites: Callable[[EditedGraph], Iterable[Site]]
    edit: Callable[[EditedGraph, Site], None]
    inert: Callable[[EditedGraph, Site], str | None] = lambda graph, site: None
    exaggerate: Callable[[EditedGraph, Site], None] | None = None
    components: tuple[str, ...] = PACKAGES


@dataclass(frozen=True)
class FolderMutation:
    """Damage to the language model's MLX folder; attributes as of :class:`GraphMutation`."""

    kind: str
    title: str
    sites: Callable[[Folder], Iterable[Site]]
    edit: Callable[[Folder, Site], None]
    components: tuple[str, ...] = ("llm",)


@dataclass(frozen=True)
class SessionMutation:
    """A wrong use of a sound artifact: how its session is run."""

    kind: str
    title: str
    use: Use
    components: tuple[str, ...]


def spread(sites: Iterable[Site], count: int) -> tuple[Site, ...]:
    """``count`` of the sites, evenly from the first to the last."""
    every = tuple(sites)
    if count <= 1 or len(every) <= count:
        return every[: max(count, 0)] if count <= 1 else every
    steps = range(count)
    return tuple(every[round(i * (len(every) - 1) / (count - 1))] for i in steps)
