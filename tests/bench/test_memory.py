"""The memory meter, on processes whose memory is known."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.memory import MemoryMeter, tree_bytes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MB = 1 << 20
# Waits for a line after having touched 200 MB, so that the test can look before it ends.
TOUCH = "data = bytearray(200 << 20); data[::4096] = b'x' * len(data[::4096]);"
WAIT = "print('ready', flush=True); input()"


def started(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=30)


def test_a_process_is_seen() -> None:
    process = started(TOUCH + WAIT)
    assert 200 * MB < tree_bytes(process.pid) < 240 * MB
    stop(process)
    assert tree_bytes(process.pid) == 0


def test_memory_that_is_reserved_but_never_touched_does_not_count() -> None:
    process = started("import mmap; m = mmap.mmap(-1, 400 << 20);" + WAIT)
    assert tree_bytes(process.pid) < 60 * MB
    stop(process)


def test_a_child_counts_with_its_parent() -> None:
    process = started(
        "import subprocess, sys\n"
        f"code = {(TOUCH + WAIT)!r}\n"
        "child = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE)\n"
        "input(); child.communicate(b'x')\n"
    )
    assert 200 * MB < tree_bytes(process.pid) < 250 * MB
    stop(process)


def test_memory_shared_by_a_fork_counts_once() -> None:
    process = started(
        f"import os, time\n{TOUCH}\n"
        "child = os.fork()\n"
        "if not child: time.sleep(30)\n"
        f"{WAIT}\n"
        "os.kill(child, 9)\n"
    )
    # Two processes map the same 200 MB; their resident sizes would add up to more than 400.
    assert 200 * MB < tree_bytes(process.pid) < 270 * MB
    stop(process)


def test_what_a_forked_child_writes_counts_twice() -> None:
    process = started(
        f"import os, time\n{TOUCH}\n"
        "read, write = os.pipe()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    data[::4096] = b'y' * len(data[::4096]); os.write(write, b'x'); time.sleep(30)\n"
        f"os.read(read, 1)\n{WAIT}\n"
        "os.kill(child, 9)\n"
    )
    assert 400 * MB < tree_bytes(process.pid) < 470 * MB
    stop(process)


def test_the_meter_keeps_the_peak_after_it_has_passed() -> None:
    process = started(f"import time\n{WAIT}\n{TOUCH}\ntime.sleep(0.4)\ndel data\n{WAIT}\n")
    assert process.stdin is not None
    assert process.stdout is not None
    with MemoryMeter(process.pid, interval=0.05) as meter:
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        now = tree_bytes(process.pid)
    assert meter.peak > 200 * MB
    assert now < 100 * MB
    stop(process)


def test_the_meter_stops_its_thread() -> None:
    before = threading.active_count()
    with MemoryMeter(os.getpid(), interval=60):  # leaving does not wait for the interval
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_a_block_shorter_than_the_interval_is_measured() -> None:
    with MemoryMeter(os.getpid(), interval=60) as meter:
        data = bytearray(100 * MB)
        data[::4096] = b"x" * len(data[::4096])
    assert meter.peak >= 100 * MB
