"""All that is found of a bundle: by component, chained, against its trace, and under damage."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import UsageError
from mobileo_export.parity import compare, mutations
from mobileo_export.parity.chain import compare as chain
from mobileo_export.parity.golden.replay import replay
from mobileo_export.parity.references import SMALL, References
from mobileo_export.pipelines import schedule
from mobileo_export.processes import collecting
from mobileo_export.processes.beside import Beside, Here
from mobileo_export.progress import OnProgress
from mobileo_export.runtimes import tf32

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.chain.results import ChainComparison
    from mobileo_export.parity.golden.replay import Replay
    from mobileo_export.parity.mutations import MutationSuite
    from mobileo_export.parity.results import Comparison


@dataclass(frozen=True)
class Findings:
    """What :func:`find` was asked to find; None for what it was not."""

    comparison: Comparison
    chain: ChainComparison | None = None
    replay: Replay | None = None
    mutations: MutationSuite | None = None

    @property
    def ok(self) -> bool:
        """Every comparison holds, and no mutant slipped; what was skipped does not count."""
        chained = self.chain is None or self.chain.skipped is not None or self.chain.ok
        replayed = self.replay is None or self.replay.ok
        noticed = self.mutations is None or self.mutations.ok
        return self.comparison.ok and chained and replayed and noticed

    def failures(self) -> list[str]:
        """One line a failed check."""
        lines = self.comparison.failures()
        if self.chain is not None:
            lines += self.chain.failures()
        if self.replay is not None:
            lines += [f"golden trace, {line}" for line in self.replay.failures()]
        if self.mutations is not None:
            lines += [f"no gate notices: {mutant}" for mutant in self.mutations.judged("slipped")]
        return lines


def check(
    bundle: Path,
    content: dict[str, Any],
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    *,
    steps: int | None = None,
    mutated: bool = False,
) -> dict[str, str]:
    """Everything that can be known before :func:`find` begins; see there for the arguments.

    Returns:
        What executes each component.

    Raises:
        as :func:`find`, the checkpoint apart.
    """
    kinds = compare.runtimes(bundle, content, components, runtime, compute_units)
    if mutated:
        mutations.choose(bundle, content, components)
    if steps is not None:
        schedule.check_steps(steps)
        missing = [name for name in chain.COMPONENTS if name not in content["components"]]
        if missing:
            raise UsageError(f"--steps {steps}: no picture is drawn, {bundle} has no {missing[0]}")
    return kinds


def find(
    bundle: Path,
    checkpoint: Checkpoint,
    components: Sequence[ComponentSpec] | None = None,
    runtime: str = "auto",
    compute_units: str | None = None,
    *,
    chained: bool = True,
    steps: int | None = None,
    mutated: bool = False,
    progress: OnProgress = lambda event: None,
) -> Findings:
    """Compare a bundle with its checkpoint in every way that is asked for.

    A golden trace in the bundle is replayed too. Mutants are made of artifacts that hold only.

    Args:
        bundle: a sealed bundle; its files are taken to be as sealed.
        checkpoint: what it was made from.
        components: which to compare and to damage; None for all that the bundle holds.
        runtime: see ``compare.compare_bundle``.
        compute_units: of Core ML; None for those that the manifest names.
        chained: also from a prompt to a picture; with all components only.
        steps: of that picture; None for the recipe's.
        mutated: also damage copies of the artifacts, and see that it is noticed.
        progress: called as things are done.

    Raises:
        as ``compare.compare_bundle``, ``chain.compare_chain`` and ``mutations.run`` do.
    """
    from mobileo_export.bundle import manifest

    tf32.off()
    content = manifest.read(bundle)
    check(bundle, content, components, runtime, compute_units, steps=steps, mutated=mutated)
    weights = compare.check_weights(content, checkpoint)
    references = References(checkpoint, weights, progress)
    whole = components is None
    with _calls(content, progress) as calls:
        # The trace needs nothing of the checkpoint: it is replayed while references are built.
        traced = whole and content.get("golden") is not None
        replayed = (
            calls.begin(replay, bundle, runtime, compute_units, None) if traced else lambda: None
        )
        with _shared(calls):
            compared = compare.begin_bundle(
                bundle, checkpoint, components, runtime, compute_units, progress, references, calls
            )
            drawn = (
                chain.begin_chain(
                    bundle,
                    checkpoint,
                    runtime,
                    compute_units,
                    steps=steps,
                    progress=progress,
                    references=references,
                    calls=calls,
                )
                if chained and whole
                else lambda: None
            )
            found = Findings(compared(), drawn(), replayed())
    suite = None
    if mutated and found.comparison.ok:
        suite = mutations.run(
            bundle, checkpoint, components, references=references, progress=progress
        )
    return replace(found, mutations=suite)


@contextmanager
def _calls(content: Mapping[str, Any], progress: OnProgress) -> Iterator[Here]:
    """Where artifacts run: beside the references, where that is a matter of importing libraries.

    Large components would be in memory two at a time, and have all cores at work as it is.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = (cores or 1) // 2
    large = any(4 * item["parameters"] > SMALL for item in content["components"].values())
    if large or threads == 0 or "torch" in sys.modules:
        yield Here(progress)
        return
    with Beside(progress, threads, ("torch",)) as beside:  # what executes packages and graphs
        yield beside


@contextmanager
def _shared(calls: Here) -> Iterator[None]:
    """Torch computes in as many threads as it leaves to the process beside this one."""
    if not isinstance(calls, Beside):
        yield
        return
    with collecting.paused():
        import torch
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, calls.threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
