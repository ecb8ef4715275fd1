"""``generation_config.json`` and ``preprocessor_config.json``: the recipe stands in their place."""

from __future__ import annotations

from mobileo_export.checkpoint.fields.table import Field, honored, irrelevant, overruled

_SAMPLING = (
    "the recipe takes the most probable token, as the published scores were measured; "
    "--temperature and --top-p sample"
)
_SCORES = "the recipe takes the most probable token of the scores as they are"
_LENGTH = "an answer ends at an end token or after the recipe's number of tokens"

# How answers are chosen: also in config.json, where older transformers kept it.
CHOICE: dict[str, Field] = {
    **irrelevant(
        _SAMPLING,
        "do_sample",
        "temperature",
        "top_p",
        "top_k",
        "top_h",
        "min_p",
        "typical_p",
        "epsilon_cutoff",
        "eta_cutoff",
    ),
    **irrelevant("the order of the scores stays", "renormalize_logits", "remove_invalid_values"),
    **overruled(_SCORES, repetition_penalty=(1.0, None), no_repeat_ngram_size=(0, None)),
    **overruled(
        _SCORES,
        bad_words_ids=(None, []),
        force_words_ids=(None, []),
        suppress_tokens=(None, []),
        begin_suppress_tokens=(None, []),
        sequence_bias=(None, [], {}),
        constraints=(None, []),
        forced_bos_token_id=None,
        forced_eos_token_id=None,
        exponential_decay_length_penalty=None,
        guidance_scale=(None, 1.0),
        penalty_alpha=(None, 0.0),
        dola_layers=None,
        watermarking_config=None,
    ),
    **overruled("the recipe goes on with one answer, token by token", num_beams=(1, None)),
    **irrelevant(
        "for several answers or beams, of which the recipe has one",
        "num_beam_groups",
        "diversity_penalty",
        "early_stopping",
        "length_penalty",
        "num_return_sequences",
        "low_memory",
    ),
    **overruled(_LENGTH, min_length=(0, None), min_new_tokens=(0, None), stop_strings=(None, [])),
    **irrelevant(_LENGTH + "; --max-new-tokens changes it", "max_length", "max_new_tokens"),
    **irrelevant(_LENGTH + ", however long it takes", "max_time"),
    **overruled("a prompt is read as it is written", token_healing=(False, None)),
    **irrelevant(
        "there is no encoder",
        "encoder_no_repeat_ngram_size",
        "encoder_repetition_penalty",
        "decoder_start_token_id",
    ),
    **irrelevant(
        "how the same tokens come faster or with less memory",
        "use_cache",
        "cache_config",
        "cache_implementation",
        "max_cache_len",
        "compile_config",
        "disable_compile",
        "prefill_chunk_size",
        "continuous_batching_config",
        "is_assistant",
        "assistant_confidence_threshold",
        "assistant_early_exit",
        "assistant_ensemble_weight",
        "assistant_lookbehind",
        "target_lookbehind",
        "num_assistant_tokens",
        "num_assistant_tokens_schedule",
        "prompt_lookup_num_tokens",
        "max_matching_ngram_size",
        "speculation_type",
        "use_mtp",
    ),
    **irrelevant(
        "what a call returns beside the tokens",
        "output_attentions",
        "output_hidden_states",
        "output_logits",
        "output_scores",
        "return_dict_in_generate",
    ),
}

GENERATION: dict[str, Field] = {
    **CHOICE,
    **honored("where an answer ends, beside the tokenizer's end tokens", "eos_token_id"),
    **irrelevant(
        "prompts are made from the recipe, one at a time, unpadded", "bos_token_id", "pad_token_id"
    ),
    **irrelevant(
        "who wrote the file, and from what",
        "transformers_version",
        "_commit_hash",
        "_from_model_config",
    ),
}

_TOWER = (
    "the vision tower brings its own preprocessing, which the authors' code takes whatever this "
    "file says"
)
PREPROCESSOR: dict[str, Field] = {
    **overruled(
        _TOWER,
        do_resize=(True, None),
        do_rescale=(True, None),
        do_convert_rgb=(True, None),
        resample=(3, None),
        rescale_factor=(1 / 255, None),
        image_mean=([0.0, 0.0, 0.0], None),
        image_std=([1.0, 1.0, 1.0], None),
    ),
    **irrelevant(
        "a photograph is padded to a square and resized to the number at the end of "
        "mm_vision_tower; nothing is left to crop",
        "size",
        "crop_size",
        "do_center_crop",
        "do_pad",
        "pad_size",
        "default_to_square",
    ),
    **irrelevant("a mean of 0 and a deviation of 1 change nothing", "do_normalize"),
    **irrelevant(
        "how a library runs the processor or what it returns, not what is computed",
        "image_processor_type",
        "feature_extractor_type",
        "processor_class",
        "auto_map",
        "return_tensors",
        "data_format",
        "input_data_format",
        "device",
        "disable_grouping",
        "image_seq_length",
        "_valid_processor_keys",
        "_processor_class",
    ),
}
