"""A started ``mobileo-export serve``, and requests to it over a real socket."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobileo_export.processes import child_process
from mobileo_export.serve import arrays
from tests.command import _heed_signals

JSON = "application/json"


@dataclass(frozen=True)
class Answered:
    """An answer: its status, headers in lower case, and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which must be JSON."""
        assert self.headers["content-type"] == JSON, self
        return json.loads(self.body)

    def error(self, status: int, kind: str) -> str:
        """The message of an error in the one form that errors have; fails if it is another."""
        assert self.status == status, self
        found = self.json()
        assert set(found) == {"error"}
        assert found["error"]["kind"] == kind
        message: str = found["error"]["message"]
        assert set(found["error"]) == {"kind", "message"}
        assert message
        assert "\n" not in message
        assert "Traceback" not in message
        return message

    def arrays(self) -> dict[str, Any]:
        """The arrays that were sent."""
        assert self.status == 200, self.body
        assert self.headers["content-type"] == arrays.MEDIA_TYPE
        return arrays.decode(self.body)

    def events(self) -> list[dict[str, Any]]:
        """The lines of a pipeline's answer."""
        assert self.status == 200, self.body
        assert self.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in self.body.splitlines()]


class Running:
    """A server that runs as a process of its own."""

    def __init__(self, source: str | Path, *options: str, **environment: str) -> None:
        command = child_process.module("mobileo_export", "serve", str(source), "--json", *options)
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            preexec_fn=_heed_signals,  # noqa: PLW1509
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.told = json.loads(line)
        self.address = self.told["address"].removeprefix("http://")
        self.token = self.told["token"]

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        /,
        **headers: str | None,
    ) -> Answered:
        """One request: arrays go as safetensors, other mappings as JSON; None drops a header."""
        kind = arrays.MEDIA_TYPE
        if isinstance(body, Mapping):
            if any(hasattr(value, "dtype") for value in body.values()):
                body = arrays.encode(body)
            else:
                body, kind = json.dumps(body).encode(), JSON
        sent: dict[str, str | None] = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            sent["Content-Type"] = kind
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.address, timeout=120)
        try:
            kept = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, body, kept)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())
        finally:
            connection.close()

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit code, and what was printed on standard error."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err

    def close(self) -> None:
        """End the process if a test has not."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
