"""``mobileo-export random-checkpoint``: a checkpoint of the released layout with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mobileo_export.cli.options import Json, Quiet
from mobileo_export.cli.output import print_json, progress_display, say
from mobileo_export.progress import of_job
from mobileo_export.sizes import bytes_text


def command(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    variant: Annotated[
        Literal["tiny", "0.5b", "1.5b"],
        typer.Option(case_sensitive=False, help="The model whose dimensions it has."),
    ] = "tiny",
    seed: Annotated[int, typer.Option(min=0, help="Seeds every tensor, with its name.")] = 0,
    mcp_layers: Annotated[
        int | None, typer.Option(min=1, help="Hidden states that the MCP fuses (K).")
    ] = None,
    refinement_blocks: Annotated[
        int | None, typer.Option(min=0, help="Refinement blocks of the MCP.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a checkpoint with seeded random weights.

    It has the released layout to the byte (names, shapes, dtypes), for measuring and testing
    without the real weights.
    """
    from mobileo_export.random_checkpoint import write as random_checkpoint

    with progress_display(quiet or json) as show:
        path = random_checkpoint.write(
            output,
            variant,
            seed,
            mcp_layers,
            refinement_blocks,
            progress=of_job("checkpoint", show),
        )
    files = sorted(path.glob("*.safetensors"))
    size = sum(file.stat().st_size for file in files)
    if json:
        print_json({"output": str(path), "variant": variant, "seed": seed, "weight_bytes": size})
    else:
        say(f"wrote {path}: {bytes_text(size)} of weights in {len(files)} file(s)")
