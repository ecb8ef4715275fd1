// Written by ios_app/Tests/Python/tables.py; do not edit.

/// mobileo_export/parity/golden/index.schema.json, without its descriptions.
let indexSchema = #"""
  {"type":"object", "required":["format", "format_version", "generator", "tools", "gates", \#
  "parts", "runs", "entries"], "additionalProperties":false, \#
  "properties":{"format":{"const":"mobileo-golden"}, "format_version":{"const":1}, \#
  "generator":{"type":"object", "required":["name", "version"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "version":{"type":"string"}}}, "tools":{"type":"object", \#
  "additionalProperties":{"type":"string"}}, "gates":{"type":"object", \#
  "additionalProperties":{"$ref":"#/$defs/gate"}}, "parts":{"$ref":"#/$defs/parts"}, \#
  "runs":{"type":"array", "minItems":1, "items":{"$ref":"#/$defs/run"}}, \#
  "entries":{"type":"array", "items":{"anyOf":[{"$ref":"#/$defs/raw"}, {"$ref":"#/$defs/sampled"}, \#
  {"$ref":"#/$defs/scaled_uint8"}, {"$ref":"#/$defs/constant"}]}}}, \#
  "$defs":{"raw":{"type":"object", "required":["name", "dtype", "shape", "storage", "file", \#
  "offset", "size"], "additionalProperties":false, "properties":{"name":{"type":"string"}, \#
  "dtype":{"$ref":"#/$defs/dtype"}, "shape":{"$ref":"#/$defs/shape"}, "storage":{"const":"raw"}, \#
  "file":{"$ref":"#/$defs/file"}, "offset":{"$ref":"#/$defs/count"}, \#
  "size":{"$ref":"#/$defs/count"}}}, "sampled":{"type":"object", "required":["name", "dtype", \#
  "shape", "storage", "sample", "file", "offset", "size"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "dtype":{"enum":["float32", "int32"]}, \#
  "shape":{"$ref":"#/$defs/shape"}, "storage":{"const":"sampled"}, "sample":{"type":"object", \#
  "required":["axis", "start", "stride"], "additionalProperties":false, \#
  "properties":{"axis":{"$ref":"#/$defs/count"}, "start":{"$ref":"#/$defs/count"}, \#
  "stride":{"$ref":"#/$defs/positive"}}}, "file":{"$ref":"#/$defs/file"}, \#
  "offset":{"$ref":"#/$defs/count"}, "size":{"$ref":"#/$defs/count"}}}, \#
  "scaled_uint8":{"type":"object", "required":["name", "dtype", "shape", "storage", "scale", \#
  "file", "offset", "size"], "additionalProperties":false, "properties":{"name":{"type":"string"}, \#
  "dtype":{"const":"float32"}, "shape":{"$ref":"#/$defs/shape"}, \#
  "storage":{"const":"scaled_uint8"}, "scale":{"type":"number", "exclusiveMinimum":0}, \#
  "file":{"$ref":"#/$defs/file"}, "offset":{"$ref":"#/$defs/count"}, \#
  "size":{"$ref":"#/$defs/count"}}}, "constant":{"type":"object", "required":["name", "dtype", \#
  "shape", "storage", "value"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "dtype":{"const":"float32"}, \#
  "shape":{"$ref":"#/$defs/shape"}, "storage":{"const":"constant"}, "value":{"type":"number"}}}, \#
  "gate":{"type":"object", "required":["layout", "host", "device"], "additionalProperties":false, \#
  "properties":{"layout":{"enum":["sequence", "image", "logits", null]}, \#
  "host":{"$ref":"#/$defs/bound"}, "device":{"$ref":"#/$defs/bound"}}}, "bound":{"type":"object", \#
  "required":["relative_l2", "worst_slice", "slice_floor", "psnr", "max_absolute", "provisional"], \#
  "additionalProperties":false, "properties":{"relative_l2":{"type":["number", "null"], \#
  "minimum":0}, "worst_slice":{"type":["number", "null"], "minimum":0}, \#
  "slice_floor":{"type":"number", "minimum":0}, "psnr":{"type":["number", "null"]}, \#
  "max_absolute":{"type":["number", "null"], "minimum":0}, "provisional":{"type":"boolean"}}}, \#
  "run":{"type":"object", "required":["name", "pipeline", "texts", "limit", "cut", "drawing", \#
  "sampling", "answer", "calls"], "additionalProperties":false, \#
  "properties":{"name":{"type":"string"}, "pipeline":{"enum":["generate", "edit", "ask", "chat"]}, \#
  "texts":{"type":"array", "minItems":1, "items":{"type":"string"}}, \#
  "limit":{"$ref":"#/$defs/positive"}, "cut":{"$ref":"#/$defs/count"}, \#
  "drawing":{"anyOf":[{"type":"null"}, {"type":"object", "required":["steps", "guidance", "seed"], \#
  "additionalProperties":false, "properties":{"steps":{"$ref":"#/$defs/positive"}, \#
  "guidance":{"type":"number", "minimum":1}, "seed":{"$ref":"#/$defs/count"}}}]}, \#
  "sampling":{"anyOf":[{"type":"null"}, {"type":"object", "required":["temperature", "top_p", \#
  "max_new_tokens", "seed"], "additionalProperties":false, \#
  "properties":{"temperature":{"type":"number", "minimum":0}, "top_p":{"type":"number", \#
  "exclusiveMinimum":0}, "max_new_tokens":{"$ref":"#/$defs/positive"}, \#
  "seed":{"$ref":"#/$defs/count"}}}]}, "answer":{"anyOf":[{"type":"null"}, {"type":"object", \#
  "required":["text", "token_ids", "ended"], "additionalProperties":false, \#
  "properties":{"text":{"type":"string"}, "token_ids":{"$ref":"#/$defs/ids"}, \#
  "ended":{"enum":["stop", "length"]}}}]}, "calls":{"type":"array", "minItems":1, \#
  "items":{"$ref":"#/$defs/call"}}}}, "call":{"type":"object", "required":["stage", "step", \#
  "branch", "inputs", "values", "outputs"], "additionalProperties":false, \#
  "properties":{"stage":{"enum":["tokens", "preprocess", "vision_encoder", "projector", "llm", \#
  "llm_step", "mcp", "noise", "dit", "guidance", "solver", "unscale", "vae_decoder", "pixels", \#
  "sample"]}, "step":{"type":["integer", "null"], "minimum":0}, "branch":{"enum":["conditional", \#
  "unconditional", null]}, "inputs":{"type":"object", \#
  "additionalProperties":{"$ref":"#/$defs/count"}}, "values":{"type":"object", \#
  "additionalProperties":{"type":["number", "null"]}}, "outputs":{"type":"object", \#
  "additionalProperties":{"type":"object", "required":["entry", "gate"], \#
  "additionalProperties":false, "properties":{"entry":{"$ref":"#/$defs/count"}, \#
  "gate":{"type":"string"}}}}}}, "parts":{"type":"object", "required":["tokenizer", "prompts", \#
  "schedules", "solvers", "noise", "uniform", "sampling"], "additionalProperties":false, \#
  "properties":{"tokenizer":{"type":"array", "minItems":1, "items":{"type":"object", \#
  "required":["text", "ids", "decoded"], "additionalProperties":false, \#
  "properties":{"text":{"type":"string"}, "ids":{"$ref":"#/$defs/ids"}, \#
  "decoded":{"type":"string"}}}}, "prompts":{"type":"array", "minItems":1, \#
  "items":{"type":"object", "required":["task", "texts", "limit", "image_tokens", "ids", "cut"], \#
  "additionalProperties":false, "properties":{"task":{"enum":["generate", "edit", "ask", "chat"]}, \#
  "texts":{"type":"array", "minItems":1, "items":{"type":"string"}}, \#
  "limit":{"$ref":"#/$defs/positive"}, "image_tokens":{"$ref":"#/$defs/positive"}, \#
  "ids":{"$ref":"#/$defs/ids"}, "cut":{"$ref":"#/$defs/count"}}}}, "schedules":{"type":"array", \#
  "minItems":1, "items":{"type":"object", "required":["steps", "sigmas", "timesteps"], \#
  "additionalProperties":false, "properties":{"steps":{"$ref":"#/$defs/positive"}, \#
  "sigmas":{"$ref":"#/$defs/numbers"}, "timesteps":{"$ref":"#/$defs/ids"}}}}, \#
  "solvers":{"type":"array", "minItems":1, "items":{"type":"object", "required":["steps", \#
  "latent", "velocities", "latents"], "additionalProperties":false, \#
  "properties":{"steps":{"$ref":"#/$defs/positive"}, "latent":{"$ref":"#/$defs/numbers"}, \#
  "velocities":{"type":"array", "items":{"$ref":"#/$defs/numbers"}}, "latents":{"type":"array", \#
  "items":{"$ref":"#/$defs/numbers"}}}}}, "noise":{"type":"array", "minItems":1, \#
  "items":{"type":"object", "required":["seed", "shape", "first", "sha256"], \#
  "additionalProperties":false, "properties":{"seed":{"$ref":"#/$defs/seed"}, \#
  "shape":{"$ref":"#/$defs/shape"}, "first":{"$ref":"#/$defs/numbers"}, "sha256":{"type":"string", \#
  "pattern":"^[0-9a-f]{64}$"}}}}, "uniform":{"type":"array", "minItems":1, \#
  "items":{"type":"object", "required":["seed", "first"], "additionalProperties":false, \#
  "properties":{"seed":{"$ref":"#/$defs/seed"}, "first":{"$ref":"#/$defs/numbers"}}}}, \#
  "sampling":{"type":"array", "minItems":1, "items":{"type":"object", "required":["logits", \#
  "temperature", "top_p", "uniform", "token_id"], "additionalProperties":false, \#
  "properties":{"logits":{"$ref":"#/$defs/numbers"}, "temperature":{"type":"number", "minimum":0}, \#
  "top_p":{"type":"number", "exclusiveMinimum":0}, "uniform":{"type":"number", "minimum":0}, \#
  "token_id":{"$ref":"#/$defs/count"}}}}}}, "seed":{"type":"string", "pattern":"^[0-9]{1,20}$"}, \#
  "dtype":{"enum":["float32", "int32", "uint8"]}, "shape":{"type":"array", "maxItems":8, \#
  "items":{"$ref":"#/$defs/positive"}}, "file":{"type":"string", "pattern":"^[a-z0-9_]+\\.bin$"}, \#
  "ids":{"type":"array", "items":{"$ref":"#/$defs/count"}}, "numbers":{"type":"array", \#
  "items":{"type":"number"}}, "count":{"type":"integer", "minimum":0}, \#
  "positive":{"type":"integer", "minimum":1}}}
  """#
