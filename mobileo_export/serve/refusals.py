"""What a request is answered with when it cannot be served: one line, in one form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mobileo_export.errors import MobileoError, UsageError, typed_line

if TYPE_CHECKING:
    from collections.abc import Mapping

# The word for each status that we send; clients tell errors apart by it.
KINDS = {
    400: "usage",
    401: "token",
    403: "forbidden",
    404: "not_found",
    405: "method",
    408: "timeout",
    411: "length_required",
    413: "too_large",
    415: "media_type",
    429: "too_many_sessions",
    500: "internal",
    503: "unavailable",
}


class RequestError(MobileoError):
    """A request that is refused, with the ``status`` and ``headers`` of its answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def of(error: BaseException) -> RequestError:
    """Any error as an answer: what the request caused is 400, what we or the bundle did is 500."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, UsageError):
        return RequestError(400, str(error))
    if isinstance(error, MobileoError):
        return RequestError(500, str(error))
    if isinstance(error, MemoryError):
        return RequestError(500, "memory ran out; close other programs, or release components")
    what = f"internal error, not your fault: {typed_line(error)}; the server goes on"
    return RequestError(500, what)


def content(error: RequestError) -> dict[str, dict[str, str]]:
    """The document that every error is."""
    return {"error": {"kind": KINDS.get(error.status, "usage"), "message": str(error)}}


def encoded(error: RequestError) -> bytes:
    """:func:`content` as it is sent."""
    return json.dumps(content(error), ensure_ascii=False).encode()
