"""Children of a process that has imported the heavy libraries: started by fork, watched, measured.

A child writes lines into a pipe of its own; they are passed on in whole, so that children that run
at the same time cannot garble each other's. The pipe ends with the child, however it ends.
"""

from __future__ import annotations

import json
import os
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from mobileo_export import memory
from mobileo_export.processes import worker

_SAMPLE = 0.1  # seconds between looks at the memory of the children
_BLOCK = 1 << 16

Task = Callable[[str, TextIO], None]  # what a child does with its line; it writes lines itself


@dataclass
class _Child:
    pid: int
    job: str
    text: bytes = b""
    peak: int = 0


def serve(jobs: int, events: TextIO, task: Task) -> None:
    """Fork for every line (a JSON object with an ``id``) of the descriptor ``jobs``, as it comes.

    What the children write goes to ``events``; for each that ends, ``{"event": "ended", "id": …,
    "code": …, "peak_memory": …}`` follows, its code negative for a signal. Returns when ``jobs``
    has ended and the last child too.
    """
    children: dict[int, _Child] = {}  # by the descriptor of their pipe
    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(jobs, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_SAMPLE if children else None):
                block = os.read(key.fd, _BLOCK)
                if key.fd != jobs:
                    _relay(children[key.fd], block, events)
                    if not block:
                        selector.unregister(key.fd)
                        os.close(key.fd)
                        _ended(children.pop(key.fd), events)
                    continue
                *lines, text = (text + block).split(b"\n")
                for line in lines:
                    pipe, child = _fork(line.decode(), task)
                    children[pipe] = child
                    selector.register(pipe, selectors.EVENT_READ)
                if not block:
                    selector.unregister(jobs)
            for child in children.values():
                child.peak = max(child.peak, memory.resident(child.pid))


def _fork(line: str, task: Task) -> tuple[int, _Child]:
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            worker.die_with(parent)
            os.close(reader)
            with os.fdopen(writer, "w", encoding="utf-8") as out:
                task(line, out)
            code = 0
        finally:
            os._exit(code)  # whatever happens, the child must not go on as a second server
    os.close(writer)
    return reader, _Child(pid, str(json.loads(line)["id"]))


def _relay(child: _Child, block: bytes, events: TextIO) -> None:
    *lines, child.text = (child.text + block).split(b"\n")
    for line in lines:  # what a killed child began to write is never passed on
        events.write(line.decode() + "\n")
    if lines:
        events.flush()


def _ended(child: _Child, events: TextIO) -> None:
    _, status, usage = os.wait4(child.pid, 0)
    # Where memory cannot be sampled, the kernel's figure, which counts mapped files too.
    peak = child.peak or usage.ru_maxrss * 1024
    code = os.waitstatus_to_exitcode(status)
    worker.send(events, "ended", id=child.job, code=code, peak_memory=peak)
