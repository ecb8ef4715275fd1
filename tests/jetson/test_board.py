from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export.jetson import board
from mobileo_export.processes.host import Host, run
from mobileo_export.sizes import disk_free

from . import recorded


def test_a_super_with_jetpack_6(tmp_path: Path) -> None:
    host = recorded.host(tmp_path, recorded.SUPER_FILES, recorded.SUPER_COMMANDS)
    assert host.board() == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    release = board.l4t(host)
    assert release is not None
    assert (str(release), release.jetpack) == ("36.4.7", "6.2.1")
    mode = board.power_mode(host)
    assert mode == board.PowerMode("25W", 1, {0: "15W", 1: "25W", 2: "MAXN_SUPER", 3: "7W"})
    assert board.gpu_clock(host) == board.Clock(306, 1020, 306)
    assert board.memory(host) == board.BoardMemory(7802844 * 1024, 4023972 * 1024)
    assert [(swap.name, swap.compressed) for swap in board.swaps(host)] == [
        ("/dev/zram0", True),
        ("/dev/zram1", True),
    ]
    assert board.desktop(host) is True
    assert board.cuda(host) == "12.6.68"
    assert board.package(host, "libnvinfer10") == "10.3.0.30-1+cuda12.5"


def test_a_plain_one_with_jetpack_7(tmp_path: Path) -> None:
    host = recorded.host(tmp_path, recorded.PLAIN_FILES, recorded.PLAIN_COMMANDS)
    release = board.l4t(host)
    assert release is not None
    assert (str(release), release.jetpack) == ("39.2.0", "7.2")
    assert board.power_mode(host) == board.PowerMode("15W", 0, {0: "15W", 1: "7W"})
    clock = board.gpu_clock(host)
    assert clock == board.Clock(306, 624.75, 306)
    assert not clock.pinned
    assert board.Clock(624.75, 624.75, 624.75).pinned
    (swap,) = board.swaps(host)
    assert (swap.size, swap.used, swap.compressed) == (16777212 * 1024, 0, False)
    assert board.desktop(host) is False


def test_another_machine_says_nothing(tmp_path: Path) -> None:
    host = recorded.host(tmp_path, {}, {})
    readers = (Host.board, board.l4t, board.power_mode, board.gpu_clock, board.memory)
    assert [read(host) for read in (*readers, board.desktop, board.cuda)] == [None] * 7
    assert board.swaps(host) == []


@pytest.mark.parametrize("text", ["", "\0\0", "R36 (release)", "{", "Filename\n\n \nx y z w\n"])
def test_texts_of_no_use_are_none(tmp_path: Path, text: str) -> None:
    files = dict.fromkeys(recorded.SUPER_FILES, text)
    host = recorded.host(tmp_path, files, dict.fromkeys(recorded.SUPER_COMMANDS, text))
    assert board.l4t(host) is None
    assert board.power_mode(host) is None
    assert board.gpu_clock(host) is None
    assert board.memory(host) is None
    assert board.swaps(host) == []
    assert board.cuda(host) is None


@pytest.mark.parametrize(
    ("text", "version", "jetpack"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 38968081,", "36.4.3", "6.2"),
        ("# R36 (release), REVISION: 5.2, GCID: 1", "36.5.2", "6.2.2"),
        ("# R39 (release), REVISION: 2.1, fixture", "39.2.1", "7.2.1"),
        ("# R36 (release), REVISION: 3.0", "36.3.0", "6.0"),
        ("# R41 (release), REVISION: 1", "41.1.0", None),
    ],
)
def test_releases(tmp_path: Path, text: str, version: str, jetpack: str | None) -> None:
    found = board.l4t(recorded.host(tmp_path, {"etc/nv_tegra_release": text}, {}))
    assert found is not None
    assert (str(found), found.jetpack) == (version, jetpack)


def test_commands_and_files_of_this_machine(tmp_path: Path) -> None:
    assert run(("echo", "said")) == "said\n"
    assert run(("false",)) is None
    assert run(("no-such-command-anywhere",)) is None
    assert disk_free(tmp_path / "not" / "there") > 0
    host = Host(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"\xff text")
    assert host.read("/a/b") == "\ufffd text"
    assert host.read("/a") is None
    assert host.glob("/a/*") == ["/a/b"]
