// Written by ios_app/Tests/Python/tables.py; do not edit.

/// mobileo_export/bundle/manifest.schema.json, without its descriptions.
let manifestSchema = #"""
  {"type":"object", "required":["format", "schema_version", "generator", "source", "license", \#
  "model", "recipe", "tools", "components", "files"], "additionalProperties":false, \#
  "properties":{"format":{"const":"mobileo-bundle"}, "schema_version":{"const":2}, \#
  "generator":{"type":"object", "required":["name", "version"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "version":{"type":"string"}}}, \#
  "source":{"type":"object", "required":["name", "revision", "weights", "nested_copies"], \#
  "additionalProperties":false, "properties":{"name":{"type":["string", "null"]}, \#
  "revision":{"type":["string", "null"]}, "weights":{"enum":["released", "post-trained"]}, \#
  "nested_copies":{"anyOf":[{"type":"null"}, {"$ref":"#/$defs/nested_copies"}]}}}, \#
  "license":{"type":"object", "required":["weights", "weights_source", "toolkit"], \#
  "additionalProperties":false, "properties":{"weights":{"type":"string"}, \#
  "weights_source":{"type":"string"}, "toolkit":{"type":"string"}}}, "model":{"type":"object", \#
  "required":["llm", "vision", "mcp", "diffusion", "warnings"], "additionalProperties":false, \#
  "properties":{"llm":{"type":"object", "required":["hidden_size", "intermediate_size", \#
  "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size", \#
  "tie_word_embeddings", "rms_norm_eps", "rope_theta", "max_position_embeddings"], \#
  "additionalProperties":false, "properties":{"hidden_size":{"$ref":"#/$defs/positive"}, \#
  "intermediate_size":{"$ref":"#/$defs/positive"}, \#
  "num_hidden_layers":{"$ref":"#/$defs/positive"}, \#
  "num_attention_heads":{"$ref":"#/$defs/positive"}, \#
  "num_key_value_heads":{"$ref":"#/$defs/positive"}, "vocab_size":{"$ref":"#/$defs/positive"}, \#
  "tie_word_embeddings":{"type":"boolean"}, "rms_norm_eps":{"type":"number"}, \#
  "rope_theta":{"type":"number"}, "max_position_embeddings":{"$ref":"#/$defs/positive"}}}, \#
  "vision":{"type":"object", "required":["image_size", "stages", "feature_dim", "squeeze_dim", \#
  "mlp_ratio", "clip_dim"], "additionalProperties":false, \#
  "properties":{"image_size":{"$ref":"#/$defs/positive"}, "stages":{"type":"array", \#
  "items":{"type":"object", "required":["dim", "num_blocks", "attention", "downsample", \#
  "position_encoding"], "additionalProperties":false, \#
  "properties":{"dim":{"$ref":"#/$defs/positive"}, "num_blocks":{"$ref":"#/$defs/positive"}, \#
  "attention":{"type":"boolean"}, "downsample":{"type":"boolean"}, \#
  "position_encoding":{"type":"boolean"}}}}, "feature_dim":{"$ref":"#/$defs/positive"}, \#
  "squeeze_dim":{"$ref":"#/$defs/positive"}, "mlp_ratio":{"$ref":"#/$defs/positive"}, \#
  "clip_dim":{"type":["integer", "null"]}}}, "mcp":{"type":"object", "required":["num_layers", \#
  "input_dim", "hidden_dim", "output_dim", "num_refinement_blocks", "channel_attention_dim"], \#
  "additionalProperties":false, "properties":{"num_layers":{"$ref":"#/$defs/positive"}, \#
  "input_dim":{"$ref":"#/$defs/positive"}, "hidden_dim":{"$ref":"#/$defs/positive"}, \#
  "output_dim":{"$ref":"#/$defs/positive"}, "num_refinement_blocks":{"$ref":"#/$defs/count"}, \#
  "channel_attention_dim":{"$ref":"#/$defs/positive"}}}, "diffusion":{"type":"object", \#
  "required":["name", "dit", "vae", "scheduler"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "dit":{"type":"object", "required":["sample_size", \#
  "num_layers", "num_attention_heads", "attention_head_dim", "num_cross_attention_heads", \#
  "cross_attention_head_dim", "cross_attention_dim", "caption_channels", "in_channels", \#
  "out_channels", "mlp_ratio", "patch_size", "norm_eps", "timestep_scale"], \#
  "additionalProperties":false, "properties":{"sample_size":{"$ref":"#/$defs/positive"}, \#
  "num_layers":{"$ref":"#/$defs/positive"}, "num_attention_heads":{"$ref":"#/$defs/positive"}, \#
  "attention_head_dim":{"$ref":"#/$defs/positive"}, \#
  "num_cross_attention_heads":{"$ref":"#/$defs/positive"}, \#
  "cross_attention_head_dim":{"$ref":"#/$defs/positive"}, \#
  "cross_attention_dim":{"$ref":"#/$defs/positive"}, \#
  "caption_channels":{"$ref":"#/$defs/positive"}, "in_channels":{"$ref":"#/$defs/positive"}, \#
  "out_channels":{"$ref":"#/$defs/positive"}, "mlp_ratio":{"type":"number"}, \#
  "patch_size":{"$ref":"#/$defs/positive"}, "norm_eps":{"type":"number"}, \#
  "timestep_scale":{"type":"number"}}}, "vae":{"type":"object", "required":["latent_channels", \#
  "attention_head_dim", "in_channels", "scaling_factor", "upsample_block_type", \#
  "downsample_block_type", "encoder_block_types", "encoder_block_out_channels", \#
  "encoder_layers_per_block", "encoder_qkv_multiscales", "decoder_block_types", \#
  "decoder_block_out_channels", "decoder_layers_per_block", "decoder_qkv_multiscales"], \#
  "additionalProperties":false, "properties":{"latent_channels":{"$ref":"#/$defs/positive"}, \#
  "attention_head_dim":{"$ref":"#/$defs/positive"}, "in_channels":{"$ref":"#/$defs/positive"}, \#
  "scaling_factor":{"type":"number"}, "upsample_block_type":{"type":"string"}, \#
  "downsample_block_type":{"type":"string"}, "encoder_block_types":{"type":"array", \#
  "items":{"type":"string"}}, "encoder_block_out_channels":{"type":"array", \#
  "items":{"$ref":"#/$defs/positive"}}, "encoder_layers_per_block":{"type":"array", \#
  "items":{"$ref":"#/$defs/count"}}, "encoder_qkv_multiscales":{"type":"array", \#
  "items":{"type":"array", "items":{"$ref":"#/$defs/positive"}}}, \#
  "decoder_block_types":{"type":"array", "items":{"type":"string"}}, \#
  "decoder_block_out_channels":{"type":"array", "items":{"$ref":"#/$defs/positive"}}, \#
  "decoder_layers_per_block":{"type":"array", "items":{"$ref":"#/$defs/count"}}, \#
  "decoder_qkv_multiscales":{"type":"array", "items":{"type":"array", \#
  "items":{"$ref":"#/$defs/positive"}}}}}, "scheduler":{"type":"object", "required":["flow_shift", \#
  "num_train_timesteps"], "additionalProperties":false, \#
  "properties":{"flow_shift":{"type":"number"}, \#
  "num_train_timesteps":{"$ref":"#/$defs/positive"}}}}}, "warnings":{"type":"array", \#
  "items":{"type":"string"}}}}, "recipe":{"type":"object", "required":["prompts", "sampling", \#
  "latent", "image", "preprocessing", "text", "hidden_states"], "additionalProperties":false, \#
  "properties":{"prompts":{"type":"object", "required":["system", "template", "next_turn", \#
  "generate_prefix", "edit_prefix", "image_prefix"], "additionalProperties":false, \#
  "properties":{"system":{"type":"string"}, "template":{"type":"string"}, \#
  "next_turn":{"type":"string"}, "generate_prefix":{"type":"string"}, \#
  "edit_prefix":{"type":"string"}, "image_prefix":{"type":"string"}}}, \#
  "sampling":{"type":"object", "required":["algorithm", "solver_order", "prediction_type", \#
  "flow_shift", "num_train_timesteps", "steps", "guidance_scale", "timestep_rounding", \#
  "unconditional"], "additionalProperties":false, \#
  "properties":{"algorithm":{"const":"dpmsolver++"}, "solver_order":{"const":2}, \#
  "prediction_type":{"const":"flow_prediction"}, "flow_shift":{"type":"number"}, \#
  "num_train_timesteps":{"$ref":"#/$defs/positive"}, "steps":{"$ref":"#/$defs/positive"}, \#
  "guidance_scale":{"type":"number"}, "timestep_rounding":{"const":"truncate"}, \#
  "unconditional":{"const":"zero_hidden_states"}}}, "latent":{"type":"object", \#
  "required":["shape", "scaling_factor", "noise"], "additionalProperties":false, \#
  "properties":{"shape":{"type":"array", "items":{"$ref":"#/$defs/positive"}, "minItems":4, \#
  "maxItems":4}, "scaling_factor":{"type":"number"}, "noise":{"type":"string"}}}, \#
  "image":{"type":"object", "required":["size", "rounding"], "additionalProperties":false, \#
  "properties":{"size":{"$ref":"#/$defs/positive"}, "rounding":{"const":"nearest"}}}, \#
  "preprocessing":{"type":"object", "required":["image_size", "num_tokens", "fit", "pad_color", \#
  "resample", "color_space", "rescale", "mean", "std"], "additionalProperties":false, \#
  "properties":{"image_size":{"$ref":"#/$defs/positive"}, \#
  "num_tokens":{"$ref":"#/$defs/positive"}, "fit":{"const":"pad"}, "pad_color":{"type":"array", \#
  "items":{"type":"integer", "minimum":0}, "minItems":3, "maxItems":3}, \#
  "resample":{"const":"bicubic"}, "color_space":{"const":"sRGB"}, "rescale":{"type":"number"}, \#
  "mean":{"type":"array", "items":{"type":"number"}, "minItems":3, "maxItems":3}, \#
  "std":{"type":"array", "items":{"type":"number"}, "minItems":3, "maxItems":3}}}, \#
  "text":{"type":"object", "required":["image_token_id", "stop_token_ids", "max_new_tokens", \#
  "temperature", "top_p"], "additionalProperties":false, \#
  "properties":{"image_token_id":{"$ref":"#/$defs/count"}, "stop_token_ids":{"type":"array", \#
  "items":{"$ref":"#/$defs/count"}, "minItems":1}, "max_new_tokens":{"$ref":"#/$defs/positive"}, \#
  "temperature":{"type":"number", "minimum":0}, "top_p":{"type":"number", "exclusiveMinimum":0}}}, \#
  "hidden_states":{"$ref":"#/$defs/positive"}}}, "tools":{"type":"object", \#
  "additionalProperties":{"type":"string"}}, "components":{"type":"object", "minProperties":1, \#
  "additionalProperties":false, "properties":{"vision_encoder":{"$ref":"#/$defs/component"}, \#
  "mcp":{"$ref":"#/$defs/component"}, "dit":{"$ref":"#/$defs/component"}, \#
  "vae_decoder":{"$ref":"#/$defs/component"}, "llm":{"$ref":"#/$defs/component"}}}, \#
  "golden":{"type":"object", "required":["index", "format_version"], "additionalProperties":false, \#
  "properties":{"index":{"const":"golden/index.json"}, \#
  "format_version":{"$ref":"#/$defs/positive"}}}, "parity":{"type":"object", "required":["path", \#
  "format_version"], "additionalProperties":false, "properties":{"path":{"const":"parity.json"}, \#
  "format_version":{"$ref":"#/$defs/positive"}}}, "files":{"type":"array", \#
  "items":{"$ref":"#/$defs/file"}, "minItems":1}}, "$defs":{"component":{"type":"object", \#
  "required":["title", "parameters", "tensors_sha256", "inputs", "outputs", "artifacts"], \#
  "additionalProperties":false, "properties":{"title":{"type":"string"}, \#
  "parameters":{"$ref":"#/$defs/count"}, "tensors_sha256":{"$ref":"#/$defs/sha256"}, \#
  "inputs":{"type":"array", "items":{"$ref":"#/$defs/tensor"}, "minItems":1}, \#
  "outputs":{"type":"array", "items":{"$ref":"#/$defs/tensor"}, "minItems":1}, \#
  "artifacts":{"type":"array", "items":{"$ref":"#/$defs/artifact"}, "minItems":1}, \#
  "preview":{"$ref":"#/$defs/preview"}}}, "preview":{"type":"object", "required":["matrix", \#
  "offset", "explained"], "additionalProperties":false, "properties":{"matrix":{"type":"array", \#
  "items":{"type":"array", "items":{"type":"number"}, "minItems":1}, "minItems":3, "maxItems":3}, \#
  "offset":{"type":"array", "items":{"type":"number"}, "minItems":3, "maxItems":3}, \#
  "explained":{"type":"number", "minimum":0}}}, "artifact":{"type":"object", "required":["target", \#
  "kind", "path", "function", "weight_precision", "compute_precision", "shapes", "compute_units", \#
  "operation_map", "options", "operations"], "additionalProperties":false, \#
  "properties":{"target":{"enum":["ios", "mlx", "jetson", "coreai"]}, "kind":{"enum":["mlpackage", \#
  "mlx", "onnx", "aimodel"]}, "path":{"$ref":"#/$defs/path"}, "function":{"type":["string", \#
  "null"]}, "weight_precision":{"enum":["float32", "float16", "8-bit", "6-bit", "5-bit", \#
  "4-bit"]}, "compute_precision":{"enum":["float32", "float16"]}, "shapes":{"enum":["fixed", \#
  "range", "enumerated"]}, "compute_units":{"enum":["all", "cpu_and_gpu", "gpu"]}, \#
  "fallback_compute_units":{"type":"array", "items":{"enum":["cpu_and_gpu", \#
  "cpu_and_neural_engine", "cpu_only"]}, "minItems":1}, \#
  "operation_map":{"anyOf":[{"$ref":"#/$defs/path"}, {"type":"null"}]}, \#
  "compression_map":{"$ref":"#/$defs/path"}, "options":{"type":"object", \#
  "additionalProperties":false, "properties":{"compression":{"enum":["none", "exact", "plan"]}, \#
  "rules":{"type":"array", "items":{"$ref":"#/$defs/compression_rule"}, "minItems":1}, \#
  "average_bits":{"type":"number", "exclusiveMinimum":0}, \#
  "float32_elements":{"$ref":"#/$defs/count"}, "forms":{"type":"object", \#
  "additionalProperties":{"$ref":"#/$defs/stored_form"}}, "relative_error":{"type":"number", \#
  "minimum":0}, "largest_error":{"type":"number", "minimum":0}, \#
  "misfits":{"$ref":"#/$defs/count"}, "bits":{"enum":[4, 5, 6, 8, 16]}, "group_size":{"enum":[32, \#
  64, 128]}, "exceptions":{"type":"object", "additionalProperties":{"enum":[4, 5, 6, 8, 16]}}, \#
  "bits_per_weight":{"type":"number", "exclusiveMinimum":0}, "opset":{"$ref":"#/$defs/positive"}, \#
  "ir_version":{"$ref":"#/$defs/positive"}, \#
  "layers_per_engine":{"anyOf":[{"$ref":"#/$defs/positive"}, {"type":"null"}]}, \#
  "context":{"$ref":"#/$defs/positive"}, "minimum_os":{"type":"string"}, \#
  "largest_allocation":{"$ref":"#/$defs/positive"}}}, "operations":{"type":"object", \#
  "additionalProperties":{"$ref":"#/$defs/positive"}}, "graphs":{"type":"array", \#
  "items":{"$ref":"#/$defs/graph"}}, "key":{"anyOf":[{"$ref":"#/$defs/sha256"}, \#
  {"type":"null"}]}}}, "compression_rule":{"type":"object", "required":["matrices", "scheme"], \#
  "additionalProperties":false, "properties":{"matrices":{"type":"string"}, \#
  "scheme":{"type":"string"}}}, "stored_form":{"type":"object", "required":["elements", "bytes"], \#
  "additionalProperties":false, "properties":{"elements":{"$ref":"#/$defs/count"}, \#
  "bytes":{"$ref":"#/$defs/count"}}}, "graph":{"type":"object", "required":["name", "path", \#
  "inputs", "outputs", "profiles", "operations", "precision"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "path":{"$ref":"#/$defs/path"}, \#
  "inputs":{"type":"array", "items":{"$ref":"#/$defs/tensor"}, "minItems":1}, \#
  "outputs":{"type":"array", "items":{"$ref":"#/$defs/tensor"}, "minItems":1}, \#
  "profiles":{"type":"object", "minProperties":1, "additionalProperties":{"type":"object", \#
  "additionalProperties":{"type":"array", "items":{"$ref":"#/$defs/positive"}, "minItems":3, \#
  "maxItems":3}}}, "operations":{"type":"object", \#
  "additionalProperties":{"$ref":"#/$defs/positive"}}, "precision":{"type":"array", \#
  "items":{"$ref":"#/$defs/precision_rule"}}}}, "precision_rule":{"type":"object", \#
  "required":["nodes", "reason", "count", "largest"], "additionalProperties":false, \#
  "properties":{"nodes":{"type":"string"}, "reason":{"type":"string"}, \#
  "count":{"$ref":"#/$defs/count"}, "largest":{"type":["number", "null"]}}}, \#
  "tensor":{"type":"object", "required":["name", "dtype", "shape", "optional", "description"], \#
  "additionalProperties":false, "properties":{"name":{"type":"string"}, \#
  "dtype":{"enum":["float32", "float16", "int32"]}, "shape":{"type":"array", \#
  "items":{"anyOf":[{"$ref":"#/$defs/positive"}, {"$ref":"#/$defs/dimension"}]}}, \#
  "optional":{"type":"boolean"}, "description":{"type":"string"}}}, "dimension":{"type":"object", \#
  "required":["name", "min", "max", "default"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "min":{"$ref":"#/$defs/positive"}, \#
  "max":{"$ref":"#/$defs/positive"}, "default":{"$ref":"#/$defs/positive"}}}, \#
  "nested_copies":{"type":"object", "required":["count", "identical", "differing", \#
  "largest_difference", "largest_name", "orphans"], "additionalProperties":false, \#
  "properties":{"count":{"$ref":"#/$defs/positive"}, "identical":{"$ref":"#/$defs/count"}, \#
  "differing":{"$ref":"#/$defs/count"}, "largest_difference":{"type":["number", "null"], \#
  "minimum":0}, "largest_name":{"type":"string"}, "orphans":{"type":"array", \#
  "items":{"type":"string"}}}}, "file":{"type":"object", "required":["path", "size", "sha256"], \#
  "additionalProperties":false, "properties":{"path":{"$ref":"#/$defs/path"}, \#
  "size":{"$ref":"#/$defs/count"}, "sha256":{"$ref":"#/$defs/sha256"}}}, "path":{"type":"string", \#
  "pattern":"^(?!/)(?!.*(^|/)\\.\\.(/|$))[^\\\\\\u0000-\\u001f]+$"}, "sha256":{"type":"string", \#
  "pattern":"^[0-9a-f]{64}$"}, "count":{"type":"integer", "minimum":0}, \#
  "positive":{"type":"integer", "minimum":1}}}
  """#
