"""The cost of the language model: an MLX folder by its configuration, or ONNX graphs by following.

What is counted of an MLX folder is what ``runtimes/mlx/model.py`` runs: every position through all
layers, the head for the last position only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from mobileo_export.artifacts.onnx.folder import PROJECTOR as GRAPH
from mobileo_export.bench.cost import (
    BYTES,
    CallCost,
    OperationCost,
    WeightBytes,
    together,
)
from mobileo_export.bench.graph_cost import Precisions, of_onnx
from mobileo_export.checkpoint.model_config import PROJECTOR
from mobileo_export.checkpoint.safetensors_file import tensor_bytes
from mobileo_export.components import POSITIONS, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.artifacts.mlx.folder import MLXFolder
    from mobileo_export.artifacts.onnx.folder import OnnxLanguageModel

_IDS = 4  # bytes of a token's id


@dataclass(frozen=True)
class LanguageCall:
    """What a language model reads in one call.

    Attributes:
        positions: read, those of an image among them.
        past: positions that were read before; their keys and values are taken from memory.
        image: whether image features are projected and spliced in.
        head: whether next-token scores of the last position are wanted; a picture needs none.
    """

    positions: int
    past: int = 0
    image: bool = False
    head: bool = True


def of_folder(
    folder: MLXFolder, asked: LanguageCall, precisions: Precisions
) -> tuple[CallCost, ...]:
    """One call of an MLX folder in each precision; None is float16, as MLX computes."""
    widths = (BYTES[precision or "float16"] for precision in precisions)
    return tuple(_FolderCount(folder, asked, width).call() for width in widths)


class _FolderCount:
    """The operations of one call of a folder."""

    def __init__(self, folder: MLXFolder, asked: LanguageCall, width: int) -> None:
        self._folder, self._asked, self._width = folder, asked, width
        self._llm = folder.llm
        self._image = 0
        if asked.image:
            tokens = folder.inputs[1].shape[1]
            assert isinstance(tokens, int)  # the signature's own M
            self._image = min(tokens, asked.positions)

    def call(self) -> CallCost:
        """All of them, and what goes in and out."""
        llm, asked, width = self._llm, self._asked, self._width
        operations = [self._embedding()]
        if self._image:
            operations += self._projector()
        for index in range(llm.num_hidden_layers):
            operations += self._layer(index)
        operations.append(self._norm("model.norm", asked.positions))
        if asked.head:
            head = "model.embed_tokens" if llm.tie_word_embeddings else "lm_head"
            operations.append(self._matrix(head, 1, "lm_head"))
        pair = 2 * llm.num_hidden_layers * llm.num_key_value_heads * llm.head_dim * width
        cache = pair * (asked.past + asked.positions)
        features = self._image * self._folder.feature_dim * width
        inputs = _IDS * (asked.positions - self._image) + features + pair * asked.past
        states = self._folder.num_layers * asked.positions * llm.hidden_size * width
        given = llm.vocab_size * width if asked.head else states
        wide = max(3 * llm.intermediate_size, 3 * llm.hidden_size)
        living = asked.positions * (2 * llm.hidden_size + wide) * width
        outputs = given + pair * asked.positions
        return CallCost(tuple(operations), inputs, outputs, cache + max(living, given))

    def _embedding(self) -> OperationCost:
        """Rows of the table, one a token of text."""
        tokens = self._asked.positions - self._image
        table = self._weights("model.embed_tokens")[0]
        rows = self._llm.vocab_size
        part = WeightBytes(
            table.key, tokens * (table.stored // rows), tokens * (table.widened // rows)
        )
        written = tokens * self._llm.hidden_size * self._width
        name = "model.embed_tokens"
        return OperationCost(name, "gather", self._module(name), 0, 0, 0, written, (part,))

    def _projector(self) -> list[OperationCost]:
        first, second = (f"{PROJECTOR.removesuffix('.')}.{place}" for place in (0, 2))
        inner = self._llm.hidden_size
        return [
            self._matrix(first, self._image),
            self._pointwise("gelu", f"{PROJECTOR}1", self._image * inner),
            self._matrix(second, self._image),
        ]

    def _layer(self, index: int) -> list[OperationCost]:
        llm, count = self._llm, self._asked.positions
        at, total = f"model.layers.{index}.", self._asked.past + count
        attention, mlp = f"{at}self_attn", f"{at}mlp"
        query, pair = (
            heads * llm.head_dim for heads in (llm.num_attention_heads, llm.num_key_value_heads)
        )
        scores = count * total * llm.num_attention_heads
        mixed = OperationCost(
            name=f"{attention}/attention",
            kind="scaled_dot_product_attention",
            module=self._module(attention),
            flops=2 * 2 * scores * llm.head_dim,
            read=(count * query + 2 * total * pair) * self._width,
            written=count * query * self._width,
        )
        return [
            self._norm(f"{at}input_layernorm", count),
            *(self._matrix(f"{attention}.{part}_proj", count) for part in "qkv"),
            self._pointwise("rope", attention, count * (query + pair)),
            mixed,
            self._matrix(f"{attention}.o_proj", count),
            self._pointwise("add", at.removesuffix("."), count * llm.hidden_size),
            self._norm(f"{at}post_attention_layernorm", count),
            *(self._matrix(f"{mlp}.{part}_proj", count) for part in ("gate", "up")),
            self._pointwise("silu_mul", mlp, count * llm.intermediate_size, 2),
            self._matrix(f"{mlp}.down_proj", count),
            self._pointwise("add", at.removesuffix("."), count * llm.hidden_size),
        ]

    def _matrix(self, source: str, rows: int, module: str | None = None) -> OperationCost:
        """``rows`` vectors times a stored matrix."""
        outputs, inputs = self._folder.by_source[f"{source}.weight"].shape
        return OperationCost(
            name=module or source,
            kind="linear",
            module=self._module(module or source),
            flops=2 * rows * outputs * inputs,
            read=rows * inputs * self._width,
            written=rows * outputs * self._width,
            weights=self._weights(source),
        )

    def _norm(self, source: str, rows: int) -> OperationCost:
        size = rows * self._llm.hidden_size
        moved = size * self._width
        module = self._module(source)
        return OperationCost(
            source, "rms_norm", module, 0, size, moved, moved, self._weights(source)
        )

    def _pointwise(self, kind: str, module: str, size: int, operands: int = 1) -> OperationCost:
        moved = size * self._width
        name = f"{module}/{kind}"
        return OperationCost(
            name, kind, self._module(module), 0, operands * size, operands * moved, moved
        )

    def _weights(self, source: str) -> tuple[WeightBytes, ...]:
        """The tensors of a module: its weight, and its bias if it has one."""
        found = []
        for part in ("weight", "bias"):
            tensor = self._folder.by_source.get(f"{source}.{part}")
            if tensor is not None:
                stored = sum(tensor_bytes(*entry) for entry in tensor.stored.values())
                found.append(WeightBytes(tensor.source, stored, prod(tensor.shape) * self._width))
        return tuple(found)

    def _module(self, source: str) -> str:
        """The reference's module of what a checkpoint calls ``source``."""
        if source.startswith(PROJECTOR):
            return "projector." + source.removeprefix(PROJECTOR)
        return f"language_model.{source}"


def of_graphs(
    model: OnnxLanguageModel,
    inputs: Mapping[str, tuple[TensorSpec, ...]],
    asked: LanguageCall,
    precisions: Precisions,
) -> tuple[CallCost, ...]:
    """One call of a folder of ONNX graphs in each precision; ``inputs`` has the signature of each.

    After the first call attention goes over all positions that keys and values have room for:
    the graphs take them whole, and mask what is not filled.
    """
    past = model.context if asked.past else 1
    calls = []
    if asked.image:
        calls.append(of_onnx(model.graphs[GRAPH], _at(inputs[GRAPH]), precisions))
    for graph in model.decoder:
        sizes = {POSITIONS: asked.positions, "P": past}
        calls.append(
            of_onnx(model.graphs[graph.name], _at(inputs[graph.name], **sizes), precisions)
        )
    return tuple(map(together, zip(*calls, strict=True)))


def _at(specs: tuple[TensorSpec, ...], **sizes: int) -> dict[str, tuple[int, ...]]:
    return {spec.name: spec.at(**sizes) for spec in specs}
