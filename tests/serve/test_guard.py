"""Who may ask, from where, and for how much; everything else is refused in one line."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

import numpy as np
import pytest

from mobileo_export.components import COMPONENTS, Dim, TensorSpec
from mobileo_export.errors import UsageError
from mobileo_export.serve import app, arrays, guard

from .client import JSON, Running

STATES = "stacked_hidden_states"


def raw(server: Running, request: bytes) -> bytes:
    """What comes back for bytes that need not be HTTP."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    return found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/manifest"),
        ("POST", "/llm/sessions"),
        ("POST", "/components/dit/run"),
        ("DELETE", "/components/dit"),
        ("POST", "/images"),
        ("POST", "/pipelines/chat"),
        ("POST", "/"),
        ("GET", "/no/such/path"),
    ],
)
def test_without_the_token_nothing_is_told(server: Running, method: str, path: str) -> None:
    for given in (
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {server.token}x",
        f"Basic {server.token}",
    ):
        found = server(method, path, Authorization=given)
        assert "the token is missing or wrong" in found.error(401, "token")
        assert found.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/", "/manifest", "/page.js"])
def test_other_hosts_and_origins_are_refused(server: Running, path: str) -> None:
    port = server.address.partition(":")[2]
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "localhost:1",
        "",
        f"[::1]:{port}",
    ):
        assert "Host" in server("GET", path, Host=host).error(403, "forbidden")
    for origin in (
        "null",
        "http://evil.example",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.1:{port}0",
    ):
        assert "Origin" in server("GET", path, Origin=origin).error(403, "forbidden")
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        found = server("GET", path, Host=f"{name}:{port}", Origin=f"http://{name}:{port}")
        assert found.status == 200
    assert b" 403 " in raw(server, f"GET {path} HTTP/1.0\r\n\r\n".encode())
    twice = f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\nHost: evil\r\n\r\n"
    assert raw(server, twice.encode()).split()[1] in {b"400", b"403"}


