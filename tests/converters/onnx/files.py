"""The graphs of a whole jetson bundle."""

FILES = (
    "vision_encoder.onnx",
    "connector.onnx",
    "transformer.onnx",
    "vae_decoder.onnx",
    "llm/projector.onnx",
    "llm/llm.onnx",
)
