"""Round the matrices of a component for what reaches them, block after block.

What reaches a block has passed the blocks before it as they will be stored, so that it can make up
for their errors too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mobileo_export.compression.schemes import Scheme, Stored, compress
from mobileo_export.progress import OnStage, ignore
from mobileo_export.sensitivity import rounding

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from mobileo_export.sensitivity.judged import JudgedComponent
    from mobileo_export.sensitivity.sample import Call

_BLOCK = re.compile(r"[^.]+(?:\.\d+)*")


class _AllSeenError(Exception):
    """Nothing that comes later in a call is asked for."""


def calibrated(
    judged: JudgedComponent,
    calls: Sequence[Call],
    schemes: Mapping[str, Scheme],
    kept: Callable[[str], Stored | None] = lambda matrix: None,
    keep: Callable[[str, Stored], None] = ignore,
    told: OnStage = ignore,
) -> dict[str, Stored]:
    """Of the matrices that have such ``schemes``, those that calibration serves, rounded by it.

    ``judged`` is left with all its matrices as they are stored. ``kept`` gives what an earlier run
    made and handed to ``keep``.
    """
    layers = _layers(judged, calls[0])
    blocks: dict[str, list[str]] = {}
    for matrix in judged.parameters:
        if matrix not in layers or not rounding.serves(schemes[matrix]):
            stored = compress(judged.values(matrix), schemes[matrix])
            judged.put(matrix, stored.expanded())
    for matrix in layers:
        if rounding.serves(schemes[matrix]):
            blocks.setdefault(_BLOCK.match(matrix)[0], []).append(matrix)  # type: ignore[index]
    found: dict[str, Stored] = {}
    for done, block in enumerate(blocks.values()):
        told("calibrating", done, len(blocks))
        ready = {matrix: kept(matrix) for matrix in block}
        missing = [matrix for matrix, stored in ready.items() if stored is None]
        hessians = _hessians(judged, calls, {m: layers[m] for m in missing}) if missing else {}
        for matrix in block:
            made = ready[matrix]
            if made is None:
                values = judged.values(matrix)
                made = rounding.rounded(values, schemes[matrix], hessians.pop(matrix))
                keep(matrix, made)
            found[matrix] = made
            judged.put(matrix, made.expanded())
    return found


def _layers(judged: JudgedComponent, call: Call) -> dict[str, torch.nn.Module]:
    """The layers whose matrices take all inputs to every output, in the order of their running."""
    import torch

    names = {parameter.data_ptr(): name for name, parameter in judged.parameters.items()}
    found: dict[str, torch.nn.Module] = {}
    hooks = ExitStack()
    for module in judged.module.modules():
        weight = getattr(module, "weight", None)
        if weight is None or weight.data_ptr() not in names:
            continue
        whole = isinstance(module, torch.nn.Linear) or getattr(module, "groups", 0) == 1
        if not whole or (isinstance(module, torch.nn.Conv1d) and module.kernel_size != (1,)):
            continue

        def seen(module: Any, inputs: Any, name: str = names[weight.data_ptr()]) -> None:
            found.setdefault(name, module)

        hooks.enter_context(module.register_forward_pre_hook(seen))
    with hooks, torch.inference_mode():
        judged.run(call.inputs)
    return found


def _hessians(
    judged: JudgedComponent, calls: Sequence[Call], layers: Mapping[str, torch.nn.Module]
) -> dict[str, NDArray[np.float64]]:
    """The sum of x·xᵀ of each of ``layers``, weighted as its calls are."""
    import torch

    found: dict[str, Any] = {}
    weight, waiting = 1.0, set(layers)

    def add(name: str, module: Any, inputs: Any) -> None:
        rows = _rows(module, inputs[0])
        found[name] = found.get(name, 0) + weight * (rows.T @ rows).double().numpy()
        waiting.discard(name)
        if not waiting:
            raise _AllSeenError

    with ExitStack() as hooks:
        for name, module in layers.items():
            hooks.enter_context(module.register_forward_pre_hook(partial(add, name)))
        for call in calls:
            weight, waiting = call.weight, set(layers)
            with suppress(_AllSeenError), torch.inference_mode():
                judged.run(call.inputs)
    return found


def _rows(module: Any, given: torch.Tensor) -> torch.Tensor:
    """What a layer's weights are multiplied by: [positions, in · kernel]."""
    import torch

    if isinstance(module, torch.nn.Linear):
        return given.reshape(-1, given.shape[-1])
    if isinstance(module, torch.nn.Conv1d):
        return given.transpose(1, 2).reshape(-1, given.shape[1])
    columns = torch.nn.functional.unfold(
        given, module.kernel_size, module.dilation, module.padding, module.stride
    )
    return columns.transpose(1, 2).reshape(-1, columns.shape[1])
