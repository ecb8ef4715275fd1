"""The target mlx at full size, on MLX's own kernels: export, exactness, memory, stage by stage.

``python -m benchmarks.mlx_full_size CHECKPOINT WORK [STEP …]`` goes through the steps below, each
in a process of its own, and prints what was measured. What a step found lies in WORK as JSON, so
that a run that ended early goes on where it was: on a Linux processor MLX computes a thousand
million operations a second, and a step of the DiT takes it minutes. Steps:

``export TARGET [PRESET]``: size, seconds, and the most memory that a component's conversion took.
``exact COMPONENT``: MLX with float32 activations against PyTorch on the weights that should be
stored, judged by the gate of ``verify``.
``peak COMPONENT PRESET``: MLX's own counter in one call, with all of the bundle resident, with
activations as the bundle states them; what came out is kept.
``device COMPONENT``: what ``peak COMPONENT w8`` kept against PyTorch, on the stored weights and on
the checkpoint's.
``generate PRESET``, ``edit PRESET``: a whole picture with everything resident, one guided step, and
the counter's peak by stage; it goes on where it was too (``mlx_picture``).

Most of the time goes into products of float32, for which MLX's wheels bring the reference BLAS;
``LD_PRELOAD`` puts another in its place, and is stated. The counter does not see a BLAS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment
from benchmarks.memory import MemoryMeter

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPONENTS = ("mcp", "llm", "dit", "vision_encoder", "vae_decoder")
_INTERVAL = 2.0  # seconds between samples of memory, each of which takes some
LENGTH = 77  # tokens of conditioning
STEPS = (
    "export mlx",
    "export mlx small",
    "export ios",
    "exact mcp",
    "exact dit",
    *(f"peak {name} w8" for name in COMPONENTS),
    "device dit",
    *(f"peak {name} small" for name in COMPONENTS),
    "exact vision_encoder",
    "exact vae_decoder",
    "generate w8",
    "edit w8",
)


def main(checkpoint: Path, work: Path, steps: tuple[str, ...]) -> None:
    """Do what was not done yet, and print all of it."""
    work.mkdir(parents=True, exist_ok=True)
    for step in steps:
        file = work / f"{step.replace(' ', '-')}.json"
        if not file.exists():
            found = _step(step, checkpoint, work)
            if found is not None:
                file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if file.exists():
            print(step, file.read_text(encoding="utf-8"), flush=True)


def _step(step: str, checkpoint: Path, work: Path) -> dict[str, Any] | None:
    kind, *rest = step.split()
    if kind == "export":
        return _export(checkpoint, work, *rest)
    command = [sys.executable, "-m", "benchmarks.mlx_full_size", str(checkpoint), str(work)]
    started = time.monotonic()
    command.append(f"--child={step}")
    with (
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process,
        MemoryMeter(process.pid, _INTERVAL) as meter,
    ):
        output, _ = process.communicate()
    if process.returncode:
        print(f"{step}: failed", flush=True)
        return None
    measured: dict[str, Any] = json.loads(output.splitlines()[-1])
    measured |= {"wall_s": round(time.monotonic() - started), "process_bytes": meter.peak}
    return {**measured, "preloaded": os.environ.get("LD_PRELOAD")}


def _bundle(work: Path, target: str, preset: str = "") -> Path:
    return work / f"{target}{'-' + preset if preset and preset != 'w8' else ''}"


def _export(checkpoint: Path, work: Path, target: str, preset: str = "") -> dict[str, Any]:
    output = _bundle(work, target, preset)
    command = ["mobileo-export", "export", str(checkpoint), "--target", target, "-o", str(output)]
    command += ["--overwrite", "--fresh", "--json", *(["--compression", preset] if preset else [])]
    started = time.monotonic()
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        MemoryMeter(process.pid, _INTERVAL) as meter,
    ):
        text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: failed")
    report = json.loads(text)
    found = {name: report[name] for name in ("bytes", "components", "seconds", "peak_memory")}
    return {**found, "tree_bytes": meter.peak, "wall_s": round(time.monotonic() - started)}


def child(step: str, checkpoint: Path, work: Path) -> dict[str, Any]:
    """What one step measures; MLX and torch are imported in it alone."""
    kind, component, *rest = step.split()
    if kind == "peak":
        return _peak(component, rest[0], work)
    if kind in ("generate", "edit"):
        from benchmarks import mlx_picture

        return mlx_picture.measure(
            kind, _bundle(work, "mlx", component), work / f"{kind}-{component}"
        )
    return dict(_compared(component, work, checkpoint, wide=kind == "exact"))


def _inputs(bundle: Path, component: str) -> dict[str, Any]:
    from mobileo_export.bundle import manifest
    from mobileo_export.components import random_inputs

    specs = tuple(
        map(manifest.tensor_spec, manifest.read(bundle)["components"][component]["inputs"])
    )
    return random_inputs(specs, 1000, N=LENGTH)


def _compared(
    component: str, work: Path, checkpoint: Path, wide: bool
) -> Iterator[tuple[str, Any]]:
    import numpy as np

    from mobileo_export.bundle import manifest
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import COMPONENTS as SPECS
    from mobileo_export.parity import gates
    from mobileo_export.parity.judge import judge
    from mobileo_export.parity.stored_values import folders
    from mobileo_export.runtimes.mlx.runtime import MLXRuntime
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    bundle = _bundle(work, "mlx")
    opened, spec = Checkpoint.open(checkpoint), SPECS[component]
    artifact = manifest.read(bundle)["components"][component]["artifacts"][0]
    folder = folders.of_bundle(bundle, artifact, spec, opened.model)
    inputs = _inputs(bundle, component)
    session = folder.session(opened, "released")
    stored = session.run(inputs)
    session.close()
    plain = stored
    if not wide:
        reference = TorchRuntime().load_component(opened, component, "released")
        plain = reference.run(inputs)
        reference.close()
    if wide:
        started = time.monotonic()
        running = MLXRuntime("float32").load(folder.path)
        yield "load_s", round(time.monotonic() - started, 1)
        started = time.monotonic()
        found = running.run(inputs)
        yield "call_s", round(time.monotonic() - started, 1)
    else:
        with np.load(work / f"{component}-w8.npz") as kept:
            found = dict(kept)
    precision = "float32" if wide else artifact["compute_precision"]
    label = "mlx float32" if wide else "mlx"
    for against, truth in (("stored weights", stored), ("checkpoint", plain)):
        if against == "checkpoint" and wide:
            continue
        gate = gates.find(component, precision, label, "stored weights")
        if against == "checkpoint":
            gate = folder.gate(label, opened) or gate
        (name,) = found
        result = judge(gate, name, truth[name], found[name])
        measured = result.metrics
        assert measured is not None
        yield (
            against,
            {
                "relative_l2": measured.relative_l2,
                "worst_slice": measured.worst_slice,
                "psnr": measured.psnr,
                "gate": gate.bounds,
                "holds": all(row.holds for row in result.rows),
            },
        )


def _peak(component: str, preset: str, work: Path) -> dict[str, Any]:
    """MLX's counter while one component is called and the weights of all are resident."""
    import mlx.core as mx
    import numpy as np

    from mobileo_export.bundle import manifest
    from mobileo_export.runtimes.mlx.runtime import MLXRuntime

    bundle = _bundle(work, "mlx", preset)
    entries = manifest.read(bundle)["components"]
    sessions = {
        name: MLXRuntime().load(bundle / entry["artifacts"][0]["path"])
        for name, entry in entries.items()
    }
    resident = mx.get_active_memory()
    mx.reset_peak_memory()
    started = time.monotonic()
    found: dict[str, Any] = sessions[component].run(_inputs(bundle, component))
    call = time.monotonic() - started
    np.savez(work / f"{component}-{preset}.npz", **found)
    return {
        "components": sorted(entries),
        "resident_bytes": resident,
        "peak_bytes": mx.get_peak_memory(),
        "finite": all(bool(np.isfinite(values).all()) for values in found.values()),
        "call_s": round(call, 1),
    }


if __name__ == "__main__":
    CHECKPOINT, WORK, *ASKED = sys.argv[1:]
    if ASKED and ASKED[0].startswith("--child="):
        print(json.dumps(child(ASKED[0].removeprefix("--child="), Path(CHECKPOINT), Path(WORK))))
    else:
        main(Path(CHECKPOINT), Path(WORK), tuple(ASKED) or STEPS)
