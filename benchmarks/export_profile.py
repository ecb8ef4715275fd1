"""Where the time of an export goes, by component and stage.

``python -m benchmarks.export_profile CHECKPOINT [COMPONENT …] [--workdir DIR] [--json]``.
One real export into a temporary folder, components side by side as always, timed by its progress.
A stage lasts until the next one of the component begins; those of different components overlap.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mobileo_export.progress import Progress

# What comes before a component's first stage: imports, and waiting for its turn.
WAITING = "waiting"


@dataclass(frozen=True)
class Span:
    """One stage of one component, in seconds since the export began."""

    component: str
    stage: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


def spans(events: list[tuple[float, Progress]]) -> list[Span]:
    """The stages of every component, in the order in which they ended."""
    found: list[Span] = []
    current: dict[str, tuple[str, float]] = {}
    for moment, event in events:
        stage, begin = current.get(event.job, (WAITING, 0.0))
        name = _named(event)
        if name != stage:
            found.append(Span(event.job, stage, begin, moment))
            current[event.job] = name, moment
    return found


def _named(event: Progress) -> str:
    """Of lowering, what its count of passes tells: before, during and after them."""
    if event.stage != "lowering":
        return event.stage
    if event.done == 0:
        return "translating"
    return "passes" if event.done < event.total else "laying out"


def main() -> None:
    """Export once, print a table or JSON."""
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import COMPONENTS
    from mobileo_export.converters.options import Options
    from mobileo_export.export.run import export

    parser = argparse.ArgumentParser(description="Where the time of an export goes.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("components", nargs="*", metavar="component", help=", ".join(COMPONENTS))
    parser.add_argument("--workdir", type=Path, help="for the bundle, which is removed at the end")
    parser.add_argument("--json", action="store_true", help="spans, in seconds")
    options = parser.parse_args()
    chosen = tuple(COMPONENTS[name] for name in options.components or COMPONENTS)
    events: list[tuple[float, Progress]] = []
    started = time.monotonic()

    def note(event: Progress) -> None:
        events.append((time.monotonic() - started, event))

    with tempfile.TemporaryDirectory(dir=options.workdir) as folder:
        log = Path(folder, "export.log")
        export(
            Checkpoint.open(options.checkpoint),
            Path(folder, "bundle"),
            Options(chosen),
            log=log,
            progress=note,
        )
    whole = time.monotonic() - started
    found = spans(events)
    if options.json:
        print(json.dumps({"seconds": whole, "spans": [vars(span) for span in found]}, indent=2))
        return
    for span in found:
        where = f"{span.begin:6.1f} to {span.end:6.1f} s"
        print(f"{span.component:<15} {span.stage:<20} {span.seconds:6.1f} s   {where}")
    print(f"{'all':<15} {'':<20} {whole:6.1f} s")


if __name__ == "__main__":
    main()
