"""How it starts and ends: ports, tokens, signals, clients that leave, and what is left behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mobileo_export.components import COMPONENTS
from mobileo_export.processes import extras
from tests.command import finish, start

from .client import Running

if TYPE_CHECKING:
    from tests.command import Command


def begun(server: Running, steps: int = 500) -> socket.socket:
    """A connection over which a drawing comes that takes long; it has begun."""
    body = json.dumps({"prompt": "a cat", "steps": steps}).encode()
    host, port = server.address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=120)
    head = (
        f"POST /pipelines/generate HTTP/1.1\r\nHost: {server.address}\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    seen = b""
    while b'"event": "step"' not in seen:
        part = connection.recv(1 << 16)
        assert part, seen
        seen += part
    return connection


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_killed_in_the_midst_of_a_request_it_leaves_nothing(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    before = everything(tiny_bundle)
    running = Running(tiny_bundle, TMPDIR=str(tmp_path), HOME=str(tmp_path))
    with begun(running):
        running.process.kill()
        running.process.communicate(timeout=60)
    assert running.process.returncode == -signal.SIGKILL
    assert everything(tiny_bundle) == before
    kept = {"mlx"}  # MLX's own cache of compiled kernels, which it keeps in any case
    assert {path.name for path in tmp_path.iterdir()} <= kept
    again = Running(tiny_bundle, "--port", running.address.partition(":")[2])
    try:
        assert again("GET", "/manifest").status == 200
    finally:
        again.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_it_cleanly_even_while_it_draws(tiny_bundle: Path, number: int) -> None:
    running = Running(tiny_bundle)
    with begun(running) as connection:
        code, err = running.end(number)
        rest = b""
        while part := connection.recv(1 << 16):
            rest += part
    assert (code, err) == (0, "closing\n")
    assert b"the server is closing" in rest  # the last event says why nothing more comes
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tuple(running.address.split(":")), timeout=5)


def test_a_client_that_leaves_makes_room_for_the_next(tiny_bundle: Path) -> None:
    running = Running(tiny_bundle)
    try:
        begun(running).close()
        started = time.monotonic()
        given = {"input_ids": np.arange(20, dtype=np.int32)[None]}
        assert running("POST", "/components/llm/run", given).status == 200
        assert time.monotonic() - started < 20  # of five hundred steps next to nothing
    finally:
        code, err = running.end(signal.SIGINT)
    assert (code, err) == (0, "closing\n")


def test_what_it_prints_for_people(tiny_bundle: Path) -> None:
    process = start("serve", tiny_bundle, "--quiet")
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert lines[0].startswith(f"serving {tiny_bundle}: ")
    assert all(name in lines[0] for name in COMPONENTS)
    found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+)/#(\S{32})", lines[1])
    assert found
    assert lines[2] == f"apps: --host {found[1]} --token {found[2]}"
    assert lines[3] == "Ctrl-C ends it"
    assert (done.code, done.out, done.err) == (0, "", "closing\n")


def test_a_given_token_is_not_printed_and_requests_are_logged(tiny_bundle: Path) -> None:
    running = Running(tiny_bundle, "--verbose", MOBILEO_TOKEN="a-secret-token")
    assert running.token == "a-secret-token"
    assert running("GET", "/manifest").status == 200
    assert running("GET", "/no%0Apath", Authorization="Bearer wrong-one").status == 401
    code, err = running.end(signal.SIGINT)
    assert code == 0
    assert re.search(r"(?m)^GET /manifest 200 \d+\.\d{3} s$", err)
    assert re.search(r"(?m)^GET /no\\npath 401 \d+\.\d{3} s$", err)
    assert len(err.splitlines()) == 3
    assert "secret" not in err
    process = start("serve", tiny_bundle, MOBILEO_TOKEN="a-secret-token")
    assert process.stdout is not None
    told = "".join(process.stdout.readline() for _ in range(4))
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 0
    assert "with the token of MOBILEO_TOKEN" in told
    assert "secret" not in told


def test_a_port_that_is_taken(command: Command, tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("serve", tiny_bundle, "--port", str(port))
    assert done.code == 2
    assert done.error() == (
        f"port {port}: another program listens there; choose another with --port, or 0 for a free "
        "one"
    )
    done = command("serve", tiny_bundle, "--port", "65536")
    assert done.code == 2


def test_without_the_extra_it_says_what_to_install(
    command: Command, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = command("serve", tiny_bundle)
    assert done.code == 2
    assert done.error() == (
        "serve needs starlette, uvicorn: pip install '.[serve]' in a clone of mobileo-export"
    )


def test_what_cannot_be_served(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    assert command("serve", tmp_path / "none").code == 2
    assert "coreml" in command("serve", tiny_bundle, "--runtime", "onnxruntime").error()
    monkeypatch.setenv("MOBILEO_TOKEN", "short")
    assert "MOBILEO_TOKEN: is no token" in command("serve", tiny_bundle).error()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_served_as_its_reference(tiny_checkpoint: Path) -> None:
    running = Running(tiny_checkpoint)
    try:
        assert set(running.told["runtimes"].values()) == {"torch"}
        stated = running("GET", "/manifest").json()
        assert stated["format"] == "mobileo-bundle"
        assert stated["source"] == {
            "name": None, "revision": None, "weights": "released", "nested_copies": None
        }  # fmt: skip
        assert stated["components"].keys() == COMPONENTS.keys()
        assert all(entry["artifacts"] == [] for entry in stated["components"].values())
        assert stated["recipe"]["sampling"]["steps"] == 20
        given = {"input_ids": np.arange(20, dtype=np.int32)[None]}
        found = running("POST", "/components/llm/run", given).arrays()
        assert found["logits"].shape[0] == 1
    finally:
        running.close()
