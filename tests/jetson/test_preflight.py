from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mobileo_export.doctor.findings import Finding
from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.jetson import preflight
from mobileo_export.jetson.engines import BundleNeeds
from mobileo_export.processes.host import Host
from mobileo_export.runtimes.tensorrt import libcudart, library
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

from . import recorded


@pytest.fixture
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board's TensorRT and CUDA."""

    class Cuda(FakeCuda):
        def version(self) -> str:
            return "12.6"

    module = SimpleNamespace(__version__="10.3.0")
    monkeypatch.setattr(library, "load", lambda: library.Library(module, "tensorrt", "10.3.0"))
    monkeypatch.setattr(libcudart, "load", Cuda)


def look(host: Host, needs: BundleNeeds | None = None) -> dict[str, Finding]:
    return {finding.what: finding for finding in preflight.findings(host, needs)}


@pytest.mark.usefixtures("software")
def test_a_super_as_it_comes(tmp_path: Path) -> None:
    found = look(recorded.host(tmp_path, recorded.SUPER_FILES, recorded.SUPER_COMMANDS))
    levels = {name: finding.state for name, finding in found.items()}
    assert levels == {
        "board": "ok",
        "l4t": "warning",
        "python": "ok" if sys.version_info[:2] <= (3, 12) else "warning",
        "tensorrt": "ok",
        "cuda": "ok",
        "power": "warning",
        "clocks": "warning",
        "memory": "warning",
        "zram": "warning",
        "swap": "warning",
        "desktop": "warning",
        "disk": "ok",
    }
    assert "36.4.7, JetPack 6.2.1: allocations near 4 GiB fail" in found["l4t"].detail
    assert found["power"].mend == "sudo nvpmodel -m 2"
    assert found["clocks"].mend == "sudo jetson_clocks"
    assert "4.1 of 8.0 GB" in found["memory"].detail
    assert "nvzramconfig" in (found["zram"].mend or "")
    assert found["tensorrt"].detail == "TensorRT 10.3.0"
    assert found["cuda"].detail == "CUDA 12.6, compute capability 8.7"
    assert all(f.mend for f in found.values() if f.state != "ok" and f.what != "python")


@pytest.mark.usefixtures("software")
def test_a_board_that_is_set_right(tmp_path: Path) -> None:
    files = {
        **recorded.SUPER_FILES,
        "etc/nv_tegra_release": recorded.RELEASE_36_4_7.replace("4.7", "5.2"),
        "proc/swaps": recorded.SWAPS_NVME,
        "proc/meminfo": recorded.MEMINFO.replace("4023972", "6000000"),
        "sys/class/devfreq/17000000.gpu/min_freq": "1020000000\n",
    }
    commands = {
        "nvpmodel -q": "NV Power Mode: MAXN_SUPER\n2\n",
        "systemctl get-default": "multi-user.target\n",
    }
    found = look(recorded.host(tmp_path, files, commands))
    assert {finding.state for name, finding in found.items() if name != "python"} == {"ok"}


@pytest.mark.usefixtures("software")
def test_a_nano_without_the_super_modes(tmp_path: Path) -> None:
    found = look(recorded.host(tmp_path, recorded.PLAIN_FILES, recorded.PLAIN_COMMANDS))
    assert found["l4t"].state == "ok"
    assert found["power"].state == "ok"  # it has no faster one
    assert "no MAXN_SUPER mode" in found["super"].detail


@pytest.mark.usefixtures("software")
def test_what_a_bundle_needs(tmp_path: Path) -> None:
    host = recorded.host(tmp_path, recorded.SUPER_FILES, recorded.SUPER_COMMANDS, free=10**9)
    found = look(host, BundleNeeds("transformer.onnx", 5 * 10**9, 3 * 10**9))
    assert "building transformer.onnx takes about 5.0 GB" in found["memory"].detail
    assert found["memory"].state == "warning"
    assert found["disk"].state == "broken"
    assert found["disk"].detail == "1.0 GB free for engines, which take about 3.0 GB"
    assert look(host, BundleNeeds("x.onnx", 10**9, 10**8))["memory"].state == "ok"


def test_off_the_board_every_finding_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise RuntimeUnavailableError("there is none here")

    monkeypatch.setattr(library, "load", nothing)
    monkeypatch.setattr(libcudart, "load", nothing)
    found = look(recorded.host(tmp_path, {}, {}))
    assert {n for n, f in found.items() if f.state == "broken"} == {"board", "tensorrt", "cuda"}
    assert "copy the bundle there" in found["board"].detail
    assert all("\n" not in finding.detail for finding in found.values())


@pytest.mark.usefixtures("software")
def test_another_jetson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Xavier(FakeCuda):
        def version(self) -> str:
            return "11.4"

    monkeypatch.setattr(libcudart, "load", lambda: Xavier(capability=(7, 2)))
    files = {"etc/nv_tegra_release": "# R35 (release), REVISION: 4.1"}
    found = look(recorded.host(tmp_path, files, {}))
    assert found["l4t"].state == "warning"
    assert "which this is made for" in found["l4t"].detail
    assert found["cuda"].state == "warning"
