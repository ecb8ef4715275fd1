"""A thousand requests that mean harm, and the server serves on."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import numpy as np

from mobileo_export.serve import arrays

from .client import Running

REQUESTS = 1000
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "x", "")
PATHS = (
    "/", "/manifest", "/components", "/components/dit/run", "/components/llm/run",
    "/components/dit", "/llm/sessions", "/llm/sessions/x/step", "/llm/sessions/x/prefill",
    "/images", "/pipelines/chat", "/pipelines/generate", "/../../etc/passwd", "/%2e%2e/%00", "//",
    "*", "http://evil/", "/components/%F0%9F/run", "/" + "a" * 9000, "/page.js?x=%", "",
)  # fmt: skip
TYPES = (
    arrays.MEDIA_TYPE,
    "application/octet-stream",
    "application/json",
    "text/plain",
    "",
    "\xff",
)


def bodies(rng: random.Random) -> bytes:
    """Something like what an endpoint takes, damaged."""
    good = arrays.encode({"input_ids": np.arange(9, dtype=np.int32)[None]})
    seeds = (
        b"", good, b'{"turns": ["a"]}', b'{"prompt": "a", "steps": 1e999}', b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe1\0\0", b"II*\0\xff\xff\xff\xff", (1 << 62).to_bytes(8, "little") + b"{}",
        b'{"turns": [' + b"[" * 5000, rng.randbytes(rng.randrange(200)),
    )  # fmt: skip
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(4) if data else 0):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)


def requests(server: Running, rng: random.Random) -> Iterator[bytes]:
    """Bytes that look like requests, more or less."""
    for _ in range(REQUESTS):
        body = bodies(rng)
        length = rng.choice(
            [str(len(body))] * 6 + ["0", "99999999999", "-1", "x", str(len(body) + 9)]
        )
        version = rng.choice(["1.1"] * 8 + ["1.0", "2", "x"])
        lines = [
            f"{rng.choice(METHODS)} {rng.choice(PATHS)} HTTP/{version}",
            f"Host: {rng.choice([server.address] * 8 + ['evil', ''])}",
            f"Authorization: {rng.choice([f'Bearer {server.token}'] * 8 + ['Bearer x', ''])}",
            f"Content-Type: {rng.choice(TYPES)}",
            f"Content-Length: {length}",
        ]
        if rng.random() < 0.2:
            lines.append(
                rng.choice(
                    ("Transfer-Encoding: chunked", "Expect: 100-continue", "Upgrade: websocket",
                     "Connection: upgrade", "Origin: null", "X: " + "y" * 70_000, "no colon",
                     "Cookie: \0", "Content-Length: 1", "Range: bytes=0-"),
                )
            )  # fmt: skip
        head = "\r\n".join(lines) + "\r\n\r\n"
        request = head.encode("latin-1") + body
        yield request[: rng.randrange(len(request))] if rng.random() < 0.1 else request


def test_a_thousand_hostile_requests_leave_it_serving(server: Running) -> None:
    rng = random.Random(17)
    before = server("GET", "/manifest").body
    host, port = server.address.split(":")
    answers: dict[bytes, int] = {}
    for request in requests(server, rng):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            found = b""
            try:
                connection.sendall(request)
                if rng.random() < 0.1:
                    continue  # gone before the answer
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(1 << 16):
                    found += part
            except OSError:  # it has heard enough
                pass
            status = found[9:12]
            answers[status] = answers.get(status, 0) + 1
            assert status not in {b"500", b"502"}, (request, found)
            assert b"Traceback" not in found
    assert server.process.poll() is None
    assert server("GET", "/manifest").body == before
    given = {"input_ids": np.arange(20, dtype=np.int32)[None]}
    assert server("POST", "/components/llm/run", given).arrays().keys()
    assert len(answers) > 5, answers
    assert answers.get(b"200", 0) < REQUESTS / 2
