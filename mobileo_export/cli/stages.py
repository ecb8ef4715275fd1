"""What the stages of long work are called on a terminal: in words of who uses it, at most 16 wide.

The rooms name their stages as engineers do (``lowering``), profiles and tests read those names.
"""

from __future__ import annotations

from mobileo_export.runtimes import registry

LONGEST = 16  # characters, which the narrowest layout has room for
DONE = "done"
FAILED = "failed"
_PYTORCH, _BUNDLE, _VALUES = "running PyTorch", "running bundle", "checking values"
WORDS = {
    "same weights?": "hashing weights",
    "torch": _PYTORCH,
    "torch, for the inputs": _PYTORCH,
    "torch, stored weights": _PYTORCH,
    **dict.fromkeys(registry.OF_BUNDLES[1:], _BUNDLE),
    "mlx float32": _BUNDLE,
    "stored values": _VALUES,
    "comparing every weight": _VALUES,
    "mutants": "damaging copies",
    "narrowing down": "locating",
    "checking the seal": "checking seal",
    "checking what is finished": "checking again",
    "tracing": "reading model",
    "lowering": "converting",
    "storing": "packing weights",
    "probing": "measuring ranges",
    "conditioning": "preparing",
    "finished": DONE,
    "finished before": "done before",
    "sealed": DONE,
    "built": DONE,
    "built before": "done before",
}
NAMES = {"chain": "pictures"}  # of jobs that are none of a component, whose names are kept
# What follows one of these names a thing (a graph, a file) that a longer line would have room for.
_ACTIVITIES = {"importing", "comparing", "hashing", "tracing", "writing"}


def words(stage: str) -> str:
    """The words for ``stage``; a stage that is a name, as of a case, is called by it."""
    if stage in WORDS:
        return WORDS[stage]
    activity, _, named = stage.partition(" ")
    if named and activity in _ACTIVITIES and len(stage) > LONGEST:
        return WORDS.get(activity, activity)
    return stage
