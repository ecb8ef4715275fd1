"""Time and memory of a full-size export, beside the straightforward way, by one meter in one run.

``python -m benchmarks.export_cost --workdir DIR [--variant 0.5b] [--runs 3]``. Makes the
random checkpoint in DIR if it is not there. Linux only: memory is read from ``/proc``.

Beside the two exports it measures what exporting again costs, unchanged and with other bits for
the language model, and the floor of all: reading the checkpoint, and writing as many bytes as the
bundle has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import IO

from benchmarks import environment
from benchmarks.memory import MemoryMeter
from mobileo_export.processes import child_process


@dataclass(frozen=True)
class Cost:
    """Wall seconds and peak bytes (Pss_Anon + Pss_Shmem over the process tree) of one command."""

    seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s   {self.peak_bytes / 1e9:6.2f} GB peak"


def measure(command: list[str], errors: IO[bytes] | None = None) -> Cost:
    """Run ``command`` to its end.

    Args:
        command: the program and its arguments.
        errors: takes what it says on standard error; None leaves that where it is.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment())
    with MemoryMeter(process.pid) as meter:
        code = process.wait()
    if code != 0:
        raise subprocess.CalledProcessError(code, command)
    return Cost(time.monotonic() - started, meter.peak)


def _floor(sources: list[Path], size: int, target: Path) -> float:
    """Seconds to read ``sources`` and to write ``size`` bytes through to the disk."""
    started = time.monotonic()
    block = bytearray(1 << 22)
    for path in sources:
        with path.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass
    with target.open("wb", buffering=0) as file:
        for _ in range(0, size, len(block)):
            file.write(block)
        os.fsync(file.fileno())
    target.unlink()
    return time.monotonic() - started


def main() -> int:
    """Measure, print a table, and write ``export_cost.json`` into the working folder."""
    parser = argparse.ArgumentParser(description="Cost of a full-size export.")
    parser.add_argument("--workdir", type=Path, required=True, help="for 15 GB of files")
    parser.add_argument("--variant", default="0.5b", choices=("tiny", "0.5b", "1.5b"))
    parser.add_argument("--runs", type=int, default=3, help="of each; medians are printed")
    parser.add_argument("--no-baseline", action="store_true", help="measure ours alone")
    options = parser.parse_args()

    work: Path = options.workdir
    checkpoint, bundle = work / f"checkpoint-{options.variant}", work / "bundle"
    command = child_process.module("mobileo_export")
    if not checkpoint.exists():
        subprocess.run(
            [*command, "random-checkpoint", "--variant", options.variant, "-o", str(checkpoint)],
            check=True,
        )
    export = [*command, "export", str(checkpoint), "-o", str(bundle), "--overwrite", "-q"]
    ways = {
        "ours": [*export, "--fresh"],
        "unchanged": export,
        "other bits": [*export, "--llm-bits", "4"],
    }
    if not options.no_baseline:
        module = "benchmarks.whole_model"
        ways["baseline"] = child_process.module(module, str(checkpoint), str(work / "whole"))
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    log = work / "export_cost.log"
    with log.open("wb") as errors:
        for run, name in product(range(options.runs), ways):
            shutil.rmtree(work / "whole", ignore_errors=True)
            print(
                f"run {run + 1} of {options.runs}: {name:<12}", end="", file=sys.stderr, flush=True
            )
            try:
                cost = measure(ways[name], errors)
            except subprocess.CalledProcessError as error:
                print(f"exit code {error.returncode}; see {log}", file=sys.stderr)
                return 1
            print(cost, file=sys.stderr, flush=True)
            costs[name].append(cost)
    shutil.rmtree(work / "whole", ignore_errors=True)
    subprocess.run(export, check=True, stdout=subprocess.DEVNULL)  # the usual bits again
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    floor = _floor(sorted(checkpoint.glob("*.safetensors")), size, work / "floor")

    rows = {
        name: Cost(
            statistics.median(cost.seconds for cost in found),
            int(statistics.median(cost.peak_bytes for cost in found)),
        )
        for name, found in costs.items()
    }
    for name, cost in rows.items():
        print(f"{name:<12} {cost}")
    if "baseline" in rows:
        # Of runs that followed each other: a machine's speed drifts within an hour.
        pairs = list(zip(costs["ours"], costs["baseline"], strict=True))
        times = sorted(ours.seconds / other.seconds for ours, other in pairs)
        memory = statistics.median(ours.peak_bytes / other.peak_bytes for ours, other in pairs)
        print(f"ratio        {statistics.median(times):7.2f}     {memory:6.2f}")
        print(f"             of single runs {', '.join(f'{time:.2f}' for time in times)}")
    print(f"floor        {floor:7.1f} s   to read the checkpoint and write {size / 1e9:.2f} GB")
    report = {
        "variant": options.variant,
        "bundle_bytes": size,
        "floor_seconds": floor,
        "cores": os.cpu_count(),
        "runs": {name: [asdict(cost) for cost in found] for name, found in costs.items()},
    }
    (work / "export_cost.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
