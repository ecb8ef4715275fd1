"""The three diffusers configurations: ``SanaTransformer2DModel``, ``AutoencoderDC``, the scheduler.

A field may be absent where diffusers' default is what is built.
"""

from __future__ import annotations

from mobileo_export.checkpoint.fields.table import Field, honored, irrelevant, only

_QUANTIZED = only(
    "the stored tensors would be codes, not weights",
    None,
    cure="export the checkpoint from before it was quantized",
)
_WRITER = {
    **irrelevant(
        "who wrote the file, and from what",
        "_diffusers_version",
        "_name_or_path",
        "_commit_hash",
        "_pre_quantization_dtype",
    ),
    "_use_default_values": only(
        "diffusers would replace the fields it names by its own defaults", [], None
    ),
}

TRANSFORMER: dict[str, Field] = {
    "_class_name": only("the DiT would be another network", "SanaTransformer2DModel", None),
    **honored(
        "a dimension of the DiT; must agree with the tensors",
        "in_channels",
        "out_channels",
        "num_layers",
        "num_attention_heads",
        "attention_head_dim",
        "num_cross_attention_heads",
        "cross_attention_head_dim",
        "cross_attention_dim",
        "caption_channels",
        "mlp_ratio",
        "patch_size",
    ),
    **honored("the side of the latent image, and so the picture's size", "sample_size"),
    **honored("the epsilon of the DiT's norms", "norm_eps"),
    "attention_bias": only("self-attention would have biases, which are not stored", False),
    "guidance_embeds": only("the DiT would read the guidance scale", False),
    "interpolation_scale": only("positions would be added to the patches", None),
    "norm_elementwise_affine": only("the DiT's norms would have weights", False),
    "qk_norm": only("queries and keys would be normalised", None),
    "timestep_scale": only(
        "diffusers' own pipeline would multiply the timestep by it, which Mobile-O's does not", 1.0
    ),
    "quantization_config": _QUANTIZED,
    **irrelevant("only training reads it", "dropout"),
    **irrelevant("without guidance_embeds nothing reads it", "guidance_embeds_scale"),
    **_WRITER,
}

VAE: dict[str, Field] = {
    "_class_name": only("the decoder would be another network", "AutoencoderDC", None),
    **honored(
        "a dimension of the decoder; must agree with the tensors",
        "latent_channels",
        "attention_head_dim",
        "decoder_block_types",
        "decoder_block_out_channels",
        "decoder_layers_per_block",
        "decoder_qkv_multiscales",
    ),
    **honored(
        "a dimension of the encoder, which only the manifest states: nothing on a device needs it",
        "encoder_block_types",
        "encoder_block_out_channels",
        "encoder_layers_per_block",
        "encoder_qkv_multiscales",
    ),
    **honored("what latents are divided by before they are decoded", "scaling_factor"),
    "in_channels": only("pictures would not have three channels", 3),
    "shift_factor": only("latents would be shifted before they are decoded", None, 0.0),
    "upsample_block_type": only("the decoder would enlarge in another way", "interpolate"),
    "downsample_block_type": only("the encoder would shrink in another way", "Conv"),
    "decoder_norm_types": only(
        "the decoder would normalise in another way", "rms_norm", per_block=True
    ),
    "decoder_act_fns": only("the decoder would use another activation", "silu", per_block=True),
    "decoder_in_shortcut": only("the decoder would lack the shortcut at its beginning", True),
    "decoder_conv_act_fn": only("the decoder would end in another activation", "relu"),
    "encoder_out_shortcut": only("the encoder would lack the shortcut at its end", True),
    "quantization_config": _QUANTIZED,
    **_WRITER,
}

_FLOW = "the noise levels are flow sigmas, which do not depend on it"
_ORDER = (
    "with solver_order 2 and a final sigma of zero the last step is of first order and all "
    "before it are as without"
)
SCHEDULER: dict[str, Field] = {
    "_class_name": only(
        "the authors' code would read this file as another solver's than the one it names",
        "DPMSolverMultistepScheduler",
        None,
    ),
    **honored("how far the noise levels are shifted", "flow_shift"),
    **honored(
        "the timesteps of training, by which levels and timesteps are scaled", "num_train_timesteps"
    ),
    "algorithm_type": only("the solver would take other steps", "dpmsolver++"),
    "prediction_type": only("the DiT's output would mean something else", "flow_prediction"),
    "use_flow_sigmas": only("the noise levels would be others", True),
    "solver_order": only("the solver would take other steps", 2),
    "solver_type": only("the solver would take other steps", "midpoint"),
    "final_sigmas_type": only("the last step would leave noise", "zero"),
    "thresholding": only("estimates of the picture would be clipped", False),
    "use_karras_sigmas": only("the noise levels would be others", False, None),
    "use_exponential_sigmas": only("the noise levels would be others", False, None),
    "use_beta_sigmas": only("the noise levels would be others", False, None),
    "use_lu_lambdas": only("the noise levels would be others", False, None),
    "use_dynamic_shifting": only("the shift would follow the picture's size", False),
    **irrelevant(_ORDER, "lower_order_final", "euler_at_final"),
    **irrelevant(
        _FLOW,
        "beta_start",
        "beta_end",
        "beta_schedule",
        "trained_betas",
        "rescale_betas_zero_snr",
        "lambda_min_clipped",
        "timestep_spacing",
        "steps_offset",
    ),
    **irrelevant(
        "without thresholding nothing reads it", "dynamic_thresholding_ratio", "sample_max_value"
    ),
    **irrelevant("the DiT predicts no variance", "variance_type"),
    **irrelevant("without use_dynamic_shifting nothing reads it", "time_shift_type"),
    **_WRITER,
}
