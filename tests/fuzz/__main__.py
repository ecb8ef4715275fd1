"""Run many cases: ``python -m tests.fuzz --cases 20000``.

Cases run in worker processes of bounded memory. Results go to ``results.jsonl`` in the work folder
as they come; the same command again goes on where it was stopped. The exit code is 1 when a case
is a bug; its input is kept, and ``--replay TARGET:NUMBER`` performs it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from . import corpus
from .cases import Case, cases
from .pool import Pool
from .targets import TARGETS


def main(arguments: list[str] | None = None) -> int:
    """Perform the cases that have no result yet, and report on all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="how many (5000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other cases (0)")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (1)")
    parser.add_argument("--work", type=Path, default=Path("build/fuzz"), help="folder for results")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one")
    parser.add_argument("--checkpoint", type=Path, help="a tiny one; made when not given")
    parser.add_argument("--bundle", type=Path, help="exported from it; made when not given")
    parser.add_argument("--replay", help="TARGET:NUMBER, in this process, with its traceback")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(arguments)
    work: Path = options.work.absolute()
    folder = work / "corpus"
    if not corpus.intact(folder):
        _build(folder, options.checkpoint, options.bundle)
    if options.replay:
        return _replay(options.replay, options.seed, folder, work)
    wanted = cases(options.seed, options.cases, options.target or TARGETS)
    path = work / "results.jsonl"
    known = _read(path)
    results = [known[case] for case in wanted if case in known]
    left = [case for case in wanted if case not in known]
    started = time.monotonic()
    with Pool(options.jobs, folder, work) as pool, path.open("a") as file:
        for result in pool.perform(left):
            file.write(json.dumps(result) + "\n")
            file.flush()
            results.append(result)
            if not options.quiet and len(results) % 50 == 0:
                bugs = sum(r["outcome"] == "bug" for r in results)
                sys.stderr.write(f"\r{len(results)} of {len(wanted)}, {bugs} bugs ")
                sys.stderr.flush()
    report = summary(results)
    (work / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    _show(report, time.monotonic() - started)
    return 1 if report["total"]["bug"] else 0


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts by target, the slowest and the largest case, and every bug by its message."""
    table = {}
    for name in TARGETS:
        found = [r for r in results if r["target"] == name]
        if found:
            table[name] = _row(found)
    bugs = Counter(_kind(r) for r in results if r["outcome"] == "bug")
    first = {_kind(r): f"{r['target']}:{r['number']}" for r in reversed(results)}
    return {
        "targets": table,
        "total": _row(results),
        "bugs": [
            {"what": what, "count": count, "replay": first[what]}
            for what, count in bugs.most_common()
        ],
    }


def _row(results: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes = Counter(r["outcome"] for r in results)
    return {
        "cases": len(results),
        **{name: outcomes[name] for name in ("ok", "refused", "bug")},
        "slowest": max((r["seconds"] for r in results), default=0.0),
        "largest_mb": max((r["memory"] for r in results), default=0) >> 20,
    }


def _kind(result: dict[str, Any]) -> str:
    """Bugs of one cause: the exception and the innermost line of ours."""
    ours = [line.strip() for line in result["trace"].splitlines() if "mobileo_export/" in line]
    place = ours[-1].rpartition("mobileo_export/")[2] if ours else result["target"]
    return f"{result['detail'][:120]} ({place})"


def _show(report: dict[str, Any], seconds: float) -> None:
    columns = ("cases", 8), ("ok", 7), ("refused", 8), ("bugs", 5), ("slowest", 9), ("memory", 8)
    print(f"{'target':<15} " + " ".join(f"{name:>{width}}" for name, width in columns))
    for name, row in (*report["targets"].items(), ("all", report["total"])):
        print(
            f"{name:<16} {row['cases']:>7} {row['ok']:>7} {row['refused']:>8} {row['bug']:>5} "
            f"{row['slowest']:>7.1f} s {row['largest_mb']:>5} MB"
        )
    for bug in report["bugs"]:
        print(f"{bug['count']:>5} x {bug['what']}  --replay '{bug['replay']}'")
    print(f"in {seconds:.0f} s")


def _read(path: Path) -> dict[Case, dict[str, Any]]:
    """Results so far; a last line that was cut off by a stop is left out."""
    known = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            result = json.loads(line)
        except ValueError:
            continue
        known[Case(result["target"], result["seed"], result["number"])] = result
    return known


def _build(folder: Path, checkpoint: Path | None, bundle: Path | None) -> None:
    import shutil
    import tempfile

    from mobileo_export import components
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.export import run as export
    from mobileo_export.random_checkpoint import write as random_checkpoint

    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        checkpoint = checkpoint or random_checkpoint.write(Path(scratch, "checkpoint"), "tiny")
        if bundle is None:
            bundle = Path(scratch, "bundle")
            options = export.Options(components.select(None))
            log = bundle.with_suffix(".log")
            export.export(Checkpoint.open(checkpoint), bundle, options, log=log)
        corpus.build(folder, checkpoint, bundle, golden=True)


def _replay(which: str, seed: int, folder: Path, work: Path) -> int:
    from .cases import perform
    from .worker import warm

    target, _, number = which.partition(":")
    scratch = work / "replay"
    scratch.mkdir(parents=True, exist_ok=True)
    warm(folder, scratch)
    result = perform(Case(target, seed, int(number)), folder, scratch, work / "bugs")
    print(
        result.damage, result.verdict.outcome, result.verdict.detail, result.verdict.trace, sep="\n"
    )
    return int(result.verdict.outcome == "bug")


if __name__ == "__main__":
    sys.exit(main())
