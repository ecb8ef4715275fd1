"""Why processes of ours ended before their time, as far as the system tells."""

from __future__ import annotations

import signal

from mobileo_export import memory
from mobileo_export.errors import ConversionError


class Deaths:
    """What became of processes that ended before their time."""

    def __init__(self, log: str) -> None:
        """``log`` is where what they printed can be read."""
        self._log = log
        self._killed = memory.kills()  # for want of memory, by anybody's count, before we began

    def of(self, job: str, code: int, peak: int | None = None, at: str = "") -> ConversionError:
        """The error of a ``job`` whose process ended with ``code``, while it imported ``at``."""
        took = f" (it had taken {peak / 1e9:.2f} GB)" if peak else ""
        where = f" while it imported {at}" if at else ""
        if code == -signal.SIGKILL:
            return ConversionError(f"{job}: {self._kill(where + took)}")
        if code == -signal.SIGBUS:
            return ConversionError(
                f"{job}: its process was ended by SIGBUS{where}{took}: a file that it read was cut "
                "short, or the disk failed; check the checkpoint and export again"
            )
        how = f"by {signal_name(-code)}" if code < 0 else f"with exit code {code}"
        advice = f"; reinstall {at}, or see mobileo-export doctor --imports" if at else ""
        return ConversionError(
            f"{job}: its process was ended {how}{where}{took}; look in {self._log}{advice}"
        )

    def _kill(self, circumstances: str) -> str:
        """Only the kernel's own count tells want of memory from somebody's ``kill -9``."""
        smaller = "close other programs or export one component at a time (--only)"
        short = ran_out(self._killed)
        if short and self._killed is not None:
            self._killed += 1  # another may have been killed with it
            return f"its process was killed because memory ran out{circumstances}; {smaller}"
        if short is None:
            return (
                f"its process was killed (signal 9){circumstances}, and this system does not say "
                f"why; export again, and if it was for want of memory {smaller}"
            )
        return (
            f"its process was killed (signal 9){circumstances}, not by the kernel for want of "
            "memory: somebody, or a guard such as earlyoom or a job's time limit, ended it; export "
            "again, what is finished is kept"
        )


def ran_out(before: int | None) -> bool | None:
    """Whether the kernel killed for want of memory since ``memory.kills`` was ``before``.

    None where it does not say.
    """
    now = memory.kills()
    return None if before is None or now is None else now > before


def signal_name(number: int) -> str:
    """``SIGABRT`` and the like."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
