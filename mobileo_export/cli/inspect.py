"""``mobileo-export inspect``: what a checkpoint, a bundle or a package is, in one look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export.cli import sources
from mobileo_export.cli.options import JsonOfAll, Offline, Revision
from mobileo_export.cli.output import (
    count_text,
    new_console,
    new_table,
    print_json,
    print_warning,
    say,
    shape_text,
)
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from rich.console import Console


def command(
    *,
    path: Annotated[
        str,
        typer.Argument(help="A checkpoint or bundle (folder, hub id), miniature, or .mlpackage."),
    ],
    revision: Revision = None,
    offline: Offline = False,
    operations: Annotated[
        bool,
        typer.Option("--operations", help="Show the costliest operations of a bundle or package."),
    ] = False,
    top: Annotated[
        int | None, typer.Option(help="How many of each artifact with --operations; 10 by default.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Tokens of a prompt with --operations; 77 by default.")
    ] = None,
    json: JsonOfAll = False,
) -> None:
    """Show what a checkpoint, a bundle or a package is.

    Components, parameters, dtypes, shapes, sizes, operations, versions and warnings; with
    --operations the FLOPs and bytes of the costliest operations, and their torch modules.
    """
    from mobileo_export.checkpoint import hub
    from mobileo_export.inspection import describe

    place = sources.local(path, offline, json, revision)
    if operations:
        _operations(place, top, tokens, json)
        return
    if hub.is_name(place):
        source = sources.resolve(path, revision, offline, quiet=json)
        report = describe.inspect_checkpoint(source.checkpoint)
    else:
        report = describe.inspect(Path(place))
    if json:
        print_json(report)
        return
    console = new_console()
    {"checkpoint": _checkpoint, "bundle": _bundle, "package": _package}[report["kind"]](
        report, console
    )
    for warning in report["warnings"]:
        print_warning(warning)


def _operations(place: str, top: int | None, tokens: int | None, json: bool) -> None:
    """Count the calls of a bundle's artifacts, or of a package, and print what they cost."""
    from mobileo_export.bench import operations
    from mobileo_export.cli import operations_table

    report = operations.report(Path(place), operations.TOP if top is None else top, tokens)
    if json:
        print_json(report)
    else:
        operations_table.show(report)


def _checkpoint(report: dict[str, Any], console: Console) -> None:
    size = sum(report["files"].values())
    console.print(
        f"Checkpoint {report['path']}: {report['parameters']:,} parameters, "
        f"{report['tensors']} tensors, {bytes_text(size)} in {len(report['files'])} file(s)"
    )
    table = new_table("component", "tensors", "parameters", "dtype", "size")
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
        f"diffusion: {model['diffusion']['name']}"
    )
    _terms(report, console)
    nested = report["nested_copies"]
    if nested is not None:
        largest = nested["largest_difference"]
        distance = "beyond measure" if largest is None else f"by up to {largest:.2%}"
        console.print(
            f"nested copies (base_model.model.*): {nested['count']}, of which "
            f"{nested['identical']} identical to the top level, {nested['differing']} different "
            f"({distance}), {len(nested['orphans'])} without "
            "counterpart; --weights chooses"
        )


def _bundle(report: dict[str, Any], console: Console) -> None:
    from mobileo_export.bundle.manifest import weights_text

    source = report["source"]
    origin = source["name"] or "a local checkpoint"
    revision = f" at {source['revision']}" if source["revision"] else ""
    console.print(
        f"Bundle {report['path']}: {bytes_text(report['bytes'])} in "
        f"{report['files']} files, from {origin}{revision}, {source['weights']} weights"
    )
    table = new_table("component", "artifact", "params", "weights", "size", "error", "ops")
    for part in report["components"]:
        operations = sum(n for kind, n in part["operations"].items() if kind != "const")
        table.add_row(
            part["component"],
            part["path"],
            count_text(part["parameters"]),
            weights_text(part),
            bytes_text(part["bytes"]),
            _share(part["options"].get("relative_error")),
            str(operations) if operations else "",
        )
    console.print(table)
    for part in report["components"]:
        if "matrices" in part:
            _stored(part)
    _islands(report["components"], console)
    _resident(report["resident"], report["budgets"], console)
    _signatures(report["components"], console)
    _versions(console, {**{"mobileo-export": report["generator"]["version"]}, **report["tools"]})
    _terms(report, console)


def _share(error: float | None) -> str:
    return "" if error is None else f"{error:.2%}"


