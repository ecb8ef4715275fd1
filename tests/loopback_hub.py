"""A hub on this machine: enough of its API for one repository, read and written by its client."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from mobileo_export.cli import program

from .forked import Forked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/Mobile-O-tiny"
LARGE = 2000  # bytes from which a file is kept apart, by its hash


class Hub(ThreadingHTTPServer):
    """Enough of the hub's API for one repository, and a list of what was fetched."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.fetched: list[str] = []
        self.status = 200  # answered to every request for information
        self.exists = True
        self.private = True
        self.large: dict[str, bytes] = {}  # by their sha256, whether a commit names them or not
        self.sent: list[str] = []  # hashes of those that were sent
        self.commits: list[dict[str, Any]] = []
        self.branches: list[str] = []
        self.most: int | None = None  # large files that are taken before the hub fails

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output clean."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        if path.startswith("api/"):
            self._information(path)
            return
        prefixes = [f"{REPOSITORY}/resolve/{revision}/" for revision in self._revisions()]
        prefix = next((one for one in prefixes if path.startswith(one)), None)
        name = path.removeprefix(prefix or "")
        if prefix is None or name not in self.server.files:
            self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
            return
        content = self.server.files[name]
        if self.command == "GET":
            self.server.fetched.append(name)
        etag = hashlib.sha256(content).hexdigest()
        self._answer(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'})

    def do_PUT(self) -> None:
        """A large file."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.most is not None and len(self.server.sent) >= self.server.most:
            self._answer(507, b"{}", {})
            return
        oid = hashlib.sha256(content).hexdigest()
        assert self.path == f"/large/{oid}"
        self.server.large[oid] = content
        self.server.sent.append(oid)
        self._answer(200, b"", {"ETag": f'"{oid}"'})

    def do_POST(self) -> None:
        """What an upload asks for."""
        body = self._body()
        root, path = f"/api/models/{REPOSITORY}", self.path.partition("?")[0]
        if path == "/api/repos/create":
            self.server.exists = True
            asked = json.loads(body)  # releases of the client differ in how they say it
            private = asked.get("private", asked.get("visibility") == "private")
            self.server.private = bool(private)
            self._json({"url": f"{self.server.address}/{REPOSITORY}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.startswith(f"{root}/branch/"):
            self.server.branches.append(path.rpartition("/")[2])
            self._answer(201, b"{}", {})
        elif path.startswith(f"{root}/preupload/"):
            self._json({"files": [self._mode(file) for file in json.loads(body)["files"]]})
        elif path == f"/{REPOSITORY}.git/info/lfs/objects/batch":
            asked = json.loads(body)["objects"]
            self._json({"transfer": "basic", "objects": [self._object(one) for one in asked]})
        elif path.startswith(f"{root}/commit/"):
            self._commit([json.loads(line) for line in body.splitlines()], path)
        else:
            self._answer(404, b"{}", {})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["size"] >= LARGE else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] in self.server.large:
            return asked
        href = f"{self.server.address}/large/{asked['oid']}"
        return {**asked, "actions": {"upload": {"href": href}}}

    def _commit(self, lines: list[dict[str, Any]], path: str) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.server.files[value["path"]]
        (header,) = [line["value"] for line in lines if line["key"] == "header"]
        self.server.commits.append({**header, "revision": path.rpartition("/")[2]})
        address = f"{self.server.address}/{REPOSITORY}/commit/{COMMIT}"
        self._json({"commitUrl": address, "commitOid": COMMIT})

    def _information(self, path: str) -> None:
        root = f"api/models/{REPOSITORY}"
        if not self.server.exists:
            self._answer(404, b'{"error": "no"}', {"X-Error-Code": "RepoNotFound"})
        elif self.server.status != 200:
            codes = {401: "RepoNotFound", 404: "RepoNotFound", 403: "GatedRepo"}
            headers = {"X-Error-Code": codes.get(self.server.status, "")}
            self._answer(self.server.status, b'{"error": "no"}', headers)
        elif path in {root, f"{root}/revision/main", f"{root}/revision/{COMMIT}"}:
            siblings = [
                {"rfilename": name, "size": len(content)}
                for name, content in self.server.files.items()
            ]
            known = {"id": REPOSITORY, "sha": COMMIT, "private": self.server.private}
            self._json({**known, "siblings": siblings})
        elif path in {f"{root}/tree/{revision}" for revision in self._revisions()}:
            self._json([_entry(name, data) for name, data in self.server.files.items()])
        else:
            self._answer(404, b'{"error": "no"}', {"X-Error-Code": "RevisionNotFound"})

    def _revisions(self) -> tuple[str, ...]:
        return (COMMIT, "main", *self.server.branches)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _entry(name: str, content: bytes) -> dict[str, Any]:
    """A file as the hub lists it: as git has it, or by its hash."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"type": "file", "path": name, "size": len(content), "oid": blob}
    if len(content) < LARGE:
        return entry
    large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {**entry, "lfs": large}


@contextmanager
def running(files: dict[str, bytes]) -> Iterator[Hub]:
    """A hub with one repository of these files, until the block ends."""
    server = Hub(files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def mobileo(home: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program at work in a child of this process, with a hub and a cache of the test's own.

    Nothing that computes with MLX (see ``tests.forked``): ``started`` is for that.
    """

    def call() -> None:
        os.environ.clear()
        os.environ.update(_variables(home, address))
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            del sys.modules[name]  # which reads the variables when it is imported
        logging.getLogger("huggingface_hub").handlers.clear()
        sys.argv = ["mobileo-export", *arguments]
        program.main("mobileo_export.cli.main")

    with Forked(call) as process:
        done = process.finish()
    return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)


def started(home: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same as a process of its own."""
    return run(home, address, "-m", "mobileo_export", *arguments)


def run(home: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with a hub and a cache of the test's own."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=_variables(home, address),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _variables(home: Path, address: str) -> dict[str, str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))
    }
    return environment | {
        "HF_ENDPOINT": address,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": "5",
    }


def failure(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]
