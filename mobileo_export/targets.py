"""The targets of an export: what each makes of every component. This is the only list of them.

``ios`` is four Core ML packages and an MLX folder; ``mlx`` is an MLX folder for each component;
``jetson`` is ONNX for TensorRT, in which the language model is a folder too; ``coreai`` is five
Core AI assets for iOS and macOS 27.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec, Precision, TensorSpec


@dataclass(frozen=True)
class Made:
    """What becomes of a component: a kind of artifact, and the suffix of its name."""

    kind: str
    suffix: str = ""


@dataclass(frozen=True)
class Form:
    """Where a component's artifact lies in a bundle, and what it is."""

    path: str
    kind: str


@dataclass(frozen=True)
class ExportTarget:
    """One target.

    Attributes:
        name: on the command line and in manifests.
        title: what its bundles hold.
        made: of a component that ``others`` does not name.
        others: by component.
        batches: by component, most rows of one call; 1 for those that are not named.
        precision: what is computed in where a command line says nothing.
        compression: likewise by precision, how weights are stored: a preset's name.
        context: most positions of the language model; as many as it has for None.
        library: what runs its packages or graphs, as the hub calls it; ``tags`` are more of those.
    """

    name: str
    title: str
    made: Made
    others: Mapping[str, Made] = field(default_factory=dict)
    batches: Mapping[str, int] = field(default_factory=dict)
    precision: Precision = "float32"
    compression: Mapping[Precision, str] = field(
        default_factory=lambda: {"float32": "exact", "float16": "exact"}
    )
    context: int | None = None
    library: str = ""
    tags: tuple[str, ...] = ()


BATCH = "B"  # the dimension of a call's rows, where there may be several
# In the order in which they are offered; the first is the default.
TARGETS = {
    target.name: target
    for target in (
        ExportTarget(
            "ios",
            "Core ML and MLX",
            Made("mlpackage", ".mlpackage"),
            {"llm": Made("mlx")},
            library="coreml",
            tags=("mlx", "ios"),
        ),
        ExportTarget(
            "mlx",
            "MLX alone",
            Made("mlx"),
            # Guidance takes two branches; one call for both reads the weights once.
            batches={"dit": 2},
            precision="float16",
            compression={"float32": "none", "float16": "w8"},
            library="mlx",
            tags=("mlx", "ios"),
        ),
        ExportTarget(
            "jetson",
            "ONNX for TensorRT",
            Made("onnx", ".onnx"),
            {"llm": Made("onnx")},
            # Guidance takes two branches; one call for both reads the weights once.
            {"dit": 2},
            # An edit of the longest conditioning, or a picture, a long question and 256 new tokens.
            # Keys and values are allocated for all of them.
            context=1024,
            library="onnx",
            tags=("tensorrt", "jetson"),
        ),
        ExportTarget(
            "coreai",
            "Core AI",
            Made("aimodel", ".aimodel"),
            {"llm": Made("aimodel")},
            compression={"float32": "none", "float16": "none"},
            library="coreai",
            tags=("ios",),
        ),
    )
}
DEFAULT = next(iter(TARGETS))
if TYPE_CHECKING:
    Choice = str
else:  # what a command line offers: made of the list, so that there is no second one
    Choice = Literal[tuple(TARGETS)]


def form(spec: ComponentSpec, target: str) -> Form:
    """The artifact of ``spec`` in a bundle for ``target``."""
    chosen = TARGETS[target]
    made = chosen.others.get(spec.name, chosen.made)
    return Form(spec.file + made.suffix, made.kind)


def kinds(target: str) -> tuple[str, ...]:
    """The kinds of artifact in a whole bundle for ``target``, each once."""
    from mobileo_export.components import COMPONENTS

    return tuple(dict.fromkeys(form(spec, target).kind for spec in COMPONENTS.values()))


def inputs(spec: ComponentSpec, model: ModelConfig, target: str) -> tuple[TensorSpec, ...]:
    """The inputs of ``spec`` for ``target``: the registry's, with its batches and its context."""
    return tuple(_adapted(tensor, spec, target) for tensor in spec.inputs(model))


def outputs(spec: ComponentSpec, model: ModelConfig, target: str) -> tuple[TensorSpec, ...]:
    """The outputs of ``spec`` for ``target``, see :func:`inputs`."""
    return tuple(_adapted(tensor, spec, target) for tensor in spec.outputs(model))


def context(model: ModelConfig, target: str) -> int:
    """Positions of the language model in a bundle for ``target``."""
    most = model.llm.max_position_embeddings
    return min(TARGETS[target].context or most, most)


def _adapted(tensor: TensorSpec, spec: ComponentSpec, target: str) -> TensorSpec:
    from mobileo_export.components import POSITIONS, Dim

    chosen = TARGETS[target]
    shape = list(tensor.shape)
    for axis, dim in enumerate(shape):
        if isinstance(dim, Dim) and dim.name == POSITIONS and chosen.context is not None:
            shape[axis] = replace(dim, high=min(dim.high, chosen.context))
    if spec.name in chosen.batches:
        shape[0] = Dim(BATCH, 1, chosen.batches[spec.name], 1)
    return replace(tensor, shape=tuple(shape))