def test_only_loopback_listens(server: Running) -> None:
    port = int(server.address.partition(":")[2])
    for place, listens in (("127.0.0.1", True), ("127.0.0.2", False)):
        with socket.socket() as other:
            other.settimeout(5)
            assert (other.connect_ex((place, port)) == 0) == listens


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_code(server: Running) -> None:
    for path, file in app.PUBLIC.items():
        found = server("GET", path, Authorization=None)
        assert (found.status, found.body) == (200, file.read_bytes())
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        text = found.body.decode()
        assert not re.search(
            r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(|\bon[a-z]+=["']""", text
        )
        assert not re.search(r"<style|<script(?![^>]* src=)|style=", text)
        assert "innerHTML" not in text
    head = server("HEAD", "/", Authorization=None)
    assert (head.status, head.body) == (200, b"")


def test_the_pages_files_fit_together() -> None:
    files = {path.name: path.read_text() for path in app.PAGE.iterdir()}
    html = files["index.html"]
    identifiers = set(re.findall(r'\bid="([^"]+)"', html))
    scripts = "".join(text for name, text in files.items() if name.endswith(".js"))
    asked = set(re.findall(r'\$\("([^"]+)"\)', scripts))
    assert len(asked) > 30
    assert asked <= identifiers
    referred = set(re.findall(r' (?:for|aria-controls|aria-describedby)="([^"]+)"', html))
    assert referred <= identifiers
    named = re.findall(r'(?:src|href)="([^"]+)"', html) + re.findall(r'from "\./([^"]+)"', scripts)
    assert set(named) | {"index.html"} == files.keys()


def body_of(
    name: str = STATES, shape: tuple[int, ...] = (1, 4, 20, 64), dtype: Any = np.float32
) -> bytes:
    return arrays.encode({name: np.zeros(shape, dtype)})


def test_bodies_that_do_not_fit_are_named(server: Running) -> None:
    path = "/components/mcp/run"
    good = server("GET", "/manifest").json()["components"]["mcp"]["inputs"][0]["shape"]
    k, width = good[1], good[3]
    for body, said in (
        (b"", "not safetensors"),
        (b"abc", "not safetensors"),
        (b"\xff" * 64, "not safetensors"),
        (b"\2\0\0\0\0\0\0\0[]", "not safetensors"),
        (body_of("latent"), "latent: unknown input"),
        (arrays.encode({}), "input is missing"),
        (body_of(shape=(1, k, 20, width + 1)), "has shape"),
        (body_of(shape=(1, k, 7, width)), "with N 8 to 768"),
        (body_of(shape=(20, width)), "has shape"),
        (body_of(shape=(1, k, 20, width), dtype=np.int32), "has dtype int32, expected float32"),
        (body_of(shape=(1, k, 20, width), dtype=np.float64), "has dtype F64"),
        (arrays.encode({STATES: np.full((1, k, 20, width), np.nan, np.float32)}), "NaN"),
    ):
        message = server("POST", path, body).error(400, "usage")
        assert said in message
    for token in (-1, 1 << 30):
        ids = {"input_ids": np.array([[token]], np.int32)}
        assert "vocabulary" in server("POST", "/components/llm/run", ids).error(400, "usage")
    two = {"input_ids": np.array([[1, 2]], np.int32)}
    assert "no such session" in server("POST", "/llm/sessions/x/prefill", two).error(
        404, "not_found"
    )
    assert "has shape" in server("POST", "/llm/sessions/x/step", two).error(400, "usage")
    assert "no picture" in server("POST", "/images", b"GIF89a").error(400, "usage")


def test_sizes_and_types_are_bounded(server: Running) -> None:
    path = "/components/mcp/run"
    assert "Content-Type 'text/plain'" in server(
        "POST", path, b"x", Content_Type="text/plain"
    ).error(415, "media_type")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Type: {arrays.MEDIA_TYPE}\r\n"
    )
    answer = raw(server, f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
    assert b" 411 " in answer
    assert b'"length_required"' in answer
    for size in (1 << 30, 1 << 62):
        answer = raw(server, f"{head}Content-Length: {size}\r\n\r\n".encode())
        assert b" 413 " in answer
        assert b"at most" in answer
    assert b" 400 " in raw(server, f"{head}Content-Length: -1\r\n\r\n".encode())
    assert server("POST", "/llm/sessions", b"x").status == 413
    bare = "\r\n".join(line for line in head.splitlines() if not line.startswith("Content-Type"))
    opened = raw(server, bare.replace(path, "/llm/sessions").encode() + b"\r\n\r\n")
    assert opened.startswith(b"HTTP/1.1 201 ")  # who sends no body need not say how long it is
    key = json.loads(opened.partition(b"\r\n\r\n")[2])["session"]
    assert server("DELETE", f"/llm/sessions/{key}").status == 204


def test_the_bound_of_a_body_is_that_of_the_signature() -> None:
    specs = (
        TensorSpec("a", (1, Dim("N", 2, 10, 3), 4), ""),
        TensorSpec("b", (3,), "", "int32", optional=True),
    )
    largest = {"a": np.zeros((1, 10, 4), np.float32), "b": np.zeros(3, np.int32)}
    assert len(arrays.encode(largest)) <= arrays.most_bytes(specs) == 65536 + 4 * 43


@pytest.mark.parametrize(
    ("pipeline", "body", "said"),
    [
        ("generate", {}, "prompt: field is missing"),
        ("generate", {"prompt": "x", "colour": 1}, "'colour': unknown field"),
        ("generate", {"prompt": 7}, "prompt: is no text"),
        ("generate", {"prompt": "x", "steps": 0}, "0 steps"),
        ("generate", {"prompt": "x", "steps": 2.5}, "steps: is no whole number"),
        ("generate", {"prompt": "x", "steps": True}, "steps: is no whole number"),
        ("generate", {"prompt": "x", "guidance": "1"}, "guidance: is no number"),
        ("generate", {"prompt": "x", "guidance": 10**400}, "guidance: is too large"),
        ("generate", {"prompt": "x", "guidance": 0.5}, "guidance 0.5"),
        ("generate", {"prompt": "x", "seed": str(2**64)}, "seed 18446744073709551616"),
        ("generate", {"prompt": "x", "seed": "-1"}, "seed: is no whole number"),
        ("generate", {"prompt": "\ud800"}, "no character"),
        ("edit", {"instruction": "x"}, "picture: field is missing"),
        ("edit", {"instruction": "x", "picture": "?"}, "picture: is not base64"),
        ("edit", {"instruction": "x", "picture": "QUJD"}, "the picture: is no picture"),
        ("ask", {"question": "x", "picture": 1}, "picture: is no text"),
        ("chat", {"turns": []}, "turns: 0 texts"),
        ("chat", {"turns": ["a", "b"]}, "turns: 2 texts"),
        ("chat", {"turns": "a"}, "turns: is no list"),
        ("chat", {"turns": ["a"], "temperature": 11}, "temperature 11"),
        ("chat", {"turns": ["a"], "max_new_tokens": 0}, "0 new tokens"),
    ],
)
def test_what_a_pipeline_cannot_do_is_said_before_it_begins(
    server: Running, pipeline: str, body: dict[str, Any], said: str
) -> None:
    assert said in server("POST", f"/pipelines/{pipeline}", body).error(400, "usage")


def test_json_that_is_none_is_refused(server: Running) -> None:
    for body in (
        b"",
        b"[]",
        b"{",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b"\xff",
    ):
        found = server("POST", "/pipelines/chat", body, Content_Type=JSON)
        assert "the body is" in found.error(400, "usage")
    assert server("POST", "/pipelines/chat", b"{}", Content_Type="text/plain").status == 415
    assert "no such pipeline" in server("POST", "/pipelines/x", {"a": 1}).error(404, "not_found")
    events = server("POST", "/pipelines/chat", {"turns": [" "]}).events()
    assert events[-1]["event"] == "error"  # found by the prompter, when the answer has begun
    assert events[-1]["error"]["kind"] == "usage"
    assert "is empty" in events[-1]["error"]["message"]


def test_paths_and_methods_that_there_are_not(server: Running) -> None:
    assert "no such path" in server("GET", "/manifest/").error(404, "not_found")
    assert "no such path" in server("GET", "/page/../app.py").error(404, "not_found")
    assert "no such component" in server("POST", "/components/x/run", b"").error(404, "not_found")
    found = server("PUT", "/manifest")
    assert found.error(405, "method") == "/manifest: does not take PUT"
    assert "GET" in found.headers["allow"]
    answer = raw(server, b"\x16\x03\x01\x02\x00 what is this\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error == {"kind": "usage", "message": "the request is no HTTP that can be read"}


def test_a_silent_connection_is_in_nobodys_way(server: Running) -> None:
    host, port = server.address.split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(40)]
    for one in silent[20:]:
        one.sendall(b"GET / HTTP/1.1\r\n")
    started = time.monotonic()
    assert server("GET", "/manifest").status == 200
    assert time.monotonic() - started < 10
    for one in silent:
        one.close()


def test_tokens_are_made_or_taken() -> None:
    made = {guard.token(None), guard.token(""), guard.token(None)}
    assert len(made) == 3
    assert all(len(token) >= 32 for token in made)
    assert guard.token("a-Secret_1") == "a-Secret_1"
    for bad in ("short", "with space", "x" * 257, "naïveté-naïveté"):
        with pytest.raises(UsageError, match="MOBILEO_TOKEN: is no token"):
            guard.token(bad)


def test_every_component_has_an_endpoint(server: Running) -> None:
    for name in COMPONENTS:
        assert server("POST", f"/components/{name}/run", b"").error(400, "usage")
