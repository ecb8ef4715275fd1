"""What ``doctor`` and the board's ``preflight`` say: findings, each with what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "warning", "broken"]
"""``missing`` is only wrong for who needs it; ``warning`` works, though not as tested."""

Kind = Literal["target", "runtime", "command"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: a package, the disk, an engine.
        state: see :data:`State`.
        detail: what was found, in a few words.
        mend: a command or what to do; None when nothing is to be done.
    """

    what: str
    state: State
    detail: str
    mend: str | None = None


@dataclass(frozen=True)
class Ability:
    """Whether something can be done here.

    Attributes:
        name: such as ``export ios`` or ``mil``.
        kind: ``target``, ``runtime`` or ``command``.
        able: whether it can.
        reason: why not, or a reservation; empty.
        mend: what to do about it; None.
    """

    name: str
    kind: Kind
    able: bool
    reason: str = ""
    mend: str | None = None
