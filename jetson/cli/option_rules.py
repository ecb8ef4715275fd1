"""Where each option of ``mobileo-jetson`` applies; see ``mobileo_export.cli.rules``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mobileo_export.cli.option_rules import ANSWERED, DRAWN, NOT_JSON, SEEN
from mobileo_export.cli.rules import JSON, Needs, Rows, Values, rows


def _recorded(values: Values) -> bool:
    from mobileo_export.bundle import manifest

    return manifest.read(Path(values["bundle"])).get("golden") is not None


_NO_TRACE = (
    "and {bundle} holds no golden trace; add one on a desk with mobileo-export record {bundle} "
    "--checkpoint CHECKPOINT"
)
_RUN = rows(
    "runtime json quiet",
    ignore_budget=Needs(
        lambda v: v["runtime"] == "tensorrt",
        "goes with --runtime tensorrt: there is no budget for {runtime}",
    ),
)
TABLE: Mapping[str, Rows] = {
    "preflight": rows("json"),
    "build": rows("only force level workspace tf32 json quiet"),
    "verify": rows(
        "runtime json quiet",
        only=Needs(_recorded, f"chooses what is replayed, {_NO_TRACE}"),
        verbose=(Needs(_recorded, f"shows what is replayed, {_NO_TRACE}"), NOT_JSON),
    ),
    "generate": {**_RUN, **DRAWN},
    "edit": {**SEEN, **_RUN, **DRAWN},
    "ask": {**SEEN, **ANSWERED, **_RUN},
    "chat": {**ANSWERED, **_RUN},
    "bench": {
        **_RUN,
        **rows("runs warmups image_runs image_warmups tokens steps replay", output=JSON),
    },
}
