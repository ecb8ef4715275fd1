"""Which graphs a component is written as: module, names, signature, profiles.

Signatures are those of docs/jetson-artifacts.md, bounds those of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.artifacts.onnx.folder import PROJECTOR
from mobileo_export.components import ComponentSpec, Dim, TensorSpec
from mobileo_export.converters import decoder
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    import torch

    from mobileo_export.checkpoint.model_config import ModelConfig

Profiles = dict[str, dict[str, tuple[int, int, int]]]
_TYPICAL_PROMPT = 320  # a picture and a question


@dataclass(frozen=True)
class GraphSpec:
    """One graph to write.

    Attributes:
        name: what it is called in the manifest and on the board.
        file: its path below the bundle, the folder of the language model included.
        inputs: in the order of the module's arguments.
        outputs: in the order in which the module returns them.
        profiles: bounds of the varying dimensions by use, see ``manifest.Graph``.
        build: makes the module from the component's reference.
    """

    name: str
    file: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    profiles: Profiles
    build: Callable[[Any], torch.nn.Module]


def graphs(
    spec: ComponentSpec,
    model: ModelConfig,
    target: str,
    layers_per_engine: int | None = None,
    cache_dtype: decoder.CacheDtype = "float32",
) -> tuple[GraphSpec, ...]:
    """The graphs of ``spec`` for ``target``, in the order in which they run."""
    path = targets.form(spec, target).path
    if spec.name == "llm":
        context = targets.context(model, target)
        return tuple(_language_model(spec, model, path, context, layers_per_engine, cache_dtype))
    inputs = targets.inputs(spec, model, target)
    bounds = {
        dim.name: (dim.low, _typical(dim), dim.high)
        for tensor in inputs
        for dim in tensor.shape
        if isinstance(dim, Dim)
    }
    outputs = targets.outputs(spec, model, target)
    return (
        GraphSpec(spec.name, path, inputs, outputs, {"default": bounds}, lambda module: module),
    )


def check_named(
    names: Iterable[str],
    components: Iterable[ComponentSpec],
    model: ModelConfig,
    target: str,
    layers_per_engine: int | None,
) -> None:
    """Raise UsageError for a name, of a precision plan, that no graph of ``components`` has."""
    written = [
        graph.name
        for spec in components
        for graph in graphs(spec, model, target, layers_per_engine)
    ]
    for name in names:
        if name not in written:
            raise UsageError(
                f"--precision-plan: {name} is not among the graphs that are written "
                f"({', '.join(written)})"
            )


def _typical(dim: Dim) -> int:
    return dim.high if dim.name == targets.BATCH else dim.default


def _language_model(
    spec: ComponentSpec,
    model: ModelConfig,
    folder: str,
    context: int,
    layers_per_engine: int | None,
    cache_dtype: decoder.CacheDtype,
) -> Iterator[GraphSpec]:
    features = replace(spec.inputs(model)[1], optional=False)
    tokens, width = model.vision.num_tokens, model.llm.hidden_size
    yield GraphSpec(
        PROJECTOR,
        f"{folder}/{PROJECTOR}.onnx",
        (features,),
        (TensorSpec("image_embeddings", (1, tokens, width), "In place of the image token"),),
        {"default": {}},
        decoder.Projector,
    )
    k = model.mcp.num_layers
    for part in decoder.parts(model.llm.num_hidden_layers, k, layers_per_engine):
        yield GraphSpec(
            part.name,
            f"{folder}/{part.name}.onnx",
            decoder.inputs(model, part, context, cache_dtype),
            decoder.outputs(model, part, context, cache_dtype),
            {
                "prefill": {"T": (1, min(_TYPICAL_PROMPT, context), context), "P": (1, 1, 1)},
                "decode": {"T": (1, 1, 1), "P": (context, context, context)},
            },
            partial(decoder.PartialDecoder, part=part, context=context),
        )
