"""What an export will cost, told from headers alone: bytes on disk, memory, rough time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export import components, targets
from mobileo_export.artifacts.mlx.plan import plan as mlx_plan
from mobileo_export.bundle.manifest import count_parameters
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.expected_tensors import is_buffer
from mobileo_export.converters.coreml.precision import effective

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.export.options import Options

# Memory of a conversion, measured at full size: torch, coremltools and the others, and for each
# byte of float32 weights what the kernels of the trace and the passes keep beside it. The weights
# themselves lie in a file (``file_backed``).
_IMPORTED_BYTES = 650_000_000
_MEMORY_PER_BYTE = {"vision_encoder": 1.1, "mcp": 1.0, "dit": 0.15, "vae_decoder": 1.2}
_MLX_MEMORY = 150_000_000
# What a package holds beside its weights, measured and divided by the component's tensors: graph,
# operation map and the padding of the weight file grow with the layers, not with their width.
_BYTES_PER_TENSOR = {"vision_encoder": 740, "mcp": 1076, "dit": 1643, "vae_decoder": 1783}
_PACKAGE_BYTES = 617  # its Manifest.json
_MLX_BYTES_PER_TENSOR = 170  # in the header and in the index
_MLX_BYTES = 1400  # configurations
_MANIFEST_BYTES, _MANIFEST_BYTES_PER_COMPONENT = 5000, 3100
_NOTICE_BYTES = 700
# ONNX, likewise: memory beside the weights, and the graph's bytes a tensor of the component.
_ONNX_IMPORTED_BYTES = 700_000_000
_ONNX_MEMORY_PER_BYTE = 0.2
_ONNX_BYTES_PER_TENSOR = 900
_EMBEDDINGS = "model.embed_tokens.weight"


@dataclass(frozen=True)
class ComponentPlan:
    """What one component will cost: bytes on disk and in memory, and rough seconds.

    ``imported`` is the part of ``peak_memory`` that it shares with others of its worker, which has
    imported the libraries for all; 0 where it needs none. ``temporary_bytes`` are on the disk while
    it is converted.
    """

    component: str
    artifact: str
    bytes: int
    peak_memory: int
    seconds: float
    imported: int = 0
    temporary_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """What an export would write, and how: ``slots`` components of one worker at a time.

    ``peak_memory`` and ``temporary_bytes`` count everything that runs at one time.
    """

    components: tuple[ComponentPlan, ...]
    bytes: int
    temporary_bytes: int
    peak_memory: int
    seconds: float
    slots: int
    beside: bool  # whether what needs no worker with libraries runs at the same time
    kept: tuple[str, ...] = ()  # components that are finished already, it seems


def plan(
    checkpoint: Checkpoint,
    options: Options,
    budget: int | None = None,
    cores: int = 1,
    kept: Collection[str] = (),
) -> Plan:
    """Check everything that can be checked from headers, and estimate the cost.

    With more than one of ``cores``, components are converted at the same time as long as they stay
    below ``budget`` bytes of memory together. Those ``kept`` from an earlier export cost nothing.

    Raises:
        UsageError: an option does not go with this checkpoint.
        CheckpointError: a tensor or a tokenizer file is not as it must be.
    """
    checkpoint.require_weights(options.weights)
    components.check_foreign(checkpoint)
    tokenizer_files.check(checkpoint.path, checkpoint.model.llm.vocab_size)
    for spec in options.components:
        spec.check(checkpoint)
    estimators = {"mlpackage": _package, "onnx": _onnx, "mlx": _mlx_folder}
    return together(
        [
            estimators[targets.form(spec, options.target).kind](checkpoint, spec, options)
            for spec in options.components
        ],
        budget,
        cores,
        kept,
    )


def together(
    plans: Sequence[ComponentPlan],
    budget: int | None = None,
    cores: int = 1,
    kept: Collection[str] = (),
) -> Plan:
    """The plan of converting ``plans``, as many at a time as ``cores`` and ``budget`` allow."""
    left = [item for item in plans if item.component not in kept]
    heavy = [item for item in left if item.imported]
    light = [item for item in left if not item.imported]
    most = max(1, min(cores, len(heavy)))
    ways = [(slots, beside) for slots in range(most, 0, -1) for beside in (True, False)]
    slots, beside = next(
        (way for way in ways if budget is None or _memory(heavy, light, *way) <= budget), ways[-1]
    )
    return Plan(
        tuple(plans),
        sum(item.bytes for item in plans)
        + _MANIFEST_BYTES
        + _MANIFEST_BYTES_PER_COMPONENT * len(plans)
        + _NOTICE_BYTES,
        sum(sorted((item.temporary_bytes for item in heavy), reverse=True)[:slots]),
        _memory(heavy, light, slots, beside),
        _seconds(heavy, light, slots, beside),
        slots,
        beside,
        tuple(item.component for item in plans if item.component in kept),
    )


def longest_first(plans: Iterable[ComponentPlan]) -> list[ComponentPlan]:
    """The order in which components are begun, so that none is left to run alone at the end."""
    return sorted(plans, key=lambda item: -item.seconds)


def _memory(
    heavy: Sequence[ComponentPlan], light: Sequence[ComponentPlan], slots: int, beside: bool
) -> int:
    imported = max((item.imported for item in heavy), default=0)
    own = sorted((item.peak_memory - item.imported for item in heavy), reverse=True)
    packages = imported + sum(own[:slots])
    others = max((item.peak_memory for item in light), default=0)
    return packages + others if beside else max(packages, others)


def _seconds(
    heavy: Sequence[ComponentPlan], light: Sequence[ComponentPlan], slots: int, beside: bool
) -> float:
    ends = [9.0 * bool(heavy)] * slots  # after the imports
    for item in longest_first(heavy):
        ends[ends.index(min(ends))] += item.seconds
    others = sum(item.seconds for item in light)
    return max(*ends, others) if beside else max(ends) + others


def _package(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    kept = _kept(checkpoint, spec)
    elements = sum(kept.values())
    precision = effective(spec.name, options.precision)
    size = elements * (4 if precision == "float32" else 2)
    size += _BYTES_PER_TENSOR[spec.name] * len(kept) + _PACKAGE_BYTES
    per_byte = _MEMORY_PER_BYTE[spec.name] + (0.5 if precision == "float16" else 0.0)
    memory = _IMPORTED_BYTES + int(4 * elements * per_byte)
    return ComponentPlan(
        spec.name,
        spec.artifact,
        size,
        memory,
        5 + elements / 2e7,
        _IMPORTED_BYTES,
        _float32_bytes(spec, checkpoint),
    )


def _kept(checkpoint: Checkpoint, spec: ComponentSpec) -> dict[str, int]:
    """The tensors of a graph with their numbers of elements."""
    # The CLIP head is not exported, and what BatchNorm learned is folded into convolutions.
    return {
        name: math.prod(shape)
        for name, shape in spec.tensors(checkpoint.model).items()
        if not is_buffer(name) and not name.endswith(("head.proj", ".bn.weight"))
    }


def _float32_bytes(spec: ComponentSpec, checkpoint: Checkpoint) -> int:
    """Bytes of the file that the weights lie in while they are converted."""
    return 4 * sum(math.prod(shape) for shape in spec.tensors(checkpoint.model).values())


def _onnx(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    kept = _kept(checkpoint, spec)
    elements = sum(kept.values())
    width = 4 if effective(spec.name, options.precision) == "float32" else 2
    size = elements * width + _ONNX_BYTES_PER_TENSOR * len(kept)
    if spec.name == "llm":  # the table keeps the checkpoint's dtype; a tied head is a copy of it
        table = kept[_EMBEDDINGS]
        stored = checkpoint.info(_EMBEDDINGS, options.weights).nbytes
        size += stored - (0 if checkpoint.model.llm.tie_word_embeddings else width * table)
        size += sum(path.stat().st_size for path in tokenizer_files.require(checkpoint.path))
    memory = _ONNX_IMPORTED_BYTES + int(4 * elements * _ONNX_MEMORY_PER_BYTE)
    path = targets.form(spec, options.target).path
    return ComponentPlan(
        spec.name,
        path,
        size,
        memory,
        10 + elements / 1e7,
        _ONNX_IMPORTED_BYTES,
        _float32_bytes(spec, checkpoint),
    )


def _mlx_folder(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    planned = mlx_plan(
        checkpoint.model, options.llm_bits, options.llm_group_size, options.llm_exceptions
    )
    texts = sum(path.stat().st_size for path in tokenizer_files.require(checkpoint.path))
    size = planned.nbytes + texts + _MLX_BYTES + _MLX_BYTES_PER_TENSOR * len(planned.layout)
    elements = count_parameters(spec, checkpoint.model)
    return ComponentPlan(spec.name, spec.artifact, size, _MLX_MEMORY, elements / 4e7)
