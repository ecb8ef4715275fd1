"""How commands open a checkpoint: what was chosen by itself on the way is said in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mobileo_export.cli.output import print_json, print_note, say
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.checkpoint.hub import FoundCheckpoint


def resolve(text: str, revision: str | None, offline: bool, quiet: bool) -> FoundCheckpoint:
    """:func:`mobileo_export.checkpoint.hub.resolve`, telling which folder was taken."""
    from mobileo_export.checkpoint import hub

    source = hub.resolve(text, revision, offline, quiet)
    tell(source.checkpoint.notes)
    return source


def local(text: str, offline: bool, quiet: bool, revision: str | None = None) -> str:
    """The folder of a bundle on the hub, telling where it lies; any other source as it is."""
    from mobileo_export.checkpoint import hub

    if not hub.is_hub_id(text):
        return text
    from mobileo_export.sharing import download

    quiet = quiet or not sys.stderr.isatty()
    found = download.located(text, revision, offline=offline, quiet=quiet)
    if found != text:
        print_note(f"{text}: {found}")
    return found


def tell(notes: tuple[str, ...]) -> None:
    """Each note in a line."""
    for note in notes:
        print_note(note)


def of_bundle(content: dict[str, Any], text: str, offline: bool, quiet: bool) -> Checkpoint:
    """The checkpoint ``text`` beside a bundle, whose manifest tells the revision of its source."""
    from mobileo_export.checkpoint import hub

    name, revision = hub.named(text, None)
    made_from = content["source"]
    if revision is None and made_from["name"] == name:
        revision = made_from["revision"]
    return resolve(text, revision, offline, quiet).checkpoint


def tell_pending(text: str, revision: str | None, offline: bool, output: Path, json: bool) -> bool:
    """Say what a dry run would have to download first; False when everything is here."""
    from mobileo_export.checkpoint import hub

    found = hub.pending(text, revision, offline)
    if found is None:
        return False
    if json:
        download = {
            "repository": found.repository,
            "revision": found.revision,
            "files": found.sizes,
            "bytes": found.bytes,
        }
        print_json({"output": str(output), "download": download})
        return True
    say(
        f"would download {bytes_text(found.bytes)} in {len(found.sizes)} files of "
        f"{found.repository} at {found.revision}, then write {output}; what that takes is known "
        "when they are here"
    )
    return True
