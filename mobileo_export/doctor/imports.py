"""Really import packages, each in a process of its own, which may crash without harm."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from mobileo_export.doctor.findings import Finding
from mobileo_export.processes import child_process
from mobileo_export.processes.deaths import signal_name
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mobileo_export.doctor.packages import InstalledPackage

_SECONDS = 180


def findings(
    packages: list[InstalledPackage],
    progress: OnStage = ignore,
) -> Iterator[Finding]:
    """Whether each installed package can be imported by this Python."""
    for done, package in enumerate(packages):
        progress(f"importing {package.module}", done, len(packages))
        problem = attempt(package.module)
        if problem is None:
            yield Finding(f"import {package.module}", "ok", "works")
        else:
            mend = f"pip install --force-reinstall '{package.name}=={package.installed}'"
            yield Finding(f"import {package.module}", "broken", problem, mend)
    progress("imported", len(packages), len(packages))


def attempt(module: str, seconds: float = _SECONDS) -> str | None:
    """Why ``module`` cannot be imported, in one line; None when it can."""
    try:
        done = subprocess.run(
            child_process.code(f"import {module}"),
            env=child_process.environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"does not end within {seconds:.0f} s"
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"the process died of {signal_name(-done.returncode)}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else f"exit code {done.returncode}"
