"""Both programs, and what they are called with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobileo_export.cli import main, option_rules
from mobileo_export.jetson.cli import main as jetson_main
from mobileo_export.jetson.cli import option_rules as jetson_rules
from tests.jetson.test_cli import Command as JetsonCommand

if TYPE_CHECKING:
    from tests.command import Command, Finished


PROGRAMS = (
    ("mobileo-export", main.app, option_rules.TABLE),
    ("mobileo-jetson", jetson_main.app, jetson_rules.TABLE),
)


def run(command: Command, jetson: JetsonCommand, program: str, call: str, output: str) -> Finished:
    arguments = call.format(output).split()
    return command(*arguments) if program == "mobileo-export" else jetson(*arguments)
