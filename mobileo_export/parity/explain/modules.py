"""Two references side by side, one with an artifact's values: the error after every module."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mobileo_export.parity.explain.layouts import relative_error
from mobileo_export.parity.explain.lockstep import Lockstep, tensors_of
from mobileo_export.parity.explain.results import WalkStep
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from mobileo_export.parity.cases import Case
    from mobileo_export.runtimes.torch_reference import TorchSession

# Of a module's path, what the artifact calls it and how it stores it.
Describe = Callable[[str], tuple[str, str]]
_ROUNDING = 1e-3  # of a step; what storing costs is more


def walk(
    artifact: TorchSession,
    reference: TorchSession,
    case: Case,
    types: Collection[str],
    describe: Describe,
    progress: OnProgress,
    component: str,
) -> tuple[tuple[WalkStep, ...], str]:
    """The error after every module of ``types``, as they compute, and of the outputs in words."""
    shown = [
        (path, module)
        for path, module in artifact.module.named_modules()
        if type(module).__name__ in types
    ]
    steps: list[WalkStep] = []
    counts = dict.fromkeys((path for path, _ in shown), 0)
    with Lockstep(
        reference.module, [(path, 0) for path in counts], lambda: reference.run(case.inputs)
    ) as lockstep:

        def hook(path: str) -> Any:
            def returned(module: Any, inputs: Any, output: Any) -> None:
                counts[path] += 1
                expected = lockstep.output(path, 0) if counts[path] == 1 else ()
                for found, truth in zip(tensors_of(output)[:1], expected[:1], strict=False):
                    error = relative_error(found.numpy(), truth.numpy())
                    inherited = steps[-1].error if steps else 0.0
                    op, how = describe(path)
                    steps.append(
                        WalkStep(
                            path, type(module).__name__, op, how, op, error, inherited, _ROUNDING
                        )
                    )
                    progress(Progress(component, case.name, len(steps), len(shown)))

            return returned

        with ExitStack() as hooks:
            for path, module in shown:
                hooks.enter_context(module.register_forward_hook(hook(path)))
            found = artifact.run(case.inputs)
        expected = lockstep.finish()
    texts = [
        f"{name}: relative_l2 {relative_error(found[name], expected[name]):.1e}"
        for name in expected
    ]
    return tuple(steps), "; ".join(texts)
