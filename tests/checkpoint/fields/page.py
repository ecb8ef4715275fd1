"""``python -m tests.checkpoint.fields.page`` writes docs/checkpoint-fields.md from the tables."""

from __future__ import annotations

from pathlib import Path

from mobileo_export.checkpoint.fields import FILES, Field, Table
from mobileo_export.checkpoint.fields.generation import CHOICE
from mobileo_export.checkpoint.fields.table import shown

PAGE = Path(__file__).parents[3] / "docs" / "checkpoint-fields.md"
_INTRODUCTION = """\
# What becomes of each field of a checkpoint's configuration

Nothing in a configuration file is ignored in silence. Each field that the released files,
transformers' `Qwen2Config`, LLaVA and FastVLM, and diffusers' `SanaTransformer2DModel`,
`AutoencoderDC` and `DPMSolverMultistepScheduler` know is one of these:

- **only**: one of these values or a refusal that names file, field and value, since what is built
  would not be what the file describes;
- **honored**: what is built follows it. A value of the wrong JSON type, or one that contradicts
  another field or the tensors, is refused by name;
- **overruled**: the recipe ([recipe.md](recipe.md)) decides. A value that asks for something else
  is a warning of `inspect`, `doctor` and `export`, which the manifest keeps;
- **irrelevant**: no value of it can change an artifact or the recipe.

A field that is in none of these tables is a warning. A field that is absent means what it means to
the library. Where transformers' defaults are not the released model's, that is said: without
`rope_theta` a base of 10,000 is taken.

`mobileo_export/checkpoint/fields` holds the tables, `python -m tests.checkpoint.fields.page` writes
this page. Tests change every field to every kind of value and compare: the libraries build the
same networks and schedules from the raw files as the references do, what is irrelevant changes
nothing in them, and a field of a new version of a library without a row here fails a test.
"""
_ORDER = ("only", "honored", "overruled", "irrelevant")


def render() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for file, table in FILES.items():
        parts += [f"## `{file}`\n", *_notes(file), _rows(file, table)]
    return "\n".join(parts)


def _notes(file: str) -> list[str]:
    if file == "config.json":
        return [
            "Older versions of transformers keep the fields of `generation_config.json` here, too; "
            "they come to the same.\n"
        ]
    if "/" in file:
        return [
            "In the folder that `diffusion_name_or_path` names; the published names need none.\n"
        ]
    return ["A checkpoint may lack it.\n"]


def _rows(file: str, table: Table) -> str:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, row in table.items():
        if file == "config.json" and name in CHOICE and row is CHOICE[name]:
            continue
        groups.setdefault((row.use, _values(row), row.why), []).append(f"`{name}`")
    lines = ["| field | | why |", "|---|---|---|"]
    for (use, values, why), names in sorted(groups.items(), key=lambda g: _ORDER.index(g[0][0])):
        reason = f"else {why}" if use == "only" else why
        lines.append(f"| {', '.join(names)} | {use}{values} | {reason} |")
    return "\n".join(lines) + "\n"


def _values(row: Field) -> str:
    if not row.values:
        return ""
    text = ", ".join(f"`{shown(value)}`" for value in row.values)
    return f" {text}" if row.use == "only" else f", unless {text}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
