"""What a checkpoint is called in a report, which is read on other machines than where it lies."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mobileo_export import assets

_REPOSITORY, _SNAPSHOTS = "models--", "snapshots"


def called(path: Path) -> str:
    """The name of the checkpoint at ``path``.

    The shipped one is ``miniature``; one in the hub's cache is its repository with the commit
    (``owner/name at 0a1b2c3``), and the folder in it if there is one. A folder of the user's is
    called as it was named.
    """
    with suppress(OSError):
        if path.resolve() == (Path(assets.__file__).parent / assets.MINIATURE).resolve():
            return assets.MINIATURE
    parts = path.parts
    for place in range(len(parts) - 2, 0, -1):
        if parts[place] == _SNAPSHOTS and parts[place - 1].startswith(_REPOSITORY):
            repository = parts[place - 1].removeprefix(_REPOSITORY).replace("--", "/")
            below = "/".join(parts[place + 2 :])
            return f"{repository}{'/' if below else ''}{below} at {parts[place + 1][:7]}"
    return str(path)
