"""The whole road on the shipped miniature: export, verify, draw, edit, ask, chat, and a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export import assets
from mobileo_export.demo.result import PAGE, Demo
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from mobileo_export.evaluation.run import Done

BUNDLE, PARITY = "bundle", "parity"
# Items a category: all of them are shown, right or wrong, so few are enough.
ITEMS = 3


def run(folder: Path, seed: int = 0, progress: OnProgress = lambda event: None) -> Demo:
    """Export the miniature into ``folder``, check it, use it, and write the page.

    Args:
        folder: made if it is not there; ``bundle``, ``parity`` and ``index.html`` in it are
            replaced.
        seed: chooses what is asked for, held-out combinations all.
        progress: called as things are done.

    Raises:
        UsageError: the folder cannot be used, or the miniature is not installed.
        MobileoError: as the export, the comparison and the pipelines do.
    """
    from mobileo_export.bundle import manifest
    from mobileo_export.checkpoint import hub
    from mobileo_export.components import select
    from mobileo_export.demo import page as demo_page
    from mobileo_export.evaluation import run as evaluation
    from mobileo_export.export import run as export
    from mobileo_export.parity import findings
    from mobileo_export.parity.report import write as report
    from mobileo_export.pipelines.model import open_model
    from mobileo_export.processes import extras

    extras.need("the demo", (*extras.REFERENCE, *extras.PAGES, "coremltools"))
    source = hub.resolve(assets.MINIATURE, None, offline=True, quiet=True)
    folder.mkdir(parents=True, exist_ok=True)
    bundle, seconds = folder / BUNDLE, {}
    started = time.perf_counter()
    options = export.Options(select(None), source_name=source.name)
    export.export(
        source.checkpoint,
        bundle,
        options,
        overwrite=True,
        log=folder / "export.log",
        progress=progress,
    )
    seconds["export"] = time.perf_counter() - started

    started = time.perf_counter()
    found = findings.find(bundle, source.checkpoint, progress=progress)
    content = manifest.read(bundle)
    report.write(found, folder / PARITY, content["tools"], back=f"../{PAGE}")
    seconds["verify"] = time.perf_counter() - started

    started = time.perf_counter()
    items: list[Done] = []
    asked = evaluation.select(None, ITEMS, seed)
    with open_model(str(bundle), keep=True) as model:
        results = evaluation.evaluate(
            model,
            asked,
            seed,
            lambda suite, done, total: progress(Progress(suite, "judging", done, total)),
            items.append,
        )
    truth: list[Done] = []
    with open_model(str(source.checkpoint.path), "torch", offline=True) as model:
        evaluation.evaluate(model, asked[:1], seed, on_done=truth.append)
    seconds["use"] = time.perf_counter() - started
    demo = Demo(folder, found, results, tuple(items), content, seconds, truth[0].pixels)
    demo.page.write_text(demo_page.render(demo), encoding="utf-8")
    return demo
