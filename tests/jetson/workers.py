"""Build workers that go wrong, run as a script: ``workers.py KIND``."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

SAID = {
    "memory": "[ERROR] Error Code 2: OutOfMemory (Requested size was 1201954816 bytes.)",
    "tactic": "[ERROR] Error Code 10: Internal Error (Could not find any implementation for node "
    "{ForeignNode[layer.0/Mul...layer.3/Add]}.)",
    "operator": "[ERROR] node n_12 (Attention): Plugin not found\n"
    "[ERROR] TensorRT cannot read the graph (...)",
    "assertion": "[ERROR] Error Code 2: Internal Error (Assertion cacheType == 1 failed. )",
    "silence": "[INFO] so far so good",
}


def main() -> None:
    kind = sys.argv[1]
    job = json.loads(sys.stdin.readline())
    partial = Path(job["partial"])
    if job["load"]:
        load(kind)
        return
    report({"event": "progress", "stage": "building engine", "done": 1, "total": 2})
    if kind in {"builds", "does-not-load"}:
        partial.write_bytes(b"ENGINE")
        result = {
            "size": 6,
            "sha256": hashlib.sha256(b"ENGINE").hexdigest(),
            "build_seconds": 0.5,
        }
        report({"event": "done", "result": result})
        return
    partial.write_bytes(b"HALF")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hangs":
        Path(str(partial) + ".pid").write_text(str(os.getpid()))
        time.sleep(600)
    elif kind == "cut":
        print('{"event": "done", "result": {"size"', flush=True)
    elif kind == "disk":
        report({"event": "failed", "message": f"{partial}: No space left on device"})
        print(f"[ERROR] {partial}: No space left on device", file=sys.stderr)
    else:
        print(SAID[kind], file=sys.stderr, flush=True)
        report({"event": "failed", "message": "it failed"})


def load(kind: str) -> None:
    if kind == "builds":
        report({"event": "done", "result": {"scratch": [10]}})
    else:
        print(SAID["memory"], file=sys.stderr, flush=True)
        report({"event": "failed", "message": "it failed"})


def report(event: dict[str, object]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
