"""How the threads of one operation wait for each other where other work wants the processors."""

from __future__ import annotations

import os

# Rounds of a thread's busy waiting, some ten microseconds, before it sleeps. GNU's OpenMP has
# 300,000, milliseconds: on two cores that many processes share, a thread that waits so keeps the
# one it waits for from running (a picture of the miniature: 31 s of the processor, not 6).
ROUNDS = "2000"


def briefly() -> None:
    """Have GNU's OpenMP, which PyTorch computes with on Linux, wait ``ROUNDS`` and then sleep.

    Who set one of its two variables keeps what it says. They are read as the library is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", ROUNDS)
