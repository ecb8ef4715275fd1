"""``config.json``: what transformers' ``Qwen2Config``, LLaVA, FastVLM and Mobile-O write there."""

from __future__ import annotations

from mobileo_export.checkpoint.fields.generation import CHOICE
from mobileo_export.checkpoint.fields.table import Field, honored, irrelevant, only

NESTED = ("text_config", "vision_config", "llm_config", "language_config")
_NESTED = only(
    "fields of the language model or the vision tower would stand in it, as in transformers' own "
    "conversion of FastVLM, whose tensors have other names too",
    None,
    cure="take the checkpoint in the authors' format, all fields at the top of config.json",
)
_QUANTIZED = only(
    "the stored tensors would be codes, not weights",
    None,
    {},
    cure="export the checkpoint from before it was quantized",
)

_DIMENSIONS = {
    **honored(
        "a dimension of the language model; must agree with the tensors",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
    ),
    **honored("the embedding table decides; a difference is a warning", "vocab_size"),
    **honored(
        "whether lm_head.weight is stored decides; a difference is a warning",
        "tie_word_embeddings",
    ),
    **honored("the epsilon of every RMSNorm of the language model", "rms_norm_eps"),
    **honored("the longest prompt and answer", "max_position_embeddings"),
    **honored("must be hidden_size / num_attention_heads", "head_dim"),
    **honored(
        "the base of the rotary embedding, here or in rope_parameters: two that disagree are "
        "refused; with none at all 10,000 is taken, as transformers does, and said",
        "rope_theta",
    ),
    **honored(
        "rope_theta may stand in it; any type but default is refused, since no converter scales "
        "rotary frequencies",
        "rope_parameters",
        "rope_scaling",
    ),
    **honored(
        "which layers attend to a window only: refused, unless the window holds the longest prompt",
        "use_sliding_window",
        "sliding_window",
        "max_window_layers",
        "layer_types",
    ),
    **honored("where an answer ends, beside the tokenizer's end tokens", "eos_token_id"),
}

_ARITHMETIC: dict[str, Field] = {
    "model_type": only(
        "the language model would be another network than Mobile-O's Qwen2",
        "mobileo_inference",
        "mobile_o_inference",
        "llava_qwen2",
        cure="export a Mobile-O checkpoint",
    ),
    "hidden_act": only("every layer would use another activation", "silu", "swish"),
    "attention_bias": only(
        "queries, keys and values would lack the biases that are stored with them", True, None
    ),
    "partial_rotary_factor": only("a part of each head would not be rotated", 1.0, None),
    "tie_last_hidden_states": only(
        "the last of the fused hidden states would not have passed the final norm", True, None
    ),
    "is_encoder_decoder": only("the model would have an encoder", False, None),
    "add_cross_attention": only("the layers would attend to an encoder, too", False, None),
    "pruned_heads": only("heads would be left out", {}, None),
    "per_layer_config": only("layers would differ from one another", {}, None),
    "quantization_config": _QUANTIZED,
    "quantization": _QUANTIZED,
    "compression_config": _QUANTIZED,
}

_PICTURES: dict[str, Field] = {
    **honored("the number at its end is the input size", "mm_vision_tower"),
    **honored("must be the channels that the vision tower gives", "mm_hidden_size"),
    "mm_projector_type": only("another network would project the image", "mlp2x_gelu", None),
    "image_aspect_ratio": only(
        "photographs would be cropped or tiled, not padded to a square", "pad"
    ),
    "mm_use_im_start_end": only("prompts would hold two more tokens an image", False, None),
    "mm_use_im_patch_token": only("the vocabulary would hold one more token", False, None),
    "s2": only("the vision tower would run at several scales", False, None),
    "mm_resampler_type": only("a resampler would follow the vision tower", None),
    **irrelevant(
        "the FastViTHD tower has one output, which is what the authors' code takes whatever this "
        "says",
        "mm_vision_select_layer",
        "mm_vision_select_feature",
    ),
    **irrelevant(
        "for images in several tiles; a padded image is one",
        "mm_patch_merge_type",
        "image_grid_pinpoints",
        "image_crop_resolution",
        "image_split_resolution",
        "s2_scales",
    ),
    **irrelevant("mm_vision_tower is what is read", "vision_tower", "input_image_size"),
    **irrelevant(
        "the tokenizer says which token stands for an image", "image_token_index", "image_token_id"
    ),
    **irrelevant("the stored vision tower is always taken", "unfreeze_mm_vision_tower"),
}

_DIFFUSION = {
    **honored(
        "names the configurations of the DiT, the VAE and the schedule", "diffusion_name_or_path"
    ),
    **honored("K, how many hidden states are fused; must agree with the tensors", "vlm_num_layers"),
    **irrelevant("the authors' inference class sets it to false", "is_train"),
}

_REST = {
    **honored("our own mark: random weights, by which parity chooses its gates", "mobileo_export"),
    **irrelevant(
        "only training reads it",
        "attention_dropout",
        "initializer_range",
        "gradient_checkpointing",
        "freeze_backbone",
        "freeze_mm_mlp_adapter",
        "tune_mm_mlp_adapter",
        "pretrain_mm_mlp_adapter",
        "mm_projector_lr",
        "mm_vision_tower_lr",
        "use_mm_proj",
        "lora_checkpoint_path",
        "base_model_path",
        "tf_legacy_loss",
    ),
    **irrelevant(
        "how a library runs the model or what it returns, not what is computed",
        "use_cache",
        "output_hidden_states",
        "output_attentions",
        "return_dict",
        "use_return_dict",
        "torchscript",
        "chunk_size_feed_forward",
        "pretraining_tp",
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "experts_implementation",
        "_experts_implementation",
        "_experts_implementation_internal",
    ),
    **irrelevant("weights are read as they are stored", "torch_dtype", "dtype", "use_bfloat16"),
    **irrelevant(
        "who wrote the file, and from what",
        "transformers_version",
        "architectures",
        "auto_map",
        "name_or_path",
        "_name_or_path",
        "_commit_hash",
    ),
    **irrelevant(
        "for classifiers and encoders, which this is not",
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "finetuning_task",
        "task_specific_params",
        "is_decoder",
        "cross_attention_hidden_size",
        "tie_encoder_decoder",
        "sep_token_id",
    ),
    **irrelevant(
        "prompts are made from the recipe and the tokenizer's files, one at a time, unpadded",
        "bos_token_id",
        "pad_token_id",
        "prefix",
        "tokenizer_class",
        "tokenizer_model_max_length",
        "tokenizer_padding_side",
        "max_sequence_length",
    ),
    **irrelevant(
        "a part of scaled rotary embeddings, which are refused", "original_max_position_embeddings"
    ),
}

# Nested configurations stand first: what is said of them explains all that is missing.
CONFIG: dict[str, Field] = {
    **dict.fromkeys(NESTED, _NESTED),
    **CHOICE,  # older transformers keep the fields of generation_config.json here
    **_ARITHMETIC,
    **_DIMENSIONS,
    **_PICTURES,
    **_DIFFUSION,
    **_REST,
}
