"""``mobileo-jetson verify``: are bundle and engines whole, and do they compute what they should?"""

from __future__ import annotations

from typing import Any

from mobileo_export.cli import comparison
from mobileo_export.cli.component_options import Only
from mobileo_export.cli.options import AllFigures, Json, Quiet
from mobileo_export.cli.output import print_json, print_warning, progress_display, say
from mobileo_export.errors import CheckFailedError
from mobileo_export.jetson.cli import options


def command(
    *,
    bundle: options.Bundle,
    runtime: options.Runtime = "tensorrt",
    only: Only = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: AllFigures = False,
) -> None:
    """Check every file, and replay the golden trace of the bundle on its engines.

    Files must be as they were sealed, engines as they were built and for this board. Then every
    recorded call is run again and held against what the reference gave.
    """
    from mobileo_export import components
    from mobileo_export.bundle import manifest
    from mobileo_export.jetson import verify
    from mobileo_export.runtimes import registry

    content = manifest.read(bundle)
    chosen = None if only is None else components.select(only)
    registry.check_available([runtime])
    problems = verify.files(bundle, content)
    if runtime == "tensorrt":
        problems += verify.engines(bundle)
    result: dict[str, Any] = {"bundle": str(bundle), "problems": problems, "replay": None}
    if problems:
        if json:
            print_json(result)
        else:
            for problem in problems:
                say(problem)
        raise CheckFailedError(
            f"{bundle}: {len(problems)} files are not as they should be; copy the bundle again or "
            "run mobileo-jetson build"
        )
    if not json:
        what = " and engines" if runtime == "tensorrt" else ""
        whole = "as they should be"
        say(f"{bundle}: {len(content['files'])} files{what} {whole}", "green", part=whole)
    if content.get("golden") is None:
        print_warning(
            f"{bundle}: holds no golden trace, so that nothing was computed; add one on a desk "
            f"with mobileo-export record {bundle} --checkpoint CHECKPOINT"
        )
        if json:
            print_json(result)
        return
    from mobileo_export.parity.golden.replay import replay

    jobs = [spec.name for spec in chosen or components.select(None)]
    with progress_display(quiet or json, jobs) as show:
        found = replay(bundle, runtime, None, chosen, show)
    if json:
        print_json({**result, "replay": found.as_json()})
    comparison.conclude_replay(str(bundle), found, verbose, json)
