"""Is this board ready? Findings in plain words, each with the command that changes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.doctor.findings import Finding
from mobileo_export.errors import MobileoError
from mobileo_export.jetson import board

if TYPE_CHECKING:
    from mobileo_export.jetson.engines import BundleNeeds
    from mobileo_export.processes.host import Host

GB = 1_000_000_000
# Without a bundle: what a headless 8 GB board has free, and engines of the 0.5B model take.
_FREE, _DISK = 5 * GB, 8 * GB
_SWAP = 7 * GB
_FAULTY = (36, 4, 7)
_TESTED = "JetPack 6.2 (L4T 36.4, 36.5) and 7.2 (L4T 39.2)"
_SUPER = "MAXN_SUPER"


def findings(host: Host, needs: BundleNeeds | None = None, place: Path = Path()) -> list[Finding]:
    """Everything that decides whether engines can be built and how fast they run.

    Args:
        host: the machine to look at.
        needs: of a bundle; general figures without.
        place: where engines will be written.
    """
    return [
        *_release(host),
        *_software(),
        *_power(host),
        *_memory(host, needs),
        *_swap(host),
        *_desktop(host),
        *_disk(host, needs, place),
    ]


def _release(host: Host) -> Iterator[Finding]:
    name, found = host.board(), board.l4t(host)
    if found is None:
        what = f"this is {name}, not" if name else "this is not"
        yield Finding(
            "board",
            "broken",
            f"{what} a Jetson with L4T (/etc/nv_tegra_release is missing); engines are built and "
            "run on the board: copy the bundle there and run this command there",
        )
        return
    yield Finding("board", "ok", name or "a Jetson without a name in its device tree")
    jetpack = f"L4T {found}" + (f", JetPack {found.jetpack}" if found.jetpack else "")
    if found.parts == _FAULTY:
        yield Finding(
            "l4t",
            "warning",
            f"{jetpack}: allocations near 4 GiB fail in this release however much is free "
            "(NvMapMemAllocInternalTagged … error 12); 36.5 mends it",
            "sudo sed -i 's/r36.4/r36.5/' /etc/apt/sources.list.d/nvidia-l4t-apt-source.list && "
            "sudo apt update && sudo apt dist-upgrade",
        )
    elif found.parts[:2] in {(36, 4), (36, 5), (39, 2)}:
        yield Finding("l4t", "ok", jetpack)
    else:
        yield Finding("l4t", "warning", f"{jetpack}: not one of {_TESTED}, which this is made for")


def _software() -> Iterator[Finding]:
    from mobileo_export.runtimes.tensorrt import libcudart, library

    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    yield Finding(
        "python",
        "ok" if good else "warning",
        f"Python {version}" + ("" if good else "; JetPack's TensorRT is for 3.10 (6.x) or 3.12"),
    )
    try:
        found = library.load()
        note = ": no TensorRT of a board; it can try a build, and runs nothing here"
        yield Finding(
            "tensorrt",
            "broken" if found.rehearsal else "ok",
            f"{'TensorRT' if found.name == 'tensorrt' else found.name} {found.version}"
            + (note if found.rehearsal else ""),
            "sudo apt install python3-libnvinfer" if found.rehearsal else None,
        )
    except MobileoError as error:
        command = "sudo apt install nvidia-jetpack python3-libnvinfer"
        yield Finding("tensorrt", "broken", str(error), command)
    try:
        cuda = libcudart.load()
        major, minor = cuda.compute_capability()
        text = f"CUDA {cuda.version()}, compute capability {major}.{minor}"
        yield Finding("cuda", "ok" if (major, minor) == (8, 7) else "warning", text)
    except MobileoError as error:
        yield Finding("cuda", "broken", str(error), "sudo apt install nvidia-jetpack")


def _power(host: Host) -> Iterator[Finding]:
    mode = board.power_mode(host)
    if mode is None:
        yield Finding("power", "warning", "nvpmodel says no power mode", "sudo nvpmodel -q")
    else:
        best = _best(mode)
        if best is None or best[1] == mode.name:
            yield Finding("power", "ok", f"power mode {mode.name}")
        else:
            text = f"power mode {mode.name}; {best[1]} is faster"
            yield Finding("power", "warning", text, f"sudo nvpmodel -m {best[0]}")
        if "Orin Nano" in (host.board() or "") and _SUPER not in {
            mode.name,
            *mode.known.values(),
        }:
            yield Finding(
                "super",
                "warning",
                "this Orin Nano has no MAXN_SUPER mode: its firmware is older than JetPack 6.2, or "
                "it was not flashed as Super; flash JetPack 6.2 or later to gain it",
                "sudo nvpmodel -p --verbose",
            )
    clock = board.gpu_clock(host)
    if clock is None:
        text = "the GPU's clock cannot be read without rights"
        yield Finding("clocks", "warning", text, "sudo jetson_clocks --show")
    elif clock.pinned:
        yield Finding("clocks", "ok", f"GPU clock pinned at {clock.highest:.0f} MHz")
    else:
        text = (
            f"GPU clock moves between {clock.lowest:.0f} and {clock.highest:.0f} MHz; measurements "
            "vary with it"
        )
        yield Finding("clocks", "warning", text, "sudo jetson_clocks")


def _best(mode: board.PowerMode) -> tuple[int, str] | None:
    """The fastest mode: MAXN in one of its forms, else that of the most watts."""

    def rank(name: str) -> float:
        if name.startswith("MAXN"):
            return 1000 + len(name)
        watts = name.removeprefix("MODE_").removesuffix("W")
        return float(watts) if watts.isdigit() else 0.0

    ranked = sorted(mode.known.items(), key=lambda item: rank(item[1]))
    return ranked[-1] if ranked else None


def _memory(host: Host, needs: BundleNeeds | None) -> Iterator[Finding]:
    found = board.memory(host)
    if found is None:
        yield Finding("memory", "warning", "/proc/meminfo cannot be read")
        return
    free = f"{found.available / GB:.1f} of {found.total / GB:.1f} GB of memory free"
    command = "sudo sync && sudo sysctl vm.drop_caches=3"
    if needs is not None:
        what = f"building {needs.largest} takes about {needs.build_memory / GB:.1f} GB"
        short = found.available < needs.build_memory
        yield Finding(
            "memory",
            "warning" if short else "ok",
            f"{free}; {what}" + ("; end other programs" if short else ""),
            command if short else None,
        )
    elif found.available < _FREE:
        text = f"{free}; builds want {_FREE / GB:.0f} GB: end other programs and the desktop"
        yield Finding("memory", "warning", text, command)
    else:
        yield Finding("memory", "ok", free)


def _swap(host: Host) -> Iterator[Finding]:
    found = board.swaps(host)
    compressed = [swap for swap in found if swap.compressed]
    stored = sum(swap.size for swap in found if not swap.compressed)
    if compressed:
        yield Finding(
            "zram",
            "warning",
            f"zram holds up to {sum(swap.size for swap in compressed) / GB:.1f} GB of what is "
            "swapped out in the memory that the GPU needs",
            "sudo systemctl disable --now nvzramconfig && sudo reboot",
        )
    else:
        yield Finding("zram", "ok", "no zram")
    if stored < _SWAP:
        yield Finding(
            "swap",
            "warning",
            f"{stored / GB:.1f} GB of swap on disk; 8 GB (better on NVMe than on the card) make "
            "room while engines are built. What the GPU allocates is never swapped",
            "sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile "
            "&& sudo swapon /swapfile",
        )
    else:
        yield Finding("swap", "ok", f"{stored / GB:.1f} GB of swap on disk")


def _desktop(host: Host) -> Iterator[Finding]:
    running = board.desktop(host)
    if running is None:
        yield Finding("desktop", "warning", "systemd does not say whether a desktop runs")
    elif running:
        yield Finding(
            "desktop",
            "warning",
            "a desktop runs and takes about 0.8 GB",
            "sudo systemctl set-default multi-user.target && sudo reboot",
        )
    else:
        yield Finding("desktop", "ok", "no desktop")


def _disk(host: Host, needs: BundleNeeds | None, place: Path) -> Iterator[Finding]:
    free = host.disk_free(place)
    wanted = _DISK if needs is None else needs.disk
    text = f"{free / GB:.1f} GB free for engines, which take about {wanted / GB:.1f} GB"
    if free < wanted:
        yield Finding("disk", "broken", text, f"df -h {place.absolute()}")
    else:
        yield Finding("disk", "ok", text)