def _stored(part: dict[str, Any]) -> None:
    """How a compression plan had a package stored, in a line; and what its schemes do not fit."""
    options, matrices = part["options"], part["matrices"]
    forms = sorted(options["forms"].items(), key=lambda item: -item[1]["elements"])
    text = ", ".join(f"{count_text(found['elements'])} {form}" for form, found in forms)
    line = f"{part['component']} as {part['preset'] or 'planned'}: {text}"
    if matrices:
        worst = max(matrices, key=lambda name: matrices[name]["error"])
        line += f"; worst {_share(matrices[worst]['error'])}, {worst}"
    units = (part["compute_units"], *part.get("fallback_compute_units", ()))
    say(f"{line}; on {', else '.join(units)} (run on no device)")
    left = {name: entry for name, entry in matrices.items() if "misfit" in entry}
    if left:
        size = sum(entry["bits"] for entry in left.values()) // 8
        names = ", ".join(f"{name} ({entry['misfit']})" for name, entry in left.items())
        say(f"  exact, {bytes_text(size)}: {names}")


def _resident(tasks: list[dict[str, Any]], budgets: list[dict[str, Any]], console: Console) -> None:
    """What of the weights each task keeps in memory."""
    shown = [task for task in tasks if not task["missing"]]
    if not shown:
        return
    table = new_table("weights in memory", "all kept", "widened", "one at a time", "widened")
    for task in shown:
        figures = ("kept", "kept_widened", "least", "least_widened")
        table.add_row(task["task"], *(bytes_text(task[name]) for name in figures))
    console.print(table)
    phones = "; ".join(
        f"of {item['phone']} {bytes_text(item['plain'])}, with the entitlement "
        f"{bytes_text(item['entitled'])}"
        for item in budgets
    )
    say(f"what an app was seen to get on a phone {phones}")


def _terms(report: dict[str, Any], console: Console) -> None:
    stated = report["license"]
    source = f", from {stated['weights_source']}" if stated["weights_source"] != "none" else ""
    console.print(f"licence of the weights: {stated['weights']}{source}")


def _islands(parts: list[dict[str, Any]], console: Console) -> None:
    """What float16 graphs keep in float32, and why."""
    rows = [
        (graph["name"], rule["nodes"], rule["count"], rule["largest"], rule["reason"])
        for part in parts
        for graph in part.get("graphs", [])
        for rule in graph["precision"]
    ]
    if not rows:
        return
    table = new_table("graph", "float32 operations", "count", "largest", "because")
    for name, nodes, count, largest, reason in rows:
        seen = "" if largest is None else f"{largest:.3g}"
        table.add_row(name, nodes, str(count), seen, reason)
    console.print(table)


def _package(report: dict[str, Any], console: Console) -> None:
    console.print(
        f"Package {report['path']}: {report['title'] or 'untitled'}, "
        f"{report['parameters']:,} weights "
        f"({', '.join(f'{count:,} {dtype}' for dtype, count in report['weights'].items())}), "
        f"{bytes_text(report['bytes'])}, specification {report['specification_version']}"
    )
    for name, signature in report["signatures"].items():
        if len(report["functions"]) > 1:
            default = " (default)" if name == report["default_function"] else ""
            console.print(f"function {name}{default}")
        table = new_table("", "name", "dtype", "shape", "description")
        for side in ("inputs", "states", "outputs"):
            for tensor in signature[side]:
                optional = " (optional)" if tensor["optional"] else ""
                picture = f", as {tensor['image']} image" if tensor["image"] else ""
                table.add_row(
                    side[:-1] + optional,
                    tensor["name"],
                    tensor["dtype"] + picture,
                    _shape(tensor),
                    tensor["description"],
                )
        console.print(table)
    counts = ", ".join(f"{kind} {count}" for kind, count in report["operations"].items())
    console.print(f"operations: {counts}")
    _versions(console, report["versions"])


def _shape(tensor: dict[str, Any]) -> str:
    """``[1, 8…768, 2304]``, or each shape that is allowed; ``?`` is known in a run only."""
    if tensor["shapes"]:
        return " or ".join(map(str, tensor["shapes"]))

    def size(dim: Any) -> str:
        if not isinstance(dim, dict):
            return str(dim)
        low, high = dim["min"], dim["max"]
        return f"{low}…{'' if high is None else high}" if low or high is not None else "?"

    return f"[{', '.join(map(size, tensor['shape']))}]"


def _signatures(components: list[dict[str, Any]], console: Console) -> None:
    def side(tensors: list[dict[str, Any]]) -> str:
        return ", ".join(
            f"{tensor['name']} {shape_text(tensor['shape'])}"
            + (" (optional)" if tensor.get("optional") else "")
            for tensor in tensors
        )

    for part in components:
        text = f"{part['component']}: {side(part['inputs'])} → {side(part['outputs'])}"
        say(text)


def _versions(console: Console, versions: dict[str, str]) -> None:
    names = {name: name.removeprefix("com.github.apple.") for name in versions}
    text = ", ".join(f"{names[name]} {version}" for name, version in versions.items())
    console.print(f"made with: {text}")
