"""A model that is served: its components, loaded when asked for, and its sessions.

Every call of the model happens on one thread, in the order of the requests, so that the event loop
goes on meanwhile; what is not begun when its client hangs up is left out.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mobileo_export import memory
from mobileo_export.progress import OnProgress, Progress, ignore
from mobileo_export.serve.refusals import RequestError
from mobileo_export.serve.run_thread import RunThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mobileo_export.pipelines.model import Model
    from mobileo_export.runtimes.base import Array, LanguageModelSession, Session

MOST_SESSIONS = 8
IDLE_SECONDS = 900.0
IDLE = Progress("", "idle", 1, 1)  # told after every call
_FLOAT = 4  # bytes of a parameter at most, whatever the artifact

T = TypeVar("T")


@dataclass
class OpenSession:
    """A conversation with the language model: what it has read, and when it was last used."""

    model: LanguageModelSession
    used: float = field(default_factory=time.monotonic)
    busy: int = 0


class ServedModel:
    """``model``, which must keep its components, for any number of clients.

    Attributes:
        model: what is served; only the run thread may call it.
        manifest: the document that describes it.
        progress: told what the model does.
        on_failure: told what is no fault of a request's.
        closing: set when no call begins any more.
    """

    def __init__(
        self,
        model: Model,
        manifest: bytes,
        parameters: Mapping[str, int],
        progress: OnProgress = ignore,
    ) -> None:
        """``parameters`` counts those of each component, which tell the memory that it takes."""
        self.model = model
        self.manifest = manifest
        self.progress = progress
        self.on_failure: Callable[[BaseException], None] = ignore
        self.closing = threading.Event()
        self._parameters = parameters
        self._sessions: dict[str, OpenSession] = {}
        self._opening = 0
        self._thread = RunThread()
        self._load = model.open_component
        model.open_component = self._make_room

    async def call(self, function: Callable[[], T]) -> T:
        """``function`` on the model's thread, when its turn has come.

        Raises:
            RequestError: 503, the server is closing.
        """

        def unless_closing() -> T:
            self.check_open()
            try:
                return function()
            finally:
                self.progress(IDLE)

        self.check_open()
        return await asyncio.wrap_future(self._thread.submit(unless_closing))

    @property
    def busy(self) -> bool:
        """Whether a call of the model goes on, which nothing can stop."""
        return self._thread.busy

    def check_open(self) -> None:
        """Raise RequestError, 503, if the server is closing."""
        if self.closing.is_set():
            raise RequestError(503, "the server is closing; start it again", {"Retry-After": "5"})

    async def run(self, name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call of a component, which is loaded if it is not."""

        def run() -> dict[str, Array]:
            with self.model.session(name, self.progress) as session, self._told(name, "running"):
                return session.run(inputs)

        return await self.call(run)

    async def release(self, name: str) -> None:
        """Give back a component's memory; with the language model its sessions end."""
        ending: list[OpenSession] = []
        if name == "llm":
            ending = [*self._sessions.values()]
            self._sessions.clear()

        def release() -> None:
            for session in ending:
                session.model.close()
            self.model.release(name)

        await self.call(release)

    async def open_session(self) -> str:
        """A new session of the language model; its name cannot be guessed.

        Raises:
            RequestError: 429, there are as many as allowed.
        """
        if len(self._sessions) + self._opening >= MOST_SESSIONS:
            raise RequestError(
                429, f"{MOST_SESSIONS} sessions are open, no more are allowed; delete one"
            )

        def beside() -> LanguageModelSession:
            with self.model.language_model(self.progress) as llm:
                return llm.beside()

        self._opening += 1
        try:
            opened = OpenSession(await self.call(beside))
        finally:
            self._opening -= 1
        key = secrets.token_urlsafe(12)
        self._sessions[key] = opened
        return key

    async def in_session(
        self, key: str, stage: str, function: Callable[[LanguageModelSession], T]
    ) -> T:
        """``function`` of the session ``key``.

        Raises:
            RequestError: 404, there is none; it may have been idle for too long.
        """
        found = self._sessions.get(key)
        if found is None:
            raise _unknown(key)

        def run() -> T:
            with self._told("llm", stage):
                return function(found.model)

        found.busy += 1
        try:
            return await self.call(run)
        finally:
            found.busy -= 1
            found.used = time.monotonic()

    async def close_session(self, key: str) -> None:
        """Forget what a session has read.

        Raises:
            RequestError: 404, there is none.
        """
        found = self._sessions.pop(key, None)
        if found is None:
            raise _unknown(key)
        await self.call(found.model.close)

    async def expire(self, idle: float = IDLE_SECONDS) -> None:
        """End the sessions that nobody has used for so many seconds."""
        last = time.monotonic() - idle
        for key, session in list(self._sessions.items()):
            if not session.busy and session.used <= last:
                await self.close_session(key)

    @contextmanager
    def _told(self, name: str, stage: str) -> Iterator[None]:
        self.progress(Progress(name, stage, 0, 1))
        yield
        self.progress(Progress(name, stage, 1, 1))

    def _make_room(self, name: str) -> Session:
        """Load a component; where memory is short, those go that were loaded first."""
        needed = _FLOAT * self._parameters.get(name, 0)
        for other in self.model.idle:
            if memory.available().bytes >= needed:
                break
            if other != "llm" or not self._sessions:
                self.model.release(other)
        return self._load(name)


def _unknown(key: str) -> RequestError:
    return RequestError(
        404, f"{key}: no such session; it was deleted or idle too long, or llm released: open one"
    )
