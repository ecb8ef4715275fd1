"""How an option that would do nothing is refused, with the reason, before a command begins.

A command has a row for every option, with its rules; none for one that always applies. Rules look
at what was typed and at cheap facts: is it a bundle? where does an output lie? The rows are in
``option_rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mobileo_export.cli import outputs
from mobileo_export.cli.help_pages import HelpfulCommand
from mobileo_export.errors import UsageError

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Needs:
    """``option`` applies where ``holds`` does; ``reason`` follows its name in the error."""

    holds: Callable[[Values], bool]
    reason: str | Callable[[Values], str]  # {…} in a text is the value of another parameter

    def check(self, option: str, name: str, values: Values) -> None:
        """Raise UsageError where the option does not apply."""
        if not self.holds(values):
            text = self.reason
            reason = text.format_map(values) if isinstance(text, str) else text(values)
            raise UsageError(f"{option} {reason}")


@dataclass(frozen=True)
class Writes:
    """``option`` names what is written: it must be possible, and not inside a bundle."""

    where: Callable[[Path], None]

    def check(self, option: str, name: str, values: Values) -> None:
        """Raise UsageError where nothing can be written."""
        self.where(Path(values[name]))  # older typer has text here


Rule = Needs | Writes
Rows = Mapping[str, tuple[Rule, ...]]
PICTURE = Writes(outputs.check_picture)
NPZ = Writes(lambda path: outputs.check_file(path, ".npz"))
JSON = Writes(lambda path: outputs.check_file(path, ".json"))
HTML = Writes(lambda path: outputs.check_file(path, ".html"))
FOLDER = Writes(outputs.check_folder)
REPLACED = Writes(outputs.check_beside)  # a folder that appears whole or not at all


class RuledCommand(HelpfulCommand):
    """A command that asks its rules before it begins."""

    rows: ClassVar[Rows] = {}

    def invoke(self, ctx: Any) -> Any:
        """Refuse what does not apply, then run."""
        for parameter in self.params:
            name = parameter.name
            if name is None or name not in self.rows:
                continue
            source = ctx.get_parameter_source(name)
            # A place that is written to matters even where nobody named it.
            named = source is not None and source.name not in {"DEFAULT", "DEFAULT_MAP"}
            negated = ctx.params[name] is False and parameter.secondary_opts
            spelled = parameter.secondary_opts if negated else parameter.opts
            for rule in self.rows[name]:
                given = ctx.params[name] is not None
                if named or (given and isinstance(rule, Writes)):
                    rule.check(max(spelled, key=len), name, ctx.params)
        return super().invoke(ctx)


def ruled(rows: Rows, examples: tuple[str, ...] = ()) -> type[RuledCommand]:
    """The class of a command with these rules, and examples for its help."""
    return type("RuledCommand", (RuledCommand,), {"rows": rows, "examples": examples})


def rows(always: str = "", **ruled: Rule | tuple[Rule, ...]) -> Rows:
    """The rows of a command: ``always`` names what applies whatever else is said."""
    others = {name: rule if isinstance(rule, tuple) else (rule,) for name, rule in ruled.items()}
    return {**dict.fromkeys(always.split(), ()), **others}


def hub_only(source: str) -> Needs:
    """For options of a download; ``source`` is the parameter that names the checkpoint."""

    def holds(values: Values) -> bool:
        from mobileo_export.checkpoint.hub import is_hub_id

        return values[source] is not None and is_hub_id(str(values[source]))

    return Needs(holds, f"goes with a hub id; {{{source}}} is none, nothing is downloaded")


def checkpoint_only(source: str, reason: str) -> Needs:
    """For options that a bundle has no use for."""
    return Needs(lambda values: not is_bundle(Path(values[source])), reason)


def is_bundle(path: Path) -> bool:
    """Whether ``path`` is taken for a bundle."""
    from mobileo_export.bundle.manifest import MANIFEST

    return (path / MANIFEST).is_file()
