"""Every stage: it learns, and stopped in the middle it ends with the same weights bit for bit."""

from __future__ import annotations

import csv
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from miniature import drawing, lessons, sizes, steps, trainer
from miniature.modules import Drawer
from miniature.sizes import Stage
from miniature.workshop import Workshop

from .conftest import workshop

STAGES = ("vae", "vlm", "answers", "align", "tune", "joint")


def state(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    found = trainer.load(folder / stage)
    assert found is not None
    assert found["step"] == 4
    average = {f"average {i}": tensor for i, tensor in enumerate(found["average"])}
    moments = {
        f"{name} {key}": value
        for key, values in found["optimizer"]["state"].items()
        for name, value in values.items()
    }
    return {**found["module"], **average, **moments}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stopped_stage_ends_with_the_same_weights(
    trained: Path, tmp_path: Path, stage: str
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(trained, folder)
    shutil.rmtree(folder / stage)
    torch.manual_seed(1234)  # what the process did before does not matter
    steps.STEPS[stage](workshop(folder, stop_at=3))
    stopped = trainer.load(folder / stage)
    assert stopped is not None
    assert stopped["step"] == 3
    torch.manual_seed(99)
    steps.STEPS[stage](workshop(folder))
    straight, resumed = state(trained, stage), state(folder, stage)
    assert straight.keys() == resumed.keys()
    differing = [n for n, value in straight.items() if not torch.equal(value, resumed[n])]
    assert differing == []
    # The same would hold of a stage that does nothing.
    moved = [n for n, v in stopped["module"].items() if not torch.equal(v, straight[n])]
    assert moved


def test_another_seed_gives_other_weights(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(trained / "tokenizer", folder / "tokenizer")
    plan = replace(sizes.SMOKE, seed=1)
    steps.STEPS["vae"](Workshop(folder, plan, say=lambda text: None))
    first, second = state(trained, "vae"), state(folder, "vae")
    assert any(not torch.equal(value, second[name]) for name, value in first.items())


def test_other_settings_are_refused(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(trained, folder)
    plan = replace(sizes.SMOKE, vae=replace(sizes.SMOKE.vae, learning_rate=0.5))
    with pytest.raises(ValueError, match="begun with other settings"):
        steps.STEPS["vae"](Workshop(folder, plan))


def test_two_workers_learn_what_their_batches_say_together(trained: Path, tmp_path: Path) -> None:
    """Both end with one and the same model; stopped and resumed, too."""
    runs = {name: tmp_path / name for name in ("straight", "cut")}
    for folder in runs.values():
        shutil.copytree(trained, folder)
        shutil.rmtree(folder / "align")
    _two_workers((runs["straight"], None), (runs["cut"], 2), (runs["cut"], None))
    weights = [state(folder, "align") for folder in runs.values()]
    alone = state(trained, "align")
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in alone)
    assert any(not torch.equal(value, weights[0][name]) for name, value in alone.items())
    for folder in runs.values():
        first, second = (torch.load(folder / f"worker-{rank}.pt") for rank in range(2))
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[name]) for name, value in first.items())


_WORKERS = """
import os, sys
from pathlib import Path
import torch
import torch._dynamo, transformers.models.qwen2.modeling_qwen2  # what the stage is to import
from diffusers import SanaTransformer2DModel
from miniature import sizes, steps, trainer
from miniature.workshop import Workshop

class Observed(Workshop):
    def train(self, task):
        super().train(task)
        torch.save(task.trained.state_dict(), self.folder / f"worker-{self.workers.rank}.pt")

def work(rank):
    torch.set_num_threads(1)
    for folder, stop in eval(sys.argv[1]):
        torch.manual_seed(stop or 99)
        with trainer.Workers.join(rank, 2, Path(folder, f"meeting-{stop}")) as workers:
            shop = Observed(Path(folder), sizes.SMOKE, workers, stop, lambda text: None)
            steps.STEPS["align"](shop)

other = os.fork()
try:
    work(0 if other else 1)
except BaseException:
    sys.excepthook(*sys.exc_info())
    os._exit(1)
if not other:
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""


def _two_workers(*runs: tuple[Path, int | None]) -> None:
    """One run after the other; what a process did before does not matter.

    Each worker leaves its own model beside the one that is saved for both. The second is forked
    from the first, which has the imports by then. Neither is a fork of this process: gradients do
    not work in a child of a process that computed some.
    """
    told = repr([(str(folder), stop) for folder, stop in runs])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", _WORKERS, told], env=environment, timeout=300, check=True)


def test_the_rate_rises_and_falls() -> None:
    stage = Stage(100, 1, 1.0, 0.1, warmup=10)
    rates = [trainer.learning_rate(stage, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)


def test_the_temperature_falls_through_both_stages(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[trainer.Task] = []
    monkeypatch.setattr(Workshop, "train", lambda shop, task: tasks.append(task))
    found = []
    for stage in ("align", "tune"):
        steps.STEPS[stage](workshop(trained))
        drawer = tasks[-1].trained
        assert isinstance(drawer, Drawer)
        for step in range(4):
            tasks[-1].losses(step, trainer.Chance.of(step))
            found.append(float(drawer.mcp.temperature))
    assert found == sorted(set(found), reverse=True)
    assert found[3] == pytest.approx(drawing.temperature(0.45))
    assert found[-1] == 0.5


def test_stage_2_begins_where_stage_1_ended(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[trainer.Task] = []
    monkeypatch.setattr(Workshop, "train", lambda shop, task: tasks.append(task))
    shop = workshop(trained)
    steps.STEPS["tune"](shop)
    drawer = tasks[0].trained
    assert isinstance(drawer, Drawer)
    for name, value in shop.drawer("align").state_dict().items():
        assert torch.equal(value, drawer.state_dict()[name]), name


@pytest.mark.parametrize(("stage", "edits"), [("align", 0), ("tune", 0.4)])
def test_so_many_prompts_of_a_stage_are_edits(trained: Path, stage: str, edits: float) -> None:
    shop, rng = workshop(trained), random.Random(0)
    captions = drawing.CAPTIONS[stage]
    batch = drawing.Batch.choose(shop.library(), 600, rng, shop.source, captions)
    assert len(batch.said) == len(batch.latents) == 600
    found = 0 if batch.features is None else len(batch.features)
    assert found == pytest.approx(600 * edits, abs=60 * edits)


def test_stage_3_draws_and_edits_as_stage_2(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[trainer.Task] = []
    monkeypatch.setattr(Workshop, "train", lambda shop, task: tasks.append(task))
    steps.STEPS["joint"](workshop(trained))
    told = []
    choose = drawing.Batch.choose

    def listen(*given: Any) -> Any:
        told.append(given[-1])
        return choose(*given)

    monkeypatch.setattr(drawing.Batch, "choose", listen)
    tasks[0].losses(0, trainer.Chance.of(0))
    assert told == [drawing.CAPTIONS["tune"]]


def test_stage_2_draws_mostly_pairs() -> None:
    drawn, rng = lessons.many("share", 300), random.Random(0)

    def pairs(stage: str) -> float:
        chosen = [drawn[drawing.CAPTIONS[stage].choose(drawn, rng)] for _ in range(3000)]
        return sum(scene.kind == "pair" for scene in chosen) / len(chosen)

    assert pairs("align") == pytest.approx(0.5, abs=0.06)
    assert pairs("tune") == pytest.approx(0.69, abs=0.06)


class _Slope:
    """Descends x² from 1."""

    name = "slope"
    stage = Stage(40, 1, 0.05, 0.01, warmup=1, weight_decay=0.0, average=0.5)

    def __init__(self) -> None:
        self.trained: torch.nn.Module = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(self.trained.weight)

    def losses(self, step: int, chance: trainer.Chance) -> dict[str, torch.Tensor]:
        del chance
        if step == self.breaks_at:
            return {"loss": self.trained(torch.ones(1)).sum() * float("nan")}
        return {"loss": self.trained(torch.ones(1)).square().sum()}

    breaks_at = -1


def test_the_curve_is_written_and_cut_where_a_run_goes_on(tmp_path: Path) -> None:
    trainer.train(_Slope(), tmp_path, 0, stop_at=25, say=lambda text: None)
    trainer.train(_Slope(), tmp_path, 0, say=lambda text: None)
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["10", "20", "30", "40"]
    losses = [float(row["loss"]) for row in rows]
    assert losses[0] > losses[1] > losses[-1]
    module = _Slope().trained
    trainer.load_trained(module, tmp_path)
    averaged = float(module.state_dict()["weight"])
    trainer.load_trained(module, tmp_path, averaged=False)
    last = float(module.state_dict()["weight"])
    assert abs(last) < 1
    assert averaged != last


def test_what_diverges_is_not_saved(tmp_path: Path) -> None:
    task = _Slope()
    task.breaks_at = 5
    with pytest.raises(FloatingPointError, match="slope: step 5"):
        trainer.train(task, tmp_path, 0, say=lambda text: None)
    assert trainer.load(tmp_path) is None
