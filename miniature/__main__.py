"""``python -m miniature``: train the miniature, see how far it is, put it in its place."""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock

from miniature import sizes

_DONE = "done.json"
_SPENT = "minutes.json"  # on each step so far, in all runs
_PLAN = "plan.json"
_POINTS = 30  # of a loss curve that is kept with the weights
_MARKING = Lock()  # lanes end side by side
_RUNNING: list[subprocess.Popen[bytes]] = []
_STOPPED = Event()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m miniature", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "train from where the folder has it, to the end"),
        ("status", "show how far the training is"),
        ("install", "copy the finished checkpoint to where the package ships it"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--work", type=Path, required=True, help="folder of the training")
        if name == "run":
            command.add_argument("--plan", choices=sizes.PLANS, default="full")
            command.add_argument(
                "--keep-going", action="store_true", help="also after a gate that is not met"
            )
        if name == "install":
            command.add_argument("--output", type=Path, required=True)
    step = commands.add_parser("step", help="one step, as run starts it")
    step.add_argument("name")
    step.add_argument("--work", type=Path, required=True)
    step.add_argument("--plan", choices=sizes.PLANS, required=True)
    step.add_argument("--rank", type=int, default=0)
    step.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.command == "run":
        return _run(options.work, options.plan, options.keep_going)
    if options.command == "status":
        return _status(options.work)
    if options.command == "install":
        return _install(options.work, options.output)
    return _step(options)


def _step(options: argparse.Namespace) -> int:
    import torch

    from miniature import steps, trainer
    from miniature.workshop import Workshop

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    meeting = options.work / f"meeting-{options.name}-{os.getppid()}"
    with trainer.Workers.join(options.rank, options.workers, meeting) as workers:
        shop = Workshop(
            options.work,
            sizes.PLANS[options.plan],
            workers,
            say=lambda text: print(text, flush=True),
        )
        steps.STEPS[options.name](shop)
    return 0


def _run(work: Path, plan: str, keep_going: bool) -> int:
    from miniature import steps, trainer

    work.mkdir(parents=True, exist_ok=True)
    trainer.write_json(work / _PLAN, {"plan": plan})
    started = time.monotonic()
    _STOPPED.clear()
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for lanes in steps.LANES:
            with ThreadPoolExecutor(len(lanes)) as pool:
                begun = [pool.submit(_lane, work, plan, keep_going, lane) for lane in lanes]
                # A signal that comes just as a wait begins is handled at its end.
                while wait(begun, timeout=0.2).not_done:
                    pass
                codes = [lane.result() for lane in begun]
            if _STOPPED.is_set():
                _say("stopped; run again to go on")
                return 130
            if any(codes):
                return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    _say(f"finished after {(time.monotonic() - started) / 60:.0f} min of this run")
    return 0


def _say(text: str) -> None:
    """A line of its own: lanes speak side by side."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _stop(*signalled: object) -> None:
    """Take the steps along when this process is told to end."""
    del signalled
    _STOPPED.set()
    for process in _RUNNING:
        process.terminate()


def _lane(work: Path, plan: str, keep_going: bool, lane: Sequence[str]) -> int:
    """Do steps one after the other; leaves out what is done already."""
    from miniature import steps

    for name in lane:
        done = _read(work / _DONE)
        if name in done:
            continue
        workers = sizes.PLANS[plan].workers if name in steps.SHARED else 1
        _say(f"{name}: begins")
        started = time.monotonic()
        command = [sys.executable, "-m", "miniature", "step", name, "--work", str(work)]
        command += ["--plan", plan, "--workers", str(workers)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        processes = []
        for rank in range(workers):
            processes.append(subprocess.Popen([*command, "--rank", str(rank)], env=environment))
            _RUNNING.append(processes[-1])
        if _STOPPED.is_set():  # while they were started
            _stop()
        codes = [process.wait() for process in processes]
        for process in processes:
            _RUNNING.remove(process)
        for meeting in work.glob(f"meeting-{name}-*"):
            meeting.unlink()
        minutes = _spend(work, name, (time.monotonic() - started) / 60)
        if _STOPPED.is_set():
            return 1
        if any(codes):
            _say(f"{name}: failed ({codes}); run again to go on")
            return 1
        _mark(work, name, minutes)
        _say(f"{name}: done after {minutes:.1f} min")
        gate = _read(work / name.removesuffix("-gate") / "gate.json")
        if name.endswith("-gate") and not gate.get("passed"):
            _say(f"{name}: not met: {json.dumps(gate)}")
            if not keep_going:
                return 1
    return 0


def _spend(work: Path, name: str, minutes: float) -> float:
    """Add to the minutes of a step; returns those of all runs."""
    from miniature import trainer

    with _MARKING:
        spent = _read(work / _SPENT)
        minutes += float(str(spent.get(name, 0)))
        trainer.write_json(work / _SPENT, {**spent, name: round(minutes, 2)})
    return minutes


def _mark(work: Path, name: str, minutes: float) -> None:
    from miniature import trainer

    with _MARKING:
        trainer.write_json(work / _DONE, {**_read(work / _DONE), name: round(minutes, 2)})


def _read(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text()) if path.is_file() else {}
    return content


def _status(work: Path) -> int:
    from miniature import steps

    done = _read(work / _DONE)
    for lanes in steps.LANES:
        for lane in lanes:
            for name in lane:
                text = f"done, {done[name]} min" if name in done else "to do"
                gate = _read(work / name.removesuffix("-gate") / "gate.json")
                if name in done and name.endswith("-gate"):
                    text += f", {gate.get('measured')}" + ("" if gate.get("passed") else " NOT MET")
                curve = work / name / "curve.csv"
                if name not in done and curve.is_file():
                    lines = curve.read_text().splitlines()
                    text = f"{lines[0]}: {lines[-1]}"
                print(f"{name:14} {text}")
    return 0


def _record(work: Path) -> dict[str, object]:
    """How the weights came to be: settings and seed, gates, minutes of each step, loss curves."""
    gates = {path.parent.name: _read(path) for path in sorted(work.glob("*/gate.json"))}
    plan = _read(work / _PLAN).get("plan")
    settings = asdict(sizes.PLANS[str(plan)]) if plan else None
    curves = {path.parent.name: _curve(path) for path in sorted(work.glob("*/curve.csv"))}
    return {"plan": settings, "gates": gates, "minutes": _read(work / _DONE), "curves": curves}


def _curve(path: Path) -> list[list[float]]:
    """Step and loss of a stage, at most so many of them, evenly."""
    with path.open(newline="") as file:
        rows = [[int(row["step"]), round(float(row["loss"]), 4)] for row in csv.DictReader(file)]
    return [rows[i * (len(rows) - 1) // (_POINTS - 1)] for i in range(_POINTS)] if rows else []


def _install(work: Path, output: Path) -> int:
    import shutil

    from miniature import assembly, trainer

    assembly.check(work / "checkpoint")
    partial = output.with_name(output.name + ".new")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(work / "checkpoint", partial)
    trainer.write_json(partial / "training.json", _record(work))
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)
    print(f"installed {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
