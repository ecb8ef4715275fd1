"""Results as devices write them: a phone, a Mac, a board, and what the Swift program wrote here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mobileo_export.bench.measurement import Measurement, report
from mobileo_export.bench.published import PAPER
from mobileo_export.bench.stages import STAGES
from mobileo_export.components import COMPONENTS
from mobileo_export.parity.cases import PROMPT, QUESTION

# Of `mobileo bench` and `mobileo replay --host` on the miniature's bundle.
SWIFT = Path(__file__).parent / "results"
SWIFT_BENCH, SWIFT_REPLAY = SWIFT / "mobileo-bench.json", SWIFT / "mobileo-replay.json"
_FIGURES = {
    "load_cold_dit": ("s", 11.0),
    "load_warm_dit": ("s", 1.1),
    "cold_llm": ("s", 2.0),
    "vision_encoder": ("ms", 100.0),
    "time_to_first_token": ("ms", 250.0),
    "decode_rate": ("tokens/s", 60.0),
    "dit_step": ("ms", 75.0),
    "image": ("s", 3.5),
}
_SETTINGS = {
    "runs": 3,
    "warmups": 1,
    "tokens": 64,
    "steps": 20,
    "guidance": 1.5,
    "prompt": PROMPT,
    "question": QUESTION,
}
_READING = {"thermal_state": "nominal", "battery": 0.8, "low_power_mode": False}


def bundle(digit: str = "a", precision: str = "float32") -> dict[str, Any]:
    return {
        "manifest_sha256": digit * 64,
        "source": "Amshaker/Mobile-O-0.5B",
        "precision": {"dit": precision, "mcp": precision, "llm": "float16"},
    }


def phone(model: str | None = "iPhone 17 Pro", **changes: Any) -> dict[str, Any]:
    """A benchmark of the app's; ``changes`` replace its fields."""
    measurements = [
        Measurement(name, unit, f"All of {name}", (value, value * 1.1, value * 1.2), 1)
        for name, (unit, value) in _FIGURES.items()
    ]
    found = report(
        program="MobileO app",
        version="0.1.0",
        runtime="coreml, mlx",
        bundle=bundle(),
        machine={"model": model, "system": "iOS 26.1", "memory": 8_000_000_000},
        settings=_SETTINGS,
        measurements=measurements,
        telemetry={
            "before": _READING,
            "after": {**_READING, "battery": 0.75},
            "peak_footprint_mb": 2913.4,
            "least_headroom_mb": 812.5,
        },
    )
    return {**found, **changes}


def board(**changes: Any) -> dict[str, Any]:
    """A benchmark of the board: fewer measurements, another bundle, other definitions."""
    found = phone("Jetson Orin Nano", bundle=bundle("b", "float16"), runtime="tensorrt")
    kept = ("vision_encoder", "time_to_first_token", "decode_rate", "image")
    found["measurements"] = [
        {**item, "definition": f"{item['definition']}, on the board"}
        for item in found["measurements"]
        if item["name"] in kept
    ]
    telemetry = {"ram_peak": 5120, "power_mean": 14.2, "power_peak": 19.8, "temperature_peak": 62.5}
    return {**found, "telemetry": telemetry, **changes}


def self_test(model: str = "iPhone 17 Pro", *, passed: bool = True) -> dict[str, Any]:
    """What the Swift program wrote, as a phone would; failing in one row if not ``passed``."""
    found: dict[str, Any] = json.loads(SWIFT_REPLAY.read_text(encoding="utf-8"))
    found |= {"bundle": bundle(), "machine": {"model": model}}
    for component in found["components"]:
        component |= {"gates": "device", "provisional": True, "most_footprint": 2_913_000_000}
    if not passed:
        row = found["components"][0]["rows"][1]
        row |= {"value": row["bound"] * 3, "passed": False}
        found["components"][0]["passed"] = found["passed"] = False
        found["failures"] = ["dit, generate, step 0, velocity: relative_l2 is <6.00e-05>"]
    return found


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def work() -> dict[str, Any]:
    """What the stages of the 0.5B model compute and read, as a benchmark states it."""
    found: dict[str, Any] = json.loads((SWIFT / "work-0.5b.json").read_text(encoding="utf-8"))
    return found


_ON_A_MAC = {
    "load_cold_vision_encoder": ("s", 6.2, None),
    "load_warm_vision_encoder": ("s", 0.4, None),
    "load_cold_dit": ("s", 14.0, None),
    "load_warm_dit": ("s", 1.3, None),
    "preprocessing": ("ms", 12.0, None),
    "vision_encoder": ("ms", 104.0, 2100.0),
    "prefill": ("ms", 130.0, 2900.0),
    "time_to_first_token": ("ms", 252.0, 3100.0),
    "decode_rate": ("tokens/s", 118.0, 2900.0),
    "llm": ("ms", 41.0, 2900.0),
    "mcp": ("ms", 3.1, 2920.0),
    "dit_step": ("ms", 133.0, 5300.0),
    "vae_decoder": ("ms", 610.0, 6200.0),
    "image": ("s", 3.35, 6250.0),
}


def mac(**changes: Any) -> dict[str, Any]:
    """A benchmark of a Mac at full size, its work and its self-test within it."""
    measurements = [
        Measurement(
            name,
            unit,
            STAGES[name].definition if name in STAGES else f"All of {name}",
            (value,)
            if name.startswith("load_")
            else tuple(value * (1 + n / 100) for n in range(5)),
            0 if name.startswith("load_") else 2,
            PAPER["MacBook M2 Pro"].get(name),
        )
        for name, (unit, value, _) in _ON_A_MAC.items()
    ]
    test = {**self_test("Mac14,9"), "bundle": bundle()}
    found = report(
        program="mobileo-export",
        version="0.1.0",
        runtime="coreml, mlx",
        bundle={**bundle(), "precision": dict.fromkeys(COMPONENTS, "float32") | {"llm": "float16"}},
        machine={
            "model": "Mac14,9",
            "chip": "Apple M2 Pro",
            "gpu_cores": 19,
            "system": "macOS-26.1",
            "os_build": "25B78",
            "memory": 17_179_869_184,
        },
        settings={
            **_SETTINGS,
            "runs": 5,
            "evaluations": 40,
            "runtimes": dict.fromkeys(COMPONENTS, "coreml") | {"llm": "mlx"},
            "compute_units": {"vision_encoder": "all", "mcp": "all", "dit": "cpu_and_gpu"}
            | {"vae_decoder": "cpu_and_gpu"},
            "mlx_tf32": True,
        },
        measurements=measurements,
        telemetry={
            "before": {**_READING, "power_source": "AC Power"},
            "after": {**_READING, "power_source": "AC Power"},
            "peak_footprint_mb": 6312.0,
            "by_stage": {"loading": 5400.0}
            | {name: peak for name, (_, _, peak) in _ON_A_MAC.items() if peak},
        },
        self_test=test,
        work=work(),
    )
    return {**found, **changes}
