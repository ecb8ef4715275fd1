"""``mobileo-jetson preflight``: is this board ready?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobileo_export.cli import findings
from mobileo_export.cli.options import Json
from mobileo_export.cli.output import print_json
from mobileo_export.errors import CheckFailedError


def command(
    *,
    bundle: Annotated[
        Path | None, typer.Argument(help="A jetson bundle whose engines need room.")
    ] = None,
    json: Json = False,
) -> None:
    """Look at the board: releases, power, clocks, memory, swap, desktop, disk.

    Every finding names the command that changes it. Ends with 1 where something must change first;
    warnings cost speed or room only.
    """
    from dataclasses import asdict

    from mobileo_export.artifacts.engine import stamp
    from mobileo_export.jetson import engines, preflight
    from mobileo_export.processes.host import Host

    needs = None if bundle is None else engines.needs(engines.engines(bundle))
    place = Path() if bundle is None else stamp.folder(bundle)
    found = preflight.findings(Host(), needs, place)
    if json:
        print_json({"findings": [asdict(finding) for finding in found]})
    else:
        findings.show(found)
    problems = [finding.what for finding in found if finding.state == "broken"]
    if problems:
        raise CheckFailedError(f"{', '.join(problems)}: must change first, see above")
