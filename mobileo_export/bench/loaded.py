"""A bundle's components as a benchmark loads them: twice each, and held where memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import memory
from mobileo_export.bundle import manifest, resident
from mobileo_export.runtimes import registry, select
from mobileo_export.runtimes.coreml import CoreMLSession

if TYPE_CHECKING:
    from mobileo_export.components import TensorSpec
    from mobileo_export.runtimes.base import Session

_SHARE = 0.6  # of the free memory that weights may take: what is computed in between comes on top


@dataclass(frozen=True)
class Loads:
    """Seconds of a component's first load in this process, and of the one behind it."""

    cold: float
    warm: float


@dataclass
class LoadedComponents:
    """What is measured of a bundle.

    Attributes:
        bundle: its folder.
        content: its manifest.
        runtimes: by component, of those that take part.
        compute_units: asked for; None for those of the manifest.
        keep: hold what was loaded.
        loads: of the components that were loaded until now.
        waited: seconds that :meth:`session` loaded, since somebody set it to 0.
    """

    bundle: Path
    content: Mapping[str, Any]
    runtimes: Mapping[str, str]
    compute_units: str | None = None
    keep: bool = False
    loads: dict[str, Loads] = field(default_factory=dict)
    waited: float = 0.0
    _held: dict[str, Session] = field(default_factory=dict)

    def signature(self, name: str) -> tuple[TensorSpec, ...]:
        """The inputs of a component."""
        return tuple(map(manifest.tensor_spec, self.content["components"][name]["inputs"]))

    def units(self, name: str) -> str | None:
        """The compute units of a component; None of a runtime that is told none."""
        if not registry.ENTRIES[self.runtimes[name]].units:
            return None
        stated: str = self._artifact(name)["compute_units"]
        return self.compute_units or stated

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """A component for the block, loaded if it is not."""
        self.load(name)
        try:
            yield self._held[name]
        finally:
            if not self.keep:
                self.release(name)

    def lend(self, name: str) -> Session:
        """A component for a pipeline, which closes it when it is done unless :attr:`keep` is."""
        if self.keep:
            with self.session(name) as session:
                return session
        return self._timed(self._opener(name))[0]

    def load(self, name: str) -> None:
        """Load a component if it is not held, and twice if it never was loaded: a time of each."""
        if name not in self._held:
            self._held[name] = self._load(name)

    def release(self, name: str) -> None:
        """Close a component, if it is held."""
        session = self._held.pop(name, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close all that are held."""
        for name in tuple(self._held):
            self.release(name)

    def _load(self, name: str) -> Session:
        opener = self._opener(name)
        session, cold = self._timed(opener)
        if name in self.loads:
            return session
        if isinstance(session, CoreMLSession):
            again, warm = self._timed(session.again)
            again.close()
        else:
            session.close()
            session, warm = self._timed(opener)
        self.loads[name] = Loads(cold, warm)
        return session

    def _timed(self, load: Callable[[], Session]) -> tuple[Session, float]:
        started = time.perf_counter()
        session = load()
        seconds = time.perf_counter() - started
        self.waited += seconds
        return session, seconds

    def _opener(self, name: str) -> Callable[[], Session]:
        path = self.bundle / self._artifact(name)["path"]
        return lambda: select.load_artifact(path, self.runtimes[name], self.units(name))

    def _artifact(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.content["components"][name]["artifacts"][0]
        return found


def fits(content: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether the weights of all these components may be held at once on this machine."""
    (found,) = resident.of(content, {"bench": names})
    return found.kept_widened <= memory.available().bytes * _SHARE
