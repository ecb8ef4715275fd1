"""``rank_pattern`` and ``alpha_pattern``: which value a module has, as PEFT decides it.

A pattern is a regular expression out of somebody's file, and some take longer than anybody waits.
What is more than a name is matched in a process of its own, which has a few seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, TypeVar

from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.processes import child_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_Value = TypeVar("_Value", int, float)
_SECONDS = 10.0
# Dots stand for any character, as in PEFT; there is nothing to go back over.
_NAME = re.compile(r"[\w.-]+")
# peft.utils.other.get_pattern_key: the first pattern that matches the end of the name.
_PROGRAM = r"""
import json, re, sys
patterns, modules = json.load(sys.stdin)
found = {}
for pattern in patterns:
    try:
        compiled = re.compile(rf"(.*\.)?({pattern})$")
    except Exception as error:
        print(json.dumps({"pattern": pattern, "reason": str(error)}))
        sys.exit()
    for module in modules:
        if module not in found and compiled.match(module):
            found[module] = pattern
print(json.dumps({"found": found}))
"""


def choose(
    path: Path, field: str, patterns: Mapping[str, _Value], modules: Sequence[str]
) -> dict[str, _Value]:
    """The value of each of ``modules`` that a pattern matches.

    Args:
        path: the file that they are from, for messages.
        field: likewise.
        patterns: the value for each pattern; the first that matches counts.
        modules: names as in the trained model.

    Raises:
        CheckpointError: a pattern is no regular expression.
        UsageError: they take too long to match.
    """
    if all(map(_NAME.fullmatch, patterns)):
        compiled = {re.compile(rf"(.*\.)?({p})$"): value for p, value in patterns.items()}
        every = [next((v for p, v in compiled.items() if p.match(m)), None) for m in modules]
        return {m: v for m, v in zip(modules, every, strict=True) if v is not None}
    try:
        done = subprocess.run(
            child_process.code(_PROGRAM),
            input=json.dumps([list(patterns), list(modules)]),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"{path}: {field} takes more than {_SECONDS:g} s to match; write its patterns with the "
            "modules' names, or merge the adapter with PEFT"
        ) from None
    except subprocess.CalledProcessError as error:
        raise CheckpointError(f"{path}: {field} cannot be matched; save the adapter again") from (
            error
        )
    answer = json.loads(done.stdout)
    if "pattern" in answer:
        raise CheckpointError(
            f"{path}: {field} holds {answer['pattern']!r}, no pattern: {answer['reason']}"
        )
    return {module: patterns[pattern] for module, pattern in answer["found"].items()}
