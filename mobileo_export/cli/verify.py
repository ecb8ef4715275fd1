"""``mobileo-export verify``: is a bundle still what was sealed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobileo_export.cli.output import bytes_text, print_json
from mobileo_export.errors import CheckFailedError


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check every file of a bundle against its manifest: contents, sizes, nothing extra."""
    from dataclasses import asdict

    from mobileo_export.bundle import manifest, seal

    content = manifest.read(bundle)
    problems = seal.verify(bundle, content)
    if json:
        print_json({"bundle": str(bundle), "problems": [asdict(p) for p in problems]})
    else:
        for problem in problems:
            print(f"{problem.kind:<10} {problem.path}  ({problem.detail})")
    if problems:
        raise CheckFailedError(
            f"{bundle}: {len(problems)} of its files are not as sealed; export or download it again"
        )
    if not json:
        size = sum(int(item["size"]) for item in content["files"])
        print(f"{bundle}: {len(content['files'])} files, {bytes_text(size)}, all as sealed")
