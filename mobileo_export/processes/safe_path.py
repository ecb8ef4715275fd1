"""Keep what lies in the working folder from being executed in place of the libraries we import.

The first import of every program of ours; it imports only what Python itself has loaded before.
Before that, ``python -m`` of Python 3.10 imports contextlib, which only ``-I`` keeps from that
folder; the console scripts do not look there at all.
"""

from __future__ import annotations

import os
import sys


def enforce(name: str) -> None:
    """Take the working folder off the path, if ``python -m`` put it there and runs module ``name``.

    The console scripts have no such entry; a folder that is named in PYTHONPATH stays.
    """
    if name != "__main__" or getattr(sys.flags, "safe_path", False):
        return
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib would be looked for in that folder
    except FileNotFoundError:  # removed under our feet: nothing can be found there
        return
    if sys.path[:1] == [here]:
        del sys.path[0]
