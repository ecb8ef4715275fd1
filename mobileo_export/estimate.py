"""What an export will cost, told from headers alone: bytes on disk, memory, rough time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobileo_export import components, tokenizer_files
from mobileo_export.bundle.manifest import count_parameters
from mobileo_export.converters.coreml.precision import effective
from mobileo_export.converters.mlx.planning import plan as mlx_plan
from mobileo_export.layout import is_buffer
from mobileo_export.notices import NOTICE

if TYPE_CHECKING:
    from mobileo_export.checkpoint import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.export import Options

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


@dataclass(frozen=True)
class ComponentPlan:
    """What one component will cost: bytes on disk and in memory, and rough seconds."""

    component: str
    artifact: str
    bytes: int
    peak_memory: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What an export would write. ``peak_memory`` counts everything that runs at one time."""

    components: tuple[ComponentPlan, ...]
    bytes: int
    temporary_bytes: int  # on the disk while the largest component is converted
    peak_memory: int
    seconds: float


def plan(checkpoint: Checkpoint, options: Options) -> Plan:
    """Check everything that can be checked from headers, and estimate the cost.

    Raises:
        UsageError: an option does not go with this checkpoint.
        CheckpointError: a tensor or a tokenizer file is not as it must be.
    """
    checkpoint.require_weights(options.weights)
    components.check_foreign(checkpoint)
    tokenizer_files.special_ids(checkpoint.path)
    for spec in options.components:
        spec.check(checkpoint)
    packages = [
        _package(checkpoint, spec, options)
        for spec in options.components
        if spec.kind == "mlpackage"
    ]
    folders = [
        _mlx_folder(checkpoint, spec, options) for spec in options.components if spec.kind == "mlx"
    ]
    # The packages are converted one after the other, the folders beside them.
    plans = {plan.component: plan for plan in (*packages, *folders)}
    beside = _MANIFEST_BYTES + _MANIFEST_BYTES_PER_COMPONENT * len(plans) + len(NOTICE.encode())
    return Plan(
        tuple(plans[spec.name] for spec in options.components),
        sum(p.bytes for p in plans.values()) + beside,
        max((_float32_bytes(spec, checkpoint) for spec in options.components), default=0),
        max((p.peak_memory for p in packages), default=0) + sum(p.peak_memory for p in folders),
        max(sum(p.seconds for p in packages) + 9 * bool(packages), sum(p.seconds for p in folders)),
    )


def _package(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    tensors = spec.tensors(checkpoint.model)
    # The CLIP head is not exported, and what BatchNorm learned is folded into convolutions.
    kept = {
        name: math.prod(shape)
        for name, shape in tensors.items()
        if not is_buffer(name) and not name.endswith(("head.proj", ".bn.weight"))
    }
    elements = sum(kept.values())
    precision = effective(spec.name, options.precision)
    size = elements * (4 if precision == "float32" else 2)
    size += _BYTES_PER_TENSOR[spec.name] * len(kept) + _PACKAGE_BYTES
    per_byte = _MEMORY_PER_BYTE[spec.name] + (0.5 if precision == "float16" else 0.0)
    memory = _IMPORTED_BYTES + int(4 * elements * per_byte)
    return ComponentPlan(spec.name, spec.artifact, size, memory, 5 + elements / 2e7)


def _float32_bytes(spec: ComponentSpec, checkpoint: Checkpoint) -> int:
    shapes = spec.tensors(checkpoint.model).values()
    return 4 * sum(math.prod(shape) for shape in shapes) if spec.kind == "mlpackage" else 0


def _mlx_folder(checkpoint: Checkpoint, spec: ComponentSpec, options: Options) -> ComponentPlan:
    planned = mlx_plan(
        checkpoint.model, options.llm_bits, options.llm_group_size, options.llm_exceptions
    )
    texts = sum(path.stat().st_size for path in tokenizer_files.require(checkpoint.path))
    size = planned.nbytes + texts + _MLX_BYTES + _MLX_BYTES_PER_TENSOR * len(planned.layout)
    elements = count_parameters(spec, checkpoint.model)
    return ComponentPlan(spec.name, spec.artifact, size, _MLX_MEMORY, elements / 4e7)
