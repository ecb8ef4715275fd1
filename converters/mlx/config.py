"""``config.json`` and ``preprocessor_config.json`` as Apple's FastVLM app and mlx-lm read them.

The app decodes every field from the root of ``config.json``. It aborts on a ``rope_scaling``
without ``mrope_section`` and knows ``rope_theta`` only at the root, so that nothing of the
checkpoint's own file is passed on unseen.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import CheckpointError
from mobileo_export.recipe import Preprocessing, stop_token_ids

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlx.plan import MLXPlan
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.checkpoint.tokenizer_files import SpecialTokens

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
_BICUBIC = 3  # PIL's number, which transformers writes


def model_config(checkpoint: Checkpoint, planned: MLXPlan, tokens: SpecialTokens) -> dict[str, Any]:
    """``config.json``: dimensions from the tensors, token ids from the tokenizer.

    Raises:
        CheckpointError: the tokenizer has tokens that the embedding table has no row for.
    """
    llm, vision = checkpoint.model.llm, checkpoint.model.vision
    last = max(tokens.image_token_id, tokens.im_start_id, tokens.im_end_id)
    if last >= llm.vocab_size:
        raise CheckpointError(
            f"{checkpoint.path}: the tokenizer has a token with id {last}, the embedding table "
            f"{llm.vocab_size} rows; tokenizer and weights come from different models"
        )
    stop = list(stop_token_ids(checkpoint.model, tokens))
    config = {
        **asdict(llm),
        "architectures": ["LlavaQwen2ForCausalLM"],
        "model_type": "llava_qwen2",
        "eos_token_id": stop[0] if len(stop) == 1 else stop,
        "hidden_act": "silu",
        "pad_token_id": tokens.pad_token_id,
        "torch_dtype": "float16",
        "use_cache": True,
        "image_aspect_ratio": "pad",
        "image_token_index": tokens.image_token_id,
        "mm_hidden_size": vision.feature_dim,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_tower": checkpoint.config["mm_vision_tower"],
    }
    quantization = planned.quantization
    if quantization is not None:
        config["quantization"] = quantization
    return config


def preprocessor_config(model: ModelConfig) -> dict[str, Any]:
    """``preprocessor_config.json``: what becomes of a picture that was padded to a square."""
    image = Preprocessing(model.vision.image_size, model.vision.num_tokens)
    size = image.image_size
    return {
        "processor_class": "LlavaProcessor",  # by which the app finds its processor
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": _BICUBIC,
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": image.rescale,
        "do_normalize": True,
        "image_mean": list(image.mean),
        "image_std": list(image.std),
        "do_convert_rgb": True,
    }
