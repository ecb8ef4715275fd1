"""The command line. Each command is one file; its heavy imports happen when it runs."""

from __future__ import annotations

from importlib import import_module

from mobileo_export.cli.application import application
from mobileo_export.cli.help_table import EXAMPLES
from mobileo_export.cli.option_rules import TABLE

app = application(
    "mobileo-export",
    "Take a Mobile-O checkpoint to Core ML and MLX, and check what was made.",
    {name: import_module(f"mobileo_export.cli.{name.replace('-', '_')}").command for name in TABLE},
    TABLE,
    EXAMPLES,
)
