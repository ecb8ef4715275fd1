"""``mobileo-export inspect``: what a checkpoint, a bundle or a package is, in one look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli.output import bytes_text, count_text, print_json, print_warning, shape_text

if TYPE_CHECKING:
    from rich.console import Console


def command(
    path: Annotated[
        str, typer.Argument(help="A checkpoint folder or hub id, a bundle, or a .mlpackage.")
    ],
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of a hub id.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use the hub cache only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show components, parameters, dtypes, shapes, sizes, operations, versions and warnings."""
    from mobileo_export import hub, inspection

    if hub.is_hub_id(path):
        source = hub.resolve(path, revision, offline, quiet=json)
        report = inspection.inspect_checkpoint(source.checkpoint)
    else:
        report = inspection.inspect(Path(path))
    if json:
        print_json(report)
        return
    from rich.console import Console

    console = Console(soft_wrap=False)
    {"checkpoint": _checkpoint, "bundle": _bundle, "package": _package}[report["kind"]](
        report, console
    )
    for warning in report["warnings"]:
        print_warning(warning)


def _checkpoint(report: dict[str, Any], console: Console) -> None:
    size = sum(report["files"].values())
    console.print(
        f"[bold]Checkpoint[/bold] {report['path']}: {report['parameters']:,} parameters, "
        f"{report['tensors']} tensors, {bytes_text(size)} in {len(report['files'])} file(s)",
        highlight=False,
    )
    table = _table("component", "tensors", "parameters", "dtype", "size")
    for part in report["components"]:
        table.add_row(
            part["component"],
            str(part["tensors"]),
            f"{part['parameters']:,}",
            ", ".join(part["dtypes"]),
            bytes_text(part["bytes"]),
        )
    unused = report["training_only"]
    if unused["tensors"]:
        table.add_row(
            "(training only)", str(unused["tensors"]), "", "", bytes_text(unused["bytes"])
        )
    console.print(table)
    _signatures(report["components"], console)
    model = report["model"]
    llm, mcp = model["llm"], model["mcp"]
    console.print(
        f"language model: {llm['num_hidden_layers']} layers of {llm['hidden_size']}, vocabulary "
        f"{llm['vocab_size']}, head {'tied' if llm['tie_word_embeddings'] else 'untied'}\n"
        f"MCP: K = {mcp['num_layers']}, {mcp['num_refinement_blocks']} refinement block(s)\n"
        f"diffusion: {model['diffusion']['name']}",
        highlight=False,
    )
    nested = report["nested_copies"]
    if nested is not None:
        console.print(
            f"nested copies (base_model.model.*): {nested['count']}, of which "
            f"{nested['identical']} identical to the top level, {nested['differing']} different "
            f"(by up to {nested['largest_difference']:.2%}), {len(nested['orphans'])} without "
            "counterpart; --weights chooses",
            highlight=False,
        )


def _bundle(report: dict[str, Any], console: Console) -> None:
    source = report["source"]
    origin = source["name"] or "a local checkpoint"
    revision = f" at {source['revision']}" if source["revision"] else ""
    console.print(
        f"[bold]Bundle[/bold] {report['path']}: {bytes_text(report['bytes'])} in "
        f"{report['files']} files, from {origin}{revision}, {source['weights']} weights",
        highlight=False,
    )
    table = _table("component", "artifact", "params", "weights", "size", "ops")
    for part in report["components"]:
        operations = sum(n for kind, n in part["operations"].items() if kind != "const")
        table.add_row(
            part["component"],
            part["path"],
            count_text(part["parameters"]),
            part["weight_precision"],
            bytes_text(part["bytes"]),
            str(operations) if operations else "",
        )
    console.print(table)
    _signatures(report["components"], console)
    _versions(console, {**{"mobileo-export": report["generator"]["version"]}, **report["tools"]})
    console.print(f"licence of the weights: {report['license']['weights']}", highlight=False)


def _package(report: dict[str, Any], console: Console) -> None:
    console.print(
        f"[bold]Package[/bold] {report['path']}: {report['title'] or 'untitled'}, "
        f"{report['parameters']:,} weights "
        f"({', '.join(f'{count:,} {dtype}' for dtype, count in report['weights'].items())}), "
        f"{bytes_text(report['bytes'])}, specification {report['specification_version']}",
        highlight=False,
    )
    table = _table("", "name", "dtype", "shape", "description")
    for kind in ("inputs", "outputs"):
        for tensor in report[kind]:
            table.add_row(
                kind[:-1],
                tensor["name"],
                tensor["dtype"],
                shape_text(tensor["shape"]) if tensor["shape"] else "from the graph",
                tensor["description"],
            )
    console.print(table)
    counts = ", ".join(f"{kind} {count}" for kind, count in report["operations"].items())
    console.print(f"operations: {counts}", highlight=False)
    _versions(console, report["versions"])


def _table(*columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        right = column in {"tensors", "parameters", "params", "size", "ops"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _signatures(components: list[dict[str, Any]], console: Console) -> None:
    def side(tensors: list[dict[str, Any]]) -> str:
        return ", ".join(
            f"{tensor['name']} {shape_text(tensor['shape'])}"
            + (" (optional)" if tensor.get("optional") else "")
            for tensor in tensors
        )

    for part in components:
        text = f"{part['component']}: {side(part['inputs'])} → {side(part['outputs'])}"
        console.print(text, highlight=False, soft_wrap=True)


def _versions(console: Console, versions: dict[str, str]) -> None:
    text = ", ".join(f"{name.removeprefix('com.github.apple.')} {version}" for name, version in versions.items())
    console.print(f"made with: {text}", highlight=False)
