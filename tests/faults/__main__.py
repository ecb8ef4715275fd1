"""The fault suite at length: ``python -m tests.faults --kills 300 --work build/faults``.

Kills at random moments (the language model alone, which is quick, then all components), a kill and
a refusal at every operation on a file, and every other trouble. What was done is written to
``faults.json`` in the work folder after each step; begun again, it goes on from there. Exit code 1
if a promise was not kept.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from mobileo_export.random_checkpoint import write as random_checkpoint
from tests.faults import kills, troubles
from tests.faults.harness import BrokenError, Export, contents

_QUICK, _ALL = "llm", "vision_encoder,mcp,dit,vae_decoder,llm"
_BATCH = 10  # kills between two entries in the file


class Suite:
    """The steps by name, and what each has found so far."""

    def __init__(self, work: Path, seed: int, checkpoint: Path | None) -> None:
        self.work = work
        self.seed = seed
        self.file = work / "faults.json"
        self.done: dict[str, dict[str, Any]] = {}
        if self.file.exists():
            self.done = json.loads(self.file.read_text())["steps"]
        self.checkpoint = checkpoint or work / "checkpoint"
        if not self.checkpoint.exists():
            random_checkpoint.write(self.checkpoint, "tiny")
        self._references: dict[str, tuple[dict[str, str], int, float]] = {}

    def step(self, name: str, only: str, act: Any) -> None:
        """Run ``act(export, bundle, operations, seconds)`` unless an earlier run has."""
        if name in self.done:
            return
        bundle, operations, seconds = self._reference(only)
        export = self._export(only, "step")
        found: dict[str, Any] = {}
        try:
            found = act(export, bundle, operations, seconds) or {}
        except troubles.ImpossibleError as error:
            found = {"skipped": str(error)}
        except BrokenError as error:
            found = {"broken": str(error)}
        self.done[name] = found
        self.file.write_text(json.dumps({"seed": self.seed, "steps": self.done}, indent=1) + "\n")
        print(f"{name:<44} {_told(found)}", flush=True)

    def _export(self, only: str, name: str) -> Export:
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return Export(self.checkpoint, folder, only)

    def _reference(self, only: str) -> tuple[dict[str, str], int, float]:
        if only not in self._references:
            export = self._export(only, f"reference-{only.count(',') + 1}")
            started = time.monotonic()
            operations = export.count()
            seconds = time.monotonic() - started
            self._references[only] = (contents(export.output), operations, seconds)
        return self._references[only]

    def random_kills(self, name: str, only: str, count: int) -> None:
        """``count`` strikes in batches, each a step of its own."""
        for first in range(0, count, _BATCH):
            number = min(_BATCH, count - first)

            def act(
                export: Export,
                bundle: dict[str, str],
                operations: int,
                seconds: float,
                first: int = first,
                number: int = number,
            ) -> dict[str, Any]:
                chance, tally = random.Random(f"{self.seed} {name} {first}"), kills.Tally()
                kills.series(export, bundle, seconds * 1.1, number, chance, tally)
                return tally.as_json()

            self.step(f"{name}, {first + 1} to {first + number}", only, act)

    def operations(self, options: tuple[str, ...] = ()) -> None:
        """A kill at every operation of an export, and of one that replaces a bundle."""

        def fresh(export: Export, bundle: dict[str, str], last: int, _: float) -> dict[str, Any]:
            tally = kills.Tally()
            for number in range(1, last + 1):
                kept = kills.at_operation(export, number, tally)
                export.complete(bundle, kept)
                tally.resumed += len(kept)
                tally.completed += 1
                export.clear()
            return tally.as_json()

        def replacing(export: Export, bundle: dict[str, str], *_: Any) -> dict[str, Any]:
            tally, number = kills.Tally(), 0
            while not tally.missed:
                number += 1
                export.clear()
                if export.run("--llm-bits", "4").code != 0:
                    raise BrokenError("an undisturbed run failed")
                old = contents(export.output)
                kept = kills.at_operation(export, number, tally)
                if contents(export.output) not in (old, bundle):
                    raise BrokenError(f"killed at operation {number}: neither the old nor the new")
                export.complete(bundle, kept)
                tally.completed += 1
            return tally.as_json()

        def refusing(export: Export, bundle: dict[str, str], last: int, _: float) -> dict[str, Any]:
            refused = 0
            for number in range(1, last + 1):
                refused += troubles.refused_operation(export, number, bundle)
                export.clear()
            return {"strikes": {"refused operation": refused}, "completed": last}

        self.step("killed at every operation", _QUICK, fresh)
        self.step("killed at every operation of a replacement", _QUICK, replacing)
        self.step("every operation refused", _QUICK, refusing)

    def troubles(self) -> None:
        """The rest, once each."""
        own = self.work / "own"
        if not own.exists():
            shutil.copytree(self.checkpoint, own)

        def damaged(act: Any) -> Any:
            def run(export: Export, bundle: dict[str, str], *_: Any) -> None:
                act(Export(own, export.folder, export.only), self.checkpoint, bundle)

            return run

        self.step("a shard cut short", _QUICK, damaged(troubles.shard_cut_short))
        self.step("a shard replaced", _QUICK, damaged(troubles.shard_replaced))
        self.step(
            "a full disk",
            _QUICK,
            lambda e, b, *_: troubles.full_disk(e.checkpoint, e.folder, e.only, b),
        )
        self.step("a closed folder", _QUICK, lambda e, *_: troubles.forbidden_folder(e))
        self.step("a clock that jumps", _QUICK, lambda e, b, *_: troubles.mad_clock(e, b, 1))


def _told(found: dict[str, Any]) -> str:
    if not found:
        return "held"
    if "broken" in found or "skipped" in found:
        return str(found)
    strikes = ", ".join(f"{count} {name}" for name, count in sorted(found["strikes"].items()))
    return f"held; {strikes}; {found['completed']} completed and compared"


def main() -> int:
    """Run what is left; print a line a step and the sum."""
    parser = argparse.ArgumentParser(description="Faults, at length.")
    parser.add_argument("--kills", type=int, default=300, help="random ones, quick exports")
    parser.add_argument("--whole", type=int, default=30, help="random ones, all components")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/faults"))
    parser.add_argument("--checkpoint", type=Path, help="another one, e.g. at full size")
    parser.add_argument("--random-only", action="store_true", help="nothing but random kills")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    suite = Suite(options.work.resolve(), options.seed, options.checkpoint)
    if not options.random_only:
        suite.troubles()
        suite.operations()
    suite.random_kills("random kills", _QUICK, options.kills)
    suite.random_kills("random kills, all components", _ALL, options.whole)
    strikes: Counter[str] = Counter()
    for found in suite.done.values():
        strikes.update(found.get("strikes", {}))
    broken = {name: found for name, found in suite.done.items() if "broken" in found}
    skipped = {name: found for name, found in suite.done.items() if "skipped" in found}
    completed = sum(found.get("completed", 0) for found in suite.done.values())
    for name, count in sorted(strikes.items()):
        print(f"{count:>6} {name}")
    print(f"{completed:>6} exports completed and compared, to the byte")
    for name, found in (broken | skipped).items():
        print(f"{name}: {found}", file=sys.stderr)
    print(f"{len(broken)} broken, {len(skipped)} skipped, see {suite.file}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
