"""Available memory, from files as the kernel writes them."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mobileo_export import memory

if TYPE_CHECKING:
    from pathlib import Path

GB = 1 << 30


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text(
        f"MemTotal:       {32 << 20} kB\nMemFree:        1000 kB\nMemAvailable:   {16 << 20} kB\n"
    )
    (folder / "self" / "cgroup").write_text("")
    return folder


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_the_machine_alone(proc: Path, tmp_path: Path) -> None:
    found = memory.available(proc, tmp_path / "cgroup")
    assert found == memory.Available(16 * GB, "free on this machine")


def test_a_group_and_those_that_hold_it(proc: Path, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    (proc / "self" / "cgroup").write_text("0::/outer/inner\n")
    group(root / "outer/inner", memory__max="max", memory__current=GB)
    group(
        root / "outer",
        memory__max=4 * GB,
        memory__current=3 * GB,
        memory__stat=f"anon {GB}\ninactive_file {GB}\nactive_file {GB // 2}",
    )
    found = memory.available(proc, root)
    assert found.bytes == 4 * GB - 3 * GB + GB + GB // 2
    assert "control group" in found.bound


def test_a_container_sees_its_own_group_as_the_root(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("0::/docker/3f2a\n")
    group(tmp_path / "cgroup", memory__max=2 * GB, memory__current=GB)
    assert memory.available(proc, tmp_path / "cgroup").bytes == GB


def test_groups_of_the_first_version(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("9:cpu:/x\n4:memory:/batch/job\n0::/\n")
    group(
        tmp_path / "cgroup/memory/batch/job",
        memory__limit_in_bytes=3 * GB,
        memory__usage_in_bytes=2 * GB,
        memory__stat=f"inactive_file 1\ntotal_inactive_file {GB // 4}\ntotal_active_file 0",
    )
    assert memory.available(proc, tmp_path / "cgroup").bytes == GB + GB // 4


def test_kills_are_counted_by_our_own_group_first(proc: Path, tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    assert memory.kills(proc, root) is None  # macOS, or an old kernel
    (proc / "vmstat").write_text("nr_free_pages 12\noom_kill 7\n")
    assert memory.kills(proc, root) == 7
    (proc / "self" / "cgroup").write_text("4:memory:/batch\n0::/outer\n")
    group(root / "memory" / "batch", memory__oom_control="oom_kill_disable 0\noom_kill 3")
    assert memory.kills(proc, root) == 3
    (proc / "self" / "cgroup").write_text("0::/outer\n")
    group(root / "outer", memory__events="low 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0")
    assert memory.kills(proc, root) == 1


def test_what_is_used_beyond_the_limit_is_not_negative(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("0::/\n")
    group(tmp_path / "cgroup", memory__max=GB, memory__current=2 * GB)
    assert memory.available(proc, tmp_path / "cgroup").bytes == 0


def test_a_limit_of_the_shell() -> None:
    code = "from mobileo_export import memory; print(memory.available())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (GB, GB)),
    )
    assert done.stdout == f"Available(bytes={GB}, bound='ulimit -v')\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_process_keeps() -> None:
    code = (  # by itself: a process that ran other tests may give memory back meanwhile
        "import os\n"
        "from mobileo_export import memory\n"
        "before = memory.resident(os.getpid())\n"
        "block = bytearray(os.urandom(1 << 20) * 64)\n"
        "print(memory.resident(os.getpid()) - before, memory.own_peak())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, peak = map(int, done.stdout.split())
    assert 60 << 20 < grown < 80 << 20
    assert peak > grown
    assert memory.resident(2**22 + 1) == 0
