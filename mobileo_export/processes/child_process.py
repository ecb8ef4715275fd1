"""How a Python of ours starts another, so that no file of the user's is taken for a library.

``python -m`` and ``python -c`` look for modules in the working folder first: a ``random.py`` or a
clone of a library that lies there would be executed in place of what it is named like.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mobileo_export

# Nothing may be imported before the first line ends; Python 3.10 has no switch for this.
_SAFE = "import sys; del sys.path[: sys.path[:1] == ['']]\n"
# This very package, wherever it was found: it may be a clone that is not installed.
_START = f"""{_SAFE}\
from importlib import util
name, root, module = sys.argv[1:4]
del sys.argv[1:4]
spec = util.spec_from_file_location(name, root)
sys.modules[name] = package = util.module_from_spec(spec)
spec.loader.exec_module(package)
import runpy
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def module(name: str, *arguments: str) -> list[str]:
    """The command line of ``python -m name``, ``name`` being a module of ours."""
    root = str(Path(mobileo_export.__file__).absolute())
    return [sys.executable, "-c", _START, mobileo_export.__name__, root, name, *arguments]


def code(text: str, *arguments: str) -> list[str]:
    """The command line of ``python -c text``."""
    return [sys.executable, "-c", _SAFE + text, *arguments]


def environment(**changes: str) -> dict[str, str]:
    """Our own environment with ``changes``; children of children are kept safe too."""
    return {**os.environ, "PYTHONSAFEPATH": "1", **changes}
