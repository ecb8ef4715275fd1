"""Components as a benchmark loads them: twice each, and held where memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mobileo_export import memory
from mobileo_export.runtimes.coreml import CoreMLSession

if TYPE_CHECKING:
    from mobileo_export.bench.subject import BenchSubject
    from mobileo_export.runtimes.base import Session

_SHARE = 0.6  # of the free memory that weights may take: what is computed in between comes on top


@dataclass(frozen=True)
class Loads:
    """Seconds of a component's first load in this process, and of the one behind it."""

    cold: float
    warm: float


@dataclass
class LoadedComponents:
    """What is measured.

    Attributes:
        subject: whose components they are.
        keep: hold what was loaded.
        loads: of the components that were loaded until now.
        waited: seconds that :meth:`session` loaded, since somebody set it to 0.
    """

    subject: BenchSubject
    keep: bool = False
    loads: dict[str, Loads] = field(default_factory=dict)
    waited: float = 0.0
    _held: dict[str, Session] = field(default_factory=dict)

    @property
    def runtimes(self) -> Mapping[str, str]:
        """By component, of those that take part."""
        return self.subject.runtimes

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
        return self._timed(partial(self.subject.load, name))[0]

    def load(self, name: str) -> None:
        """Load a component if it is not held, and twice if it never was loaded: a time of each."""
        if name not in self._held:
            self._held[name] = self._load(name)
            self.subject.identify(name)

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
        opener = partial(self.subject.load, name)
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


def fits(subject: BenchSubject) -> bool:
    """Whether the weights of all components may be held at once on this machine."""
    return subject.weight_bytes() <= memory.available().bytes * _SHARE
