"""The server itself: uvicorn on loopback, ended by a signal, with every error in our form."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h11
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from mobileo_export.errors import UsageError
from mobileo_export.serve import app, refusals
from mobileo_export.serve.guard import Guard
from mobileo_export.serve.refusals import RequestError

if TYPE_CHECKING:
    from types import FrameType

    from mobileo_export.serve.served import ServedModel

HOST = "127.0.0.1"
# A connection may be silent for so long between requests, and while it sends what heads one.
_IDLE_SECONDS = 75
_HEAD_SECONDS = 15.0
# A call of a large component takes some seconds; nothing of it can be lost.
_CLOSING_SECONDS = 30


@dataclass(frozen=True)
class Reports:
    """Whom the server tells what happens.

    Attributes:
        on_ready: requests are served, and signals heeded.
        on_request: method, path, status (0 if the client left) and seconds of one.
        on_failure: a bug of ours ended a request.
        on_closing: a signal came.
    """

    on_ready: Callable[[], None]
    on_request: Callable[[str, str, int, float], None]
    on_failure: Callable[[BaseException], None]
    on_closing: Callable[[], None]


def bind(port: int) -> socket.socket:
    """A listening socket on the loopback interface; port 0 takes a free one.

    Raises:
        UsageError: the port cannot be had.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            reason = "another program listens there"
        elif number in {errno.EACCES, errno.EPERM}:
            reason = "the system does not allow it"
        else:
            reason = str(error)
        raise UsageError(
            f"port {port}: {reason}; choose another with --port, or 0 for a free one"
        ) from error
    return listening


def serve(
    served: ServedModel, listening: socket.socket, secret: str, reports: Reports
) -> int | None:
    """Serve until SIGINT, SIGTERM or SIGHUP comes; then finish the call that somebody waits for.

    Returns:
        The second signal, which waits for nothing; None if there was none.
    """
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # we say what there is to say
    served.on_failure = reports.on_failure
    port = listening.getsockname()[1]
    guarded = Guard(
        app.build(served), port, secret, app.PUBLIC, reports.on_request, reports.on_failure
    )
    config = Config(
        guarded,
        http=_Connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_CLOSING_SECONDS,
    )
    server = _Server(config, served, reports)
    server.run([listening])
    return server.second


class _Server(Server):
    """uvicorn's, which a signal ends as asked: that is no failure."""

    def __init__(self, config: Config, served: ServedModel, reports: Reports) -> None:
        super().__init__(config)
        self._served = served
        self._reports = reports
        self.second: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        self._reports.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and say so: not in the signal's handler, which may have come amid a print."""
        self._reports.on_closing()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed the signals that end a program, except those that are ignored (nohup)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more calls and close; a second signal waits for nothing."""
        self._served.closing.set()
        if self.should_exit:
            self.force_exit, self.second = True, sig
        self.should_exit = True


class _Connection(H11Protocol):
    """uvicorn's, with errors in our form and a bound on the time that a request's head takes."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Part of a request; the first part of a head begins its time."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._head is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered like any other error."""
        self._stop()
        body = refusals.encoded(RequestError(400, "the request is no HTTP that can be read"))
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        try:
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:  # an answer to it has begun already
            pass
        self.transport.close()

    def _wait(self) -> None:
        self._head = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
