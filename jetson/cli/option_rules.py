"""Where each option of ``mobileo-jetson`` applies; see ``mobileo_export.cli.rules``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mobileo_export.cli.option_rules import ANSWERED, DRAWN, SEEN
from mobileo_export.cli.rules import ALWAYS, JSON, Needs, Rows, Values


def _recorded(values: Values) -> bool:
    from mobileo_export.bundle import manifest

    return manifest.read(Path(values["bundle"])).get("golden") is not None


_NO_TRACE = (
    "and {bundle} holds no golden trace; add one on a desk with mobileo-export record {bundle} "
    "--checkpoint CHECKPOINT"
)
_RUN: Rows = {
    "runtime": ALWAYS,
    "ignore_budget": (
        Needs(
            lambda v: v["runtime"] == "tensorrt",
            "goes with --runtime tensorrt: there is no budget for {runtime}",
        ),
    ),
    "json": ALWAYS,
    "quiet": ALWAYS,
}
TABLE: Mapping[str, Rows] = {
    "preflight": {"json": ALWAYS},
    "build": {
        "only": ALWAYS,
        "force": ALWAYS,
        "level": ALWAYS,
        "workspace": ALWAYS,
        "tf32": ALWAYS,
        "json": ALWAYS,
        "quiet": ALWAYS,
    },
    "verify": {
        "runtime": ALWAYS,
        "only": (Needs(_recorded, f"chooses what is replayed, {_NO_TRACE}"),),
        "json": ALWAYS,
        "quiet": ALWAYS,
        "verbose": (
            Needs(_recorded, f"shows what is replayed, {_NO_TRACE}"),
            Needs(lambda v: not v["json"], "is for people; --json always has every figure"),
        ),
    },
    "generate": {**_RUN, **DRAWN},
    "edit": {**SEEN, **_RUN, **DRAWN},
    "ask": {**SEEN, **ANSWERED, **_RUN},
    "chat": {**ANSWERED, **_RUN},
    "bench": {
        **_RUN,
        "runs": ALWAYS,
        "warmups": ALWAYS,
        "image_runs": ALWAYS,
        "image_warmups": ALWAYS,
        "tokens": ALWAYS,
        "steps": ALWAYS,
        "replay": ALWAYS,
        "output": (JSON,),
    },
}
