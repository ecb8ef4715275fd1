"""The cost of a checkpoint's references: PyTorch's own counter over calls on shapes alone.

No weight is read. A call is one operation here: what lies inside it, its counter does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bench.cost import BYTES, CallCost, OperationCost, WeightBytes
from mobileo_export.bench.language_cost import LanguageCall
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.bench.graph_cost import Precisions
    from mobileo_export.checkpoint.folder import Weights

_IDS = 4  # bytes of a token's id


class ReferenceCost:
    """The costs of calls of the PyTorch references; None among precisions is float32."""

    names = tuple(COMPONENTS)

    def __init__(self, checkpoint: Checkpoint, weights: Weights) -> None:
        """Nothing is counted yet."""
        self._checkpoint, self._weights = checkpoint, weights
        self.reference: Callable[[str], Any] = cache(self._reference)

    @property
    def image_tokens(self) -> int:
        """How many positions a picture takes."""
        return self._checkpoint.model.vision.num_tokens

    def rows(self, name: str) -> int:
        """Most rows of one call of a component: 1."""
        return 1

    def calls(
        self, name: str, precisions: Precisions, rows: int = 1, **sizes: int
    ) -> tuple[CallCost, ...]:
        """A call of a component other than the language model, in each of ``precisions``."""
        model, spec = self._checkpoint.model, COMPONENTS[name]
        module = self.reference(name)
        taken = [tensor.at(**sizes) for tensor in spec.inputs(model) if not tensor.optional]
        given = [tensor.at(**sizes) for tensor in spec.outputs(model)]
        flops = rows * _counted(module, *taken)
        return _priced(
            precisions,
            name,
            flops,
            elements(module),
            rows * sum(map(prod, taken)),
            rows * sum(map(prod, given)),
        )

    def reads(self, asked: LanguageCall, precisions: Precisions) -> tuple[CallCost, ...]:
        """A call of the language model, which always gives the scores of the last position."""
        from transformers import DynamicCache

        module, model = self.reference("llm"), self._checkpoint.model
        llm, positions = model.llm, asked.positions
        language = module.language_model
        read = partial(_read, language, DynamicCache(config=language.config))
        if asked.past:
            _on_shapes(read, (1, asked.past, llm.hidden_size))
        flops = _counted(read, (1, positions, llm.hidden_size))
        stored, image = elements(language), 0
        if not llm.tie_word_embeddings:  # of the table only rows are read
            stored -= elements(language.model.embed_tokens)
        if asked.image:
            image = self.image_tokens * model.vision.feature_dim
            flops += _counted(module.projector, (1, self.image_tokens, model.vision.feature_dim))
            stored += elements(module.projector)
        pair = 2 * llm.num_hidden_layers * llm.num_key_value_heads * llm.head_dim
        taken, given = image + pair * asked.past, llm.vocab_size + pair * positions
        ids = _IDS * (positions - (self.image_tokens if asked.image else 0))
        return _priced(precisions, "llm", flops, stored, taken, given, ids)

    def _reference(self, name: str) -> torch.nn.Module:
        shapes = _Shapes.open(self._checkpoint.path)
        return COMPONENTS[name].reference(shapes, self._weights).to("meta")


class _Shapes(Checkpoint):
    """A checkpoint whose tensors have their shapes, and no memory."""

    def read(self, name: str, weights: Weights) -> NDArray[Any]:
        """Zeros that all lie in one place."""
        shape = self.info(name, weights).shape
        return np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), shape, (0,) * len(shape))


def _read(language: Any, past: Any, embeddings: torch.Tensor) -> object:
    """What the reference runs behind its embeddings."""
    return language(inputs_embeds=embeddings, past_key_values=past, logits_to_keep=1)


def elements(module: torch.nn.Module) -> int:
    """How many values the parameters of ``module`` have; one that is shared counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _priced(
    precisions: Precisions,
    name: str,
    flops: int,
    weights: int,
    taken: int,
    given: int,
    ids: int = 0,
) -> tuple[CallCost, ...]:
    """Numbers of elements as bytes; ``ids`` are bytes already."""
    calls = []
    for width in (BYTES[precision or "float32"] for precision in precisions):
        inputs, outputs = taken * width + ids, given * width
        weight = WeightBytes(name, weights * BYTES["float32"], weights * width)
        whole = OperationCost(name, "module", "", flops, 0, inputs, outputs, (weight,))
        calls.append(CallCost((whole,), inputs, outputs, inputs + outputs))
    return tuple(calls)


def _counted(call: Callable[..., object], *shapes: tuple[int, ...]) -> int:
    """FLOPs that PyTorch counts of ``call`` with tensors of these shapes."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        _on_shapes(call, *shapes)
    return int(counter.get_total_flops())


def _on_shapes(call: Callable[..., object], *shapes: tuple[int, ...]) -> None:
    import torch

    from mobileo_export.runtimes.shapes import ShapesOnly, empty

    with torch.no_grad(), ShapesOnly():
        call(*map(empty, shapes))
