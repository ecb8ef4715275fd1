"""Whether compiled code finds the libraries it was linked with; loads none of it.

A torchvision that was built for another build of torch (CUDA for CPU, say) has a version that fits,
and ends every program that imports it.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

_TORCHS = re.compile(rb"\blib(?:torch|c10)\w*\.so\b")


def unlinked() -> tuple[str, ...]:
    """Libraries of torch's that torchvision was linked with, and that are not there."""
    vision, torch = _folder("torchvision"), _folder("torch")
    if vision is None or torch is None:
        return ()
    try:
        named = {
            name for path in vision.glob("_C*.so") for name in _TORCHS.findall(path.read_bytes())
        }
        there = {path.name for path in (torch / "lib").iterdir()}
    except OSError:  # built in another way: whether it works, --imports finds out
        return ()
    return tuple(sorted(name.decode() for name in named if name.decode() not in there))


def _folder(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) if places else None
