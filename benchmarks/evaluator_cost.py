"""Time and memory of the evaluator beside PyTorch's own forward pass, component by component.

``python -m benchmarks.evaluator_cost CHECKPOINT BUNDLE [COMPONENT …]``. Each side of each
component is a process of its own, which loads it and runs it three times; the fastest run counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment
from mobileo_export import targets
from mobileo_export.processes import child_process

if TYPE_CHECKING:
    from mobileo_export.runtimes.base import Session

RUNS = 3


@dataclass(frozen=True)
class Cost:
    """One side: seconds to load (imports excluded) and to run, and bytes resident at most."""

    load: float
    run: float
    peak: int


def main() -> None:
    """Measure and print a table."""
    from mobileo_export.components import COMPONENTS

    packages = [
        spec.name for spec in COMPONENTS.values() if targets.form(spec, "ios").kind == "mlpackage"
    ]
    parser = argparse.ArgumentParser(description="The evaluator beside PyTorch.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("components", nargs="*", metavar="component", help=", ".join(packages))
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--inputs", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        (component,) = options.components
        source = options.checkpoint if options.side == "torch" else options.bundle
        print(json.dumps(asdict(measure(source, component, options.inputs))))
        return
    print(f"{'':<15} {'PyTorch: load, run, peak':<30} {'evaluator':<30} time  memory")
    for component in options.components or packages:
        torch, mil = compare(options.checkpoint, options.bundle, component)
        sides = (f"{c.load:5.1f} s {c.run:6.2f} s {c.peak / 1e9:5.2f} GB" for c in (torch, mil))
        first, second = (f"{side:<30}" for side in sides)
        ratios = f"{mil.run / torch.run:.2f}  {mil.peak / torch.peak:.2f}"
        print(f"{component:<15} {first} {second} {ratios}", flush=True)


def compare(checkpoint: Path, bundle: Path, component: str) -> tuple[Cost, Cost]:
    """PyTorch and the evaluator on the same example inputs, each in a process of its own.

    Raises:
        subprocess.CalledProcessError: a side failed; its output is on standard error.
    """
    import numpy as np

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import COMPONENTS

    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        model = Checkpoint.open(checkpoint).model
        arrays: dict[str, Any] = COMPONENTS[component].example_inputs(model)
        np.savez(inputs, **arrays)
        command = child_process.module(__spec__.name, str(checkpoint), str(bundle), component)
        torch, mil = (
            subprocess.run(
                [*command, "--side", side, "--inputs", str(inputs)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            ).stdout
            for side in ("torch", "mil")
        )
    return Cost(**json.loads(torch)), Cost(**json.loads(mil))


def measure(source: Path, component: str, inputs: Path) -> Cost:
    """Load a component of a checkpoint or a bundle in this process, and run it."""
    import numpy as np

    from mobileo_export.components import COMPONENTS
    from mobileo_export.runtimes.select import open_session

    __import__(f"mobileo_export.reference.{component}")
    __import__("mobileo_export.runtimes.mil")
    with np.load(inputs) as archive:
        arrays = dict(archive)
    started = time.perf_counter()
    is_bundle = (source / "manifest.json").is_file()
    runtime = "mil" if is_bundle else "torch"
    session: Session = open_session(str(source), COMPONENTS[component], runtime)
    load = time.perf_counter() - started
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        session.run(arrays)
        seconds.append(time.perf_counter() - started)
    session.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(load, min(seconds), peak)


if __name__ == "__main__":
    main()
