"""Which components each pipeline takes, in the order in which they are loaded."""

from __future__ import annotations

_DRAWING = ("llm", "mcp", "dit", "vae_decoder")
NEEDS: dict[str, tuple[str, ...]] = {
    "generate": _DRAWING,
    "edit": ("vision_encoder", *_DRAWING),
    "ask": ("vision_encoder", "llm"),
    "chat": ("llm",),
}
