"""What is said of licences: what the checkpoint states of its weights, and nothing else.

A checkpoint states its licence as repositories of the hub do, in the first lines of the model card
beside its weights (https://huggingface.co/docs/hub/model-cards): ``license``, and for one that is
no published repository ``source``. The published Mobile-O weights are known by their hub id too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint

CARD = "README.md"
TOOLKIT = "Apache-2.0"
UNKNOWN, NONE = "unknown", "none"
_AUTHORS = "Amshaker/"
_PUBLISHED = "CC-BY-NC-SA-4.0"
_HUB = "https://huggingface.co/"
_MOST = 1 << 16  # bytes of a card that are read
# The hub writes identifiers of licences in small letters, SPDX has its own way.
_SPDX = {
    name.lower(): name
    for name in (
        "Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0",
        "CC-BY-NC-4.0", _PUBLISHED, "CC-BY-NC-ND-4.0",
    )
}  # fmt: skip
_PARTS = """\
Mobile-O: Unified Multimodal Understanding and Generation on Mobile Device, arXiv 2602.20161.
Its parts come from Qwen2 (Apache-2.0), FastVLM (Apple), and SANA and DC-AE (NVIDIA, MIT HAN Lab),
whose licences apply to them.
"""
_MEANING = {
    _PUBLISHED: """\
That is: attribution, no commercial use, and the same licence for whatever is derived from them. A
converted model is derived from them.
""",
    UNKNOWN: """\
The checkpoint does not state its licence: ask whoever made it. The published Mobile-O weights are
licensed CC BY-NC-SA 4.0: attribution, no commercial use, and the same licence for whatever is
derived from them.
""",
    NONE: """\
The weights are random numbers, which nobody licenses.
""",
}


@dataclass(frozen=True)
class Terms:
    """Of the weights: an identifier of SPDX or of the hub, and where they are from."""

    license: str
    source: str

    def manifest(self) -> dict[str, str]:
        """The entry of a manifest."""
        return {"weights": self.license, "weights_source": self.source, "toolkit": TOOLKIT}

    def line(self) -> str:
        """What a package shows of its licence."""
        if self.license == NONE:
            return "Random weights, no licence"
        return f"Weights: {self.license}, from {self.source}"

    def notice(self) -> str:
        """The text that goes with a bundle."""
        derived = self.license in {UNKNOWN, _PUBLISHED}
        paragraphs = (
            "This bundle was made by mobileo-export.\n",
            "The weights are not part of mobileo-export and keep the licence of the checkpoint "
            "they were made\nfrom.\n",
            f"Licence of the weights: {self.license}\nFrom: {self.source}\n",
            _MEANING.get(self.license, ""),
            _PARTS if derived else "",
        )
        return "\n".join(filter(None, paragraphs))


def terms(checkpoint: Checkpoint, name: str | None = None) -> Terms:
    """What is known of the weights of ``checkpoint``.

    Args:
        checkpoint: its model card, beside the weights or in the folder that was named, counts most.
        name: a hub id, when it came from there; :attr:`Checkpoint.origin` if not given.
    """
    marker = checkpoint.config.get("mobileo_export")
    if isinstance(marker, dict) and marker.get("random_weights") is True:
        return Terms(NONE, NONE)
    name = name or checkpoint.origin
    stated = _stated(checkpoint.path / CARD)
    if checkpoint.found_below:
        stated = stated or _stated(checkpoint.path.parent / CARD)
    hub_id = name if name and "/" in name else None
    license_ = stated.get("license")
    if license_ == "other":
        license_ = stated.get("license_name", license_)
    if license_ is None and hub_id:
        license_ = published(hub_id)
    source = _HUB + hub_id if hub_id else stated.get("source", UNKNOWN)
    return Terms(_SPDX.get((license_ or UNKNOWN).lower(), license_ or UNKNOWN), source)


def card(terms: Terms, text: str) -> str:
    """A model card that states ``terms``."""
    return f"---\nlicense: {terms.license.lower()}\nsource: {terms.source}\n---\n\n{text}"


def published(hub_id: str) -> str | None:
    """The licence under which a repository is known to be published; None for any other."""
    return _PUBLISHED if hub_id.startswith(_AUTHORS) else None


def on_hub(license: str) -> dict[str, str]:
    """The fields of a model card that state ``license``; what the hub may not list is ``other``."""
    small = license.lower()
    if small in _SPDX or small == UNKNOWN:
        return {"license": small}
    return {"license": "other", "license_name": license}


def of_card(text: str) -> str | None:
    """The licence that a model card states, as :class:`Terms` has it; None if it states none."""
    stated = _fields(text)
    found = stated.get("license")
    if found == "other":
        found = stated.get("license_name", found)
    return None if found is None else _SPDX.get(found.lower(), found)


def _stated(path: Path) -> dict[str, str]:
    """The plain fields at the head of a model card."""
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            return _fields(file.read(_MOST).decode("utf-8", "replace"))
    except OSError:
        return {}


def _fields(text: str) -> dict[str, str]:
    head = re.match(r"---\r?\n(.*?)^---\s*$", text, re.DOTALL | re.MULTILINE)
    if head is None:
        return {}
    pairs = re.findall(r"^(license|license_name|source):[ \t]*([^\r\n#]+)", head[1], re.MULTILINE)
    return {key: value.strip().strip("'\"")[:200] for key, value in pairs if value.strip()}
