"""The language model with its image projector: transformers' ``Qwen2ForCausalLM``."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import PROJECTOR, LanguageModelConfig
from mobileo_export.errors import UsageError
from mobileo_export.recipe import image_span
from mobileo_export.reference import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import Cache, Qwen2ForCausalLM

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.reference.loading import TensorSource


class LanguageModel(nn.Module):
    """Token ids and image features to hidden states and next-token scores, all float32."""

    def __init__(
        self,
        language_model: Qwen2ForCausalLM,
        projector: nn.Module,
        num_layers: int,
        image_token_id: Callable[[], int],
    ) -> None:
        """``num_layers`` is K; ``image_token_id`` is asked only when image features are given."""
        super().__init__()
        self.language_model = language_model
        self.projector = projector
        self.num_layers = num_layers
        self.image_token_id = image_token_id

    def forward(
        self, input_ids: torch.Tensor, image_features: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read a whole prompt.

        Args:
            input_ids: [1, T] int32.
            image_features: [1, M, F], spliced in at the image token (``recipe.image_span``).

        Returns:
            stacked_hidden_states [1, K, N, d], the last K of the tuple that transformers calls
            ``hidden_states``: raw layer outputs, except the last one, which has passed the final
            norm; and logits [1, V] of the last position.

        Raises:
            UsageError: an id is out of range, or the image tokens do not fit the features.
        """
        return self._run(self.embed(input_ids, image_features), None)

    def prefill(
        self, input_ids: torch.Tensor, image_features: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, Cache]:
        """:meth:`forward`, and the key-value cache that :meth:`step` continues from."""
        from transformers import DynamicCache

        past = DynamicCache(config=self.language_model.config)
        return (*self._run(self.embed(input_ids, image_features), past), past)

    def step(self, input_ids: torch.Tensor, past: Cache) -> torch.Tensor:
        """Append ``input_ids`` [1, 1] to ``past``, in place; logits [1, V]."""
        return self._run(self.embed(input_ids), past)[1]

    def embed(
        self, input_ids: torch.Tensor, image_features: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeddings [1, N, d] with the projected image features in their place."""
        table = self.language_model.model.embed_tokens
        low, high = int(input_ids.min()), int(input_ids.max())
        if low < 0 or high >= table.num_embeddings:
            raise UsageError(
                f"input_ids: holds {low if low < 0 else high}, the vocabulary has ids 0 to "
                f"{table.num_embeddings - 1}"
            )
        embeddings: torch.Tensor = table(input_ids)
        if image_features is None:
            return embeddings
        image: torch.Tensor = self.projector(image_features)
        start, stop = image_span(input_ids[0].numpy(), self.image_token_id(), image.shape[1])
        return torch.cat([embeddings[:, :start], image, embeddings[:, stop:]], dim=1)

    def _run(
        self, embeddings: torch.Tensor, past: Cache | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        output: Any = self.language_model(
            inputs_embeds=embeddings,
            past_key_values=past,
            use_cache=past is not None,
            output_hidden_states=True,
            logits_to_keep=1,
        )
        stacked = torch.stack(output.hidden_states[-self.num_layers :], dim=1)
        return stacked, output.logits[:, -1]


def assemble(model: ModelConfig, source: TensorSource, weights: Weights) -> LanguageModel:
    """The language model and the image projector with the values of ``source``, a checkpoint."""

    @cache
    def image_token_id() -> int:
        from mobileo_export.checkpoint import tokenizer_files

        return tokenizer_files.special_ids(source.path).image_token_id

    return loading.load(
        lambda: construct(
            model.llm, model.vision.feature_dim, model.mcp.num_layers, image_token_id
        ),
        state_names(model.llm),
        source,
        weights,
    )


def state_names(llm: LanguageModelConfig) -> dict[str, str]:
    """Name in the state of a :class:`LanguageModel` -> name in a checkpoint."""
    names = {f"language_model.{name}": name for name in expected_tensors.language_model(llm)}
    if llm.tie_word_embeddings:
        names["language_model.lm_head.weight"] = "model.embed_tokens.weight"
    projector = ("0.weight", "0.bias", "2.weight", "2.bias")
    return names | {f"projector.{name}": PROJECTOR + name for name in projector}


def construct(
    llm: LanguageModelConfig,
    feature_dim: int,
    num_layers: int,
    image_token_id: Callable[[], int],
) -> LanguageModel:
    """The module without values, for :func:`loading.load`; ``num_layers`` is K."""
    from transformers import Qwen2ForCausalLM
    from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

    config = transformers_config(llm)
    language_model = Qwen2ForCausalLM(config)
    with torch.device("cpu"):  # its frequencies are computed, not stored
        language_model.model.rotary_emb = Qwen2RotaryEmbedding(config)
    hidden = llm.hidden_size
    projector = nn.Sequential(nn.Linear(feature_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden))
    return LanguageModel(language_model, projector, num_layers, image_token_id)


def transformers_config(llm: LanguageModelConfig) -> Any:
    """The ``Qwen2Config`` of a language model."""
    from transformers import Qwen2Config

    sizes = asdict(llm)
    rope = {"rope_type": "default", "rope_theta": sizes.pop("rope_theta")}
    return Qwen2Config(**sizes, rope_parameters=rope, attn_implementation="sdpa")
