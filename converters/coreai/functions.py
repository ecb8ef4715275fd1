"""Which functions the asset of a component has: module, names, signature.

A component is one function. The language model is three: the rows of its table, the image
projector, and the decoder with earlier keys and values in and new ones out (``converters.decoder``;
docs/jetson-artifacts.md has the signatures, which are the same).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from mobileo_export import targets
from mobileo_export.artifacts.aimodel.asset import EMBED, MAIN, PROJECTOR
from mobileo_export.components import ComponentSpec, Dim, TensorSpec
from mobileo_export.converters import decoder

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.reference.llm import LanguageModel


@dataclass(frozen=True)
class AssetFunction:
    """One function to write.

    Attributes:
        name: what an app loads it by.
        inputs: in the order of the module's arguments.
        outputs: in the order in which the module returns them.
        build: makes the module from the component's reference.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    build: Callable[[Any], torch.nn.Module]


class Embedding(torch.nn.Module):
    """Token ids [1, T] to rows of the table [1, T, d]."""

    def __init__(self, reference: LanguageModel) -> None:
        super().__init__()
        self.table = reference.language_model.model.embed_tokens

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The rows of ``input_ids``."""
        rows: torch.Tensor = self.table(input_ids)
        return rows


def functions(spec: ComponentSpec, model: ModelConfig, target: str) -> tuple[AssetFunction, ...]:
    """The functions of ``spec`` for ``target``."""
    inputs, outputs = targets.inputs(spec, model, target), targets.outputs(spec, model, target)
    if spec.name != "llm":
        return (AssetFunction(MAIN, inputs, outputs, lambda module: module),)
    ids, features = inputs
    context, width = targets.context(model, target), model.llm.hidden_size
    (part,) = decoder.parts(model.llm.num_hidden_layers, model.mcp.num_layers, None)
    rows = (1, Dim("T", 1, context, 1), width)
    image = (1, model.vision.num_tokens, width)
    return (
        AssetFunction(
            EMBED,
            (replace(ids, shape=rows[:2]),),
            (TensorSpec("embeddings", rows, "Rows of the embedding table"),),
            Embedding,
        ),
        AssetFunction(
            PROJECTOR,
            (replace(features, optional=False),),
            (TensorSpec("image_embeddings", image, "In place of the image token"),),
            decoder.Projector,
        ),
        AssetFunction(
            MAIN,
            decoder.inputs(model, part, context),
            decoder.outputs(model, part, context),
            partial(decoder.PartialDecoder, part=part, context=context),
        ),
    )
