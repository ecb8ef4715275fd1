"""The protobuf classes of Core ML models, without importing coremltools itself.

The root package of coremltools takes seconds and hundreds of megabytes to import; its generated
``proto/*_pb2.py`` modules depend on nothing but protobuf and on each other, by relative imports.
They are loaded below a private parent package. Protobuf keeps one class per message type in a
process, so that the messages are the same as those of a coremltools imported before or later.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from mobileo_export.errors import MissingDependencyError
from mobileo_export.processes import extras

_PARENT = "_mobileo_coreml_proto"


@cache
def model_pb2() -> Any:
    """The generated module of ``Model.proto``."""
    spec = importlib.util.find_spec("coremltools")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(f"reading a .mlpackage needs {extras.lacks(['coremltools'])}")
    folders = [str(Path(root) / "proto") for root in spec.submodule_search_locations]
    parent = ModuleType(_PARENT)
    parent.__path__ = folders
    sys.modules.setdefault(_PARENT, parent)
    return importlib.import_module(f"{_PARENT}.Model_pb2")


def mil_pb2() -> Any:
    """The generated module of ``MIL.proto``."""
    model_pb2()
    return importlib.import_module(f"{_PARENT}.MIL_pb2")
