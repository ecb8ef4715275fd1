"""Results as devices write them: a phone, a Mac, a board, and what the Swift program wrote here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mobileo_export.bench.measurement import Measurement, report
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
