"""What every request passes: where it comes from, whether it knows the token, how it is answered.

A web page must not reach the server: not by a name that it makes resolve to 127.0.0.1 (the Host is
checked), nor by asking a browser to post something (the Origin is).
"""

from __future__ import annotations

import hmac
import secrets
import string
import time
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError
from mobileo_export.serve import refusals
from mobileo_export.serve.refusals import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARIABLE = "MOBILEO_TOKEN"
MOST_REQUESTS = 64
_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")
_LENGTHS = range(8, 257)
# No script, style or picture but our own, and no frame around the page.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]


def token(given: str | None) -> str:
    """The token that requests must carry: ``given``, or a new one.

    Raises:
        UsageError: what was given is no token.
    """
    if not given:
        return secrets.token_urlsafe(24)
    if len(given) not in _LENGTHS or not set(given) <= _CHARACTERS:
        raise UsageError(
            f"{VARIABLE}: is no token; take {_LENGTHS.start} to {_LENGTHS.stop - 1} letters, "
            "digits, - and _, or leave it unset"
        )
    return given


class Guard:
    """The outermost layer: refuses, adds the headers that keep browsers in bounds, logs."""

    def __init__(
        self,
        app: ASGIApp,
        port: int,
        secret: str,
        public: Collection[str],
        on_request: Callable[[str, str, int, float], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``public`` are the paths that may be read without the token."""
        names = [f"{host}:{port}" for host in ("127.0.0.1", "localhost")]
        if port == 80:  # browsers leave it out
            names += ["127.0.0.1", "localhost"]
        self._app = app
        self._hosts = {name.encode() for name in names}
        self._origins = {b"http://" + name for name in self._hosts}
        self._bearer = b"Bearer " + secret.encode()
        self._public = frozenset(public)
        self._on_request = on_request
        self._on_failure = on_failure
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *_RAW_HEADERS]}
            await send(message)

        self._active += 1
        try:
            self._check(scope)
            await self._app(scope, receive, answer)
        except RequestError as error:
            await respond(error, answer)
        except Exception as error:  # a bug of ours ends one request, not the server
            self._on_failure(error)
            if not status:
                await respond(refusals.of(error), answer)
        finally:
            self._active -= 1
            self._on_request(scope["method"], scope["path"], status, time.perf_counter() - started)

    def _check(self, scope: Scope) -> None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        host = headers.get(b"host", [])
        if len(host) != 1 or host[0].lower() not in self._hosts:
            raise RequestError(
                403, "the Host is not this server's; use the address that it printed"
            )
        origin = headers.get(b"origin", [])
        if any(value.lower() not in self._origins for value in origin):
            raise RequestError(403, "the Origin is another: pages of other places are not answered")
        open_to_all = scope["method"] in {"GET", "HEAD"} and scope["path"] in self._public
        bearer = headers.get(b"authorization", [])
        known = len(bearer) == 1 and hmac.compare_digest(bearer[0], self._bearer)
        if not known and not open_to_all:
            raise RequestError(
                401,
                "the token is missing or wrong; send Authorization: Bearer TOKEN with the one that "
                f"mobileo-export serve printed, or {VARIABLE}",
                {"WWW-Authenticate": "Bearer"},
            )
        if self._active > MOST_REQUESTS:
            raise RequestError(503, f"{MOST_REQUESTS} requests are open, no more are taken; wait")


async def respond(error: RequestError, send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer with an error."""
    body = refusals.encoded(error)
    headers = {
        **error.headers,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
