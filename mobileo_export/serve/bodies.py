"""Bodies of requests: their type, their size and the time they take are bounded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.serve.refusals import RequestError
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

SECONDS = 60.0
BINARY = "application/octet-stream"


async def read(
    request: Request, limit: int, types: Collection[str] | None, seconds: float = SECONDS
) -> bytes:
    """The whole body, of at most ``limit`` bytes and of one of ``types`` (any for None).

    Where the limit is 0 none is expected, and a length need not be told.

    Raises:
        RequestError: 408, 411, 413 or 415.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if types is not None and given not in types:
        raise RequestError(415, f"Content-Type {given!r}: send {' or '.join(types)}")
    length = request.headers.get("content-length")
    if length is None and (limit or "transfer-encoding" in request.headers):
        raise RequestError(411, "the Content-Length is missing; send it, and the body in one piece")
    size = int(length or 0)  # that it is a number is checked before
    if size > limit:
        raise RequestError(
            413, f"the body is {bytes_text(size)}, at most {bytes_text(limit)} are taken"
        )

    async def whole() -> bytes:
        return b"".join([part async for part in request.stream()])

    try:
        return await asyncio.wait_for(whole(), seconds)
    except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
        raise RequestError(
            408,
            f"the body did not come within {seconds:g} s; send it again",
            {"Connection": "close"},
        ) from None


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object; constants that are no JSON, and keys that occur twice, are refused.

    Raises:
        RequestError: 400, it is none.
    """
    try:
        found = json_file.parse(data, constants=False)
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise RequestError(400, "the body is JSON, but no object; send {…}")
    return found
