"""How much of the weights each task keeps in memory."""

from __future__ import annotations

from typing import Any

from mobileo_export.bundle import resident
from mobileo_export.bundle.resident import Resident

TASKS = {"chat": ("llm",), "generate": ("llm", "dit"), "ask": ("vision_encoder", "llm")}


def artifact(path: str, compute: str = "float32", **options: Any) -> dict[str, Any]:
    return {"artifacts": [{"path": path, "compute_precision": compute, "options": options}]}


def manifest(**components: dict[str, Any]) -> dict[str, Any]:
    sizes = {"llm/model.safetensors": 700, "llm/config.json": 3, "t.mlpackage/weight.bin": 1200}
    files = [{"path": path, "size": size} for path, size in sizes.items()]
    return {"components": components, "files": files}


def test_stored_and_widened() -> None:
    content = manifest(
        llm=artifact("llm", "float16", bits_per_weight=8.5),
        dit=artifact("t.mlpackage", average_bits=16.0),
    )
    chat, generate, ask = resident.of(content, TASKS)
    assert chat == Resident("chat", (), 703, 703, 703, 703)
    assert generate == Resident("generate", (), 1903, 1200, 3103, 2400)
    assert ask == Resident("ask", ("vision_encoder",), 0, 0, 0, 0)


def test_what_computes_in_what_it_stores_is_not_widened() -> None:
    half = manifest(llm=artifact("llm"), dit=artifact("t.mlpackage", "float16", average_bits=16.5))
    plain = manifest(llm=artifact("llm"), dit=artifact("t.mlpackage"))
    for content in (half, plain):
        _, generate, _ = resident.of(content, TASKS)
        assert generate.kept == generate.kept_widened == 1903
