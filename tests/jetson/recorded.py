"""What boards say, as recorded by their owners: an Orin Nano Super with JetPack 6.2.1 (L4T 36.4.7)
and an Orin Nano with JetPack 7.2 (L4T 39.2.0) whose firmware lacks the Super modes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mobileo_export.processes.host import Host

MODEL_SUPER = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0"
MODEL_PLAIN = "NVIDIA Jetson Orin Nano Developer Kit\0"
RELEASE_36_4_7 = """\
# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64, DATE: Thu Sep 18 22:54:44 UTC 2025
# KERNEL_VARIANT: oot
TARGET_USERSPACE_LIB_DIR=nvidia
TARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia
"""  # noqa: E501
RELEASE_39_2_0 = """\
# R39 (release), REVISION: 2.0, GCID: 45755727, BOARD: generic, EABI: aarch64, DATE: Mon Jun  1 09:28:48 PM UTC 2026
# KERNEL_VARIANT: oot
"""  # noqa: E501
NVPMODEL_25W = "NV Power Mode: 25W\n1\n"
NVPMODEL_15W = "NV Power Mode: 15W\n0\n"
CONF_SUPER = """\
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< POWER_MODEL ID=3 NAME=7W >
< PM_CONFIG DEFAULT=1 >
"""
CONF_PLAIN = "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n"
CLOCKS = """\
SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano Developer Kit
Online CPUs: 0-5, Offline CPUs:
cpu0:  Governor=schedutil MinFreq=729600 MaxFreq=1510400 CurrentFreq=1420800 IdleStates: WFI=1 c7=1
GPU MinFreq=306000000 MaxFreq=624750000 CurrentFreq=306000000
Active GPU TPCs: 4
EMC MinFreq=204000000 MaxFreq=2133000000 CurrentFreq=2133000000
FAN Dynamic Speed Control=nvfancontrol hwmon0_pwm1=62
NV Power Mode: 15W
"""
MEMINFO = """\
MemTotal:        7802844 kB
MemFree:          155216 kB
MemAvailable:    4023972 kB
Buffers:           39884 kB
SwapTotal:       3901408 kB
HugePages_Total:       0
"""
SWAPS_ZRAM = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/zram0                              partition\t650232\t\t1024\t\t5
/dev/zram1                              partition\t650232\t\t0\t\t5
"""
SWAPS_NVME = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/ssd/16GB.swap                          file\t\t16777212\t0\t\t-2
"""
CUDA_12_6 = '{"cuda": {"version": "12.6.11"}, "cuda_cudart": {"version": "12.6.68"}}'

TEGRASTATS_36 = (
    "09-21-2025 15:38:17 RAM 3645/7620MB (lfb 63x4MB) SWAP 236/3810MB (cached 0MB) CPU [1%@729,"
    "1%@729,4%@729,1%@729,0%@729,0%@729] EMC_FREQ 0%@204 GR3D_FREQ 0%@[305] NVDEC off NVJPG off "
    "NVJPG1 off VIC off OFA off APE 200 cpu@44.125C soc2@43.375C soc0@42.125C gpu@44.531C "
    "tj@44.531C soc1@43.156C VDD_IN 2957mW/2957mW VDD_CPU_GPU_CV 486mW/486mW VDD_SOC 1012mW/1012mW"
)
TEGRASTATS_39 = (
    "09-01-2026 09:25:18 RAM 5739/7546MB (lfb 1x2MB) SWAP 2047/2048MB (cached 209MB) CPU "
    "[72%@1728,75%@1728,88%@1728,79%@1728,87%@1728,78%@1728] GR3D_FREQ 33% cpu@50C/50C "
    "soc2@47.937C/47.937C soc0@48.437C/48.437C gpu@48.75C/48.75C tj@50C/50C soc1@48.5C/48.5C "
    "VDD_IN 9761mW/9761mW/9761mW VDD_CPU_GPU_CV 4238mW/4238mW/4238mW VDD_SOC 1825mW/1825mW/1825mW"
)
TEGRASTATS_NO_SWAP = (
    "09-04-2026 19:40:47 RAM 1803/7486MB (lfb 8x4MB) CPU [64%@729,0%@729,0%@729,0%@729,0%@729,"
    "0%@729] EMC_FREQ 5%@665 GR3D_FREQ 12%@[306] NVDEC0 off NVJPG0 off NVJPG1 off VIC off OFA off "
    "APE 200 cpu@47.562C/48C soc2@46.75C/46.906C soc0@45.843C/46.031C gpu@48C/48.125C "
    "tj@48C/48.125C soc1@46.937C/46.937C VDD_IN 4093mW/4463mW/4832mW VDD_CPU_GPU_CV "
    "802mW/1019mW/1236mW VDD_SOC 1243mW/1340mW/1437mW"
)
TEGRASTATS_35 = (  # sensors that are switched off say −256
    "01-24-2024 09:17:09 RAM 3503/7337MB (lfb 7x1MB) SWAP 430/3668MB (cached 1MB) CPU [11%@729,"
    "13%@729,9%@729,18%@729,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 0%@305 GR3D2_FREQ 0%@0 VIC_FREQ "
    "115 APE 174 CV0@-256C CPU@44.093C SOC2@42.625C SOC0@43.281C CV1@-256C GPU@41.343C tj@46.968C "
    "SOC1@46.968C CV2@-256C VDD_IN 4915mW/4915mW VDD_CPU_GPU_CV 449mW/449mW VDD_SOC 1431mW/1431mW"
)

SUPER_FILES = {
    "proc/device-tree/model": MODEL_SUPER,
    "etc/nv_tegra_release": RELEASE_36_4_7,
    "etc/nvpmodel.conf": CONF_SUPER,
    "proc/meminfo": MEMINFO,
    "proc/swaps": SWAPS_ZRAM,
    "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
    "sys/class/devfreq/17000000.gpu/cur_freq": "306000000\n",
    "usr/local/cuda/version.json": CUDA_12_6,
}
SUPER_COMMANDS = {
    "nvpmodel -q": NVPMODEL_25W,
    "systemctl is-active display-manager": "active\n",
    "systemctl get-default": "graphical.target\n",
    "dpkg-query -W -f=${Version} libnvinfer10": "10.3.0.30-1+cuda12.5",
}
PLAIN_FILES = {
    "proc/device-tree/model": MODEL_PLAIN,
    "etc/nv_tegra_release": RELEASE_39_2_0,
    "etc/nvpmodel.conf": CONF_PLAIN,
    "proc/meminfo": MEMINFO.replace("4023972", "5700000"),
    "proc/swaps": SWAPS_NVME,
}
PLAIN_COMMANDS = {
    "nvpmodel -q": NVPMODEL_15W,
    "jetson_clocks --show": CLOCKS,
    "systemctl get-default": "multi-user.target\n",
}


def host(
    root: Path, files: Mapping[str, str], commands: Mapping[str, str], free: int = 60 * 10**9
) -> Host:
    """A machine below ``root`` that has ``files`` and knows ``commands``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(command: Sequence[str]) -> str | None:
        return commands.get(" ".join(command))

    return Host(root, run, lambda path: free)
