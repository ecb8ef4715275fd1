"""How findings are shown, by ``mobileo-export doctor`` and ``mobileo-jetson preflight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mobileo_export.doctor.findings import Finding


def show(findings: Sequence[Finding]) -> None:
    """A line each; what mends it stands on a line of its own, unfolded, to be copied."""
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        before = f"{finding.state:<8} {finding.what:<{width}}  "
        say(before + finding.detail, hanging=len(before))
        if finding.mend is not None and finding.state != "ok":
            say(f"{'':{len(before)}}{finding.mend}")
