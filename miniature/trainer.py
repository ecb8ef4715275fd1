"""The loop that all stages share: optimizer, schedule, moving average, saving, going on.

A step depends on the weights and on its number alone: its random numbers come from a generator
that is made anew from seed, stage, step and worker. So the saved step is the state of the data and
of every generator, and a stage that was stopped ends with the same weights bit for bit.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from miniature.sizes import Stage

SAVE_SECONDS = 75.0
SHOW_SECONDS = 20.0
_LOG_EVERY = 10


class Task(Protocol):
    """What a stage learns."""

    name: str
    stage: Stage

    @property
    def trained(self) -> nn.Module:
        """Its parameters that require gradients are trained; all its state is saved."""
        ...

    def losses(self, step: int, chance: Chance) -> dict[str, torch.Tensor]:
        """``loss`` to descend, and what else is to be seen, of one batch of this worker."""
        ...


@dataclass(frozen=True)
class Chance:
    """Random numbers of one step of one worker."""

    choose: random.Random
    noise: torch.Generator

    @classmethod
    def of(cls, *parts: object) -> Chance:
        """The same for the same parts, whichever process asks."""
        text = "/".join(map(str, parts))
        seed = zlib.crc32(text.encode()) << 32 | zlib.crc32(text[::-1].encode())
        return cls(random.Random(text), torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Workers:
    """The processes that share a stage: gradients are averaged over ``count`` of them."""

    rank: int = 0
    count: int = 1

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.count > 1:
            torch.distributed.destroy_process_group()

    @classmethod
    def join(cls, rank: int, count: int, meeting: Path) -> Workers:
        """Meet the other processes through a file that this run alone uses."""
        if count > 1:
            torch.distributed.init_process_group(
                "gloo", init_method=f"file://{meeting.absolute()}", rank=rank, world_size=count
            )
        return cls(rank, count)

    def average(self, gradients: list[torch.Tensor]) -> None:
        """Replace gradients by their mean over the workers, in place."""
        if self.count == 1:
            return
        flat = torch.cat([g.reshape(-1) for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for gradient in gradients:
            part = flat[start : start + gradient.numel()]
            gradient.copy_(part.view_as(gradient))
            start += gradient.numel()


def train(
    task: Task,
    folder: Path,
    seed: int,
    workers: Workers = Workers(),
    stop_at: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train a stage to its end, from where ``folder`` has it; save every minute or so.

    Args:
        task: what is trained, in place.
        folder: of this stage's state and curve.
        seed: of the run.
        workers: this process and the others.
        stop_at: stop and save after so many steps, for tests.
        say: takes a line of progress.
    """
    stage, module = task.stage, task.trained
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": stage.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=stage.learning_rate,
        betas=(0.9, 0.98),
    )
    average = [p.detach().clone() for p in parameters] if stage.average else []
    state = load(folder)
    first = 0
    if state is not None:
        _check(state, task, folder)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        for mine, saved in zip(average, state["average"], strict=True):
            mine.copy_(saved)
        first = state["step"]
    log = _Log(folder, first) if workers.rank == 0 else None
    last = stage.steps if stop_at is None else min(stop_at, stage.steps)
    module.train()
    saved_at = shown_at = started = time.monotonic()
    for step in range(first, last):
        rate = learning_rate(stage, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses = task.losses(step, Chance.of(seed, task.name, step, workers.rank))
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        gradients = [p.grad if p.grad is not None else _zeros(p) for p in parameters]
        workers.average(gradients)
        norm = float(nn.utils.clip_grad_norm_(parameters, 1.0))
        if not math.isfinite(norm):
            raise FloatingPointError(f"{task.name}: step {step}: the gradient is not finite")
        optimizer.step()
        if average:
            # Early weights must not weigh on the average for ever.
            decay = min(stage.average, (1 + step) / (10 + step))
            torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - decay)
        if log is None:
            continue
        values = {name: float(value.detach()) for name, value in losses.items()}
        log.add(step, {**values, "gradient": norm, "rate": rate})
        now = time.monotonic()
        if now - shown_at > SHOW_SECONDS:
            shown_at = now
            speed = (step + 1 - first) / (now - started)
            left = (last - step - 1) / speed / 60
            say(f"{task.name}: step {step + 1}/{last}  {log.recent()}  {left:.0f} min left")
        if now - saved_at > SAVE_SECONDS:
            saved_at = now
            _save(folder, task, step + 1, optimizer, average)
            log.flush()
    if log is not None:
        if last > first or state is None:
            _save(folder, task, last, optimizer, average)
        log.flush()


def _zeros(parameter: nn.Parameter) -> torch.Tensor:
    # Workers exchange every gradient, also of what this batch did not touch.
    parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, then a cosine down to the last rate."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    part = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    wave = 0.5 * (1 + math.cos(math.pi * part))
    return stage.last_rate + (stage.learning_rate - stage.last_rate) * wave


def load(folder: Path) -> dict[str, Any] | None:
    """The saved state of a stage, None when there is none."""
    path = folder / "state.pt"
    if not path.is_file():
        return None
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def load_trained(module: nn.Module, folder: Path, averaged: bool = True) -> None:
    """Give a module what a stage learned: the averaged weights where it kept them."""
    state = load(folder)
    if state is None:
        raise FileNotFoundError(f"{folder}: this stage has not been trained yet")
    trained = dict(state["module"])
    if averaged:
        trained |= dict(zip(state["trained"], state["average"], strict=False))
    module.load_state_dict(trained)


def _save(
    folder: Path,
    task: Task,
    step: int,
    optimizer: torch.optim.Optimizer,
    average: list[torch.Tensor],
) -> None:
    named = task.trained.named_parameters()
    write(
        folder / "state.pt",
        {
            "step": step,
            "stage": asdict(task.stage),
            "module": task.trained.state_dict(),
            "trained": [name for name, p in named if p.requires_grad],
            "optimizer": optimizer.state_dict(),
            "average": average,
        },
    )


def _check(state: Mapping[str, Any], task: Task, folder: Path) -> None:
    if state["stage"] != asdict(task.stage):
        raise ValueError(f"{folder}: was begun with other settings; use another --work folder")


def write(path: Path, content: Any) -> None:
    """``torch.save``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(content, temporary)
    temporary.replace(path)


def write_json(path: Path, content: Any) -> None:
    """JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    temporary.replace(path)


class _Log:
    """The curve of a stage: the means of every ten steps, as CSV."""

    def __init__(self, folder: Path, first: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "curve.csv"
        self._rows: list[dict[str, str]] = []
        if self._path.is_file():
            with self._path.open(newline="") as file:
                self._rows = [row for row in csv.DictReader(file) if int(row["step"]) <= first]
        self._waiting: list[dict[str, float]] = []

    def add(self, step: int, values: dict[str, float]) -> None:
        self._waiting.append(values)
        if (step + 1) % _LOG_EVERY == 0:
            means = {
                name: sum(row[name] for row in self._waiting) / len(self._waiting)
                for name in values
            }
            self._rows.append(
                {"step": str(step + 1), **{n: f"{value:.6g}" for n, value in means.items()}}
            )
            self._waiting = []

    def recent(self) -> str:
        """The last means."""
        if not self._rows:
            return ""
        return "  ".join(f"{n} {v}" for n, v in self._rows[-1].items() if n not in {"step", "rate"})

    def flush(self) -> None:
        if not self._rows:
            return
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._rows[0]))
            writer.writeheader()
            writer.writerows(self._rows)
        temporary.replace(self._path)
