"""Whether a stage has learned what the next one needs; the figures are kept beside its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from miniature import trainer
from mobileo_export.evaluation import run
from mobileo_export.pipelines.model import open_model

# The share that must be right: of pictures given back, of what is asked, drawn, edited, said.
# Of 0b also how far apart it holds words (:func:`understanding.told_apart`): two trainings with
# 0.09 and 0.11 went on to draw circles for squares. Of stage 1 what it is for: that the prompt is
# heard (:func:`drawing.heard`; 0.10 when pictures ignored it). Outlines, without which none is
# right, come with the falling rate of stage 2.
GATES: dict[str, dict[str, float]] = {
    "vae": {"reconstructed": 0.97},
    "answers": {"ask": 0.85, "chat": 0.85, "apart": 0.15},
    "align": {"heard": 0.5},
    "tune": {"draw": 0.7, "edit": 0.6},
    "joint": {"draw": 0.7, "edit": 0.6, "ask": 0.85, "chat": 0.85},
}
SUITES = {
    "answers": ("ask", "chat"),
    "tune": ("draw", "edit"),
    "joint": ("draw", "edit", "ask", "chat"),
}


def judge(
    checkpoint: Path,
    folder: Path,
    judged: int,
    say: Callable[[str], None],
    also: Mapping[str, float] | None = None,
) -> None:
    """Evaluate a checkpoint on held-out combinations, about ``judged`` items in all.

    ``also`` is what else was measured for this gate.
    """
    stage = folder.name
    names = SUITES[stage]
    categories = len({item.suite + item.category for item in run.select(names, 1, 0)})
    todo = run.select(names, max(1, judged // categories), seed=1)
    say(f"{stage}: judging {len(todo)} items")
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    with open_model(str(checkpoint), keep=True) as model:
        results = run.evaluate(model, todo, seed=1, on_done=run.saving(pictures))
    trainer.write_json(folder / "evaluation.json", results.to_json())
    overall = {s.suite: s.rate for s in results.scores() if s.category == "overall"}
    record(folder, overall | dict(also or {}))
    for score in results.scores():
        say(f"{stage}: {score.suite}/{score.category}: {score.right} of {score.count}")


def record(folder: Path, measured: Mapping[str, float]) -> None:
    """Write ``gate.json``."""
    gates = GATES[folder.name]
    trainer.write_json(
        folder / "gate.json",
        {
            "measured": {name: round(value, 4) for name, value in measured.items()},
            "wanted": gates,
            "passed": all(measured[name] >= wanted for name, wanted in gates.items()),
        },
    )
