"""A small language model with a jetson bundle's signatures: attention over a cache, two parts.

Not a good model, but one whose every output depends on every position, mask, layer and head.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mobileo_export.artifacts.onnx.folder import DecoderGraph, OnnxLanguageModel
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.components import Dim, TensorSpec

from .fake_tensorrt import Profile
from .graphs import save

HEADS, WIDTH, LAYERS, CONTEXT, VOCAB, FEATURES = 2, 4, 3, 12, 17, 6
HIDDEN = HEADS * WIDTH
IMAGE_TOKEN = 16


def write(path: Path, *, last: bool, dtype: int = TensorProto.FLOAT, seed: int = 0) -> Path:
    """One part of the decoder; keys and values are of ``dtype``."""
    random = np.random.default_rng(seed)
    constants = {
        "layer_scale": random.uniform(0.5, 1.5, (LAYERS, 1, 1, 1, 1)).astype(np.float32),
        "tenth": np.array(0.1, np.float32),
        "two": np.array(2.0, np.float32),
        "axis0": np.array([0], np.int64),
        "heads": np.array([1, -1, HEADS, WIDTH], np.int64),
        "flat": np.array([1, -1, HIDDEN], np.int64),
        "column": np.array([1, 1, 1, -1, 1], np.int64),
        "end": np.array([-1], np.int64),
        "past_end": np.array([2**31], np.int64),
        "axis1": np.array([1], np.int64),
        "head": random.standard_normal((HIDDEN, VOCAB), dtype=np.float32),
    }

    def node(kind: str, inputs: str, output: str, **attributes: object) -> NodeProto:
        return helper.make_node(kind, inputs.split(), [output], **attributes)

    nodes = [
        node("Reshape", "hidden_states heads", "split"),
        node("Transpose", "split", "query_", perm=[0, 2, 1, 3]),
        node("Unsqueeze", "query_ axis0", "query"),
        node("Cast", "position_ids", "positions", to=TensorProto.FLOAT),
        node("Reshape", "positions column", "column_positions"),
        node("Mul", "column_positions tenth", "shift"),
        node("Mul", "query layer_scale", "scaled"),
        node("Add", "scaled shift", "keys_"),
        node("Mul", "keys_ two", "values_"),
        node("Cast", "keys_", "keys", to=dtype),
        node("Cast", "values_", "values", to=dtype),
        node("Cast", "past_keys", "old_keys", to=TensorProto.FLOAT),
        node("Cast", "past_values", "old_values", to=TensorProto.FLOAT),
        node("Transpose", "old_keys", "old_turned", perm=[0, 1, 2, 4, 3]),
        node("Transpose", "keys_", "turned", perm=[0, 1, 2, 4, 3]),
        node("MatMul", "query old_turned", "old_raw"),
        node("Add", "old_raw past_mask", "old_scores"),
        node("MatMul", "query turned", "raw"),
        node("Add", "raw attention_mask", "scores"),
        node("Concat", "old_scores scores", "all_scores", axis=-1),
        node("Softmax", "all_scores", "weights", axis=-1),
        node("Concat", "old_values values_", "all_values", axis=-2),
        node("MatMul", "weights all_values", "read"),
        node("ReduceMean", "read axis0", "mean", keepdims=0),
        node("Transpose", "mean", "joined", perm=[0, 2, 1, 3]),
        node("Reshape", "joined flat", "next"),
        node("Mul", "next two", "doubled"),
        node("Unsqueeze", "next axis1", "next_row"),
        node("Unsqueeze", "doubled axis1", "doubled_row"),
        node("Concat", "next_row doubled_row", "stacked_hidden_states", axis=1),
    ]
    outputs = {
        "keys": (dtype, [LAYERS, 1, HEADS, "T", WIDTH]),
        "values": (dtype, [LAYERS, 1, HEADS, "T", WIDTH]),
        "stacked_hidden_states": (TensorProto.FLOAT, [1, 2, "T", HIDDEN]),
    }
    if last:
        nodes += [
            node("Slice", "next end past_end axis1", "last_row"),
            node("Squeeze", "last_row axis1", "last"),
            node("MatMul", "last head", "logits"),
        ]
        outputs["logits"] = (TensorProto.FLOAT, [1, VOCAB])
    else:
        nodes.append(node("Identity", "next", "next_hidden_states"))
        outputs["next_hidden_states"] = (TensorProto.FLOAT, [1, "T", HIDDEN])
    inputs = {
        "hidden_states": (TensorProto.FLOAT, [1, "T", HIDDEN]),
        "position_ids": (TensorProto.INT32, [1, "T"]),
        "attention_mask": (TensorProto.FLOAT, [1, 1, "T", "T"]),
        "past_mask": (TensorProto.FLOAT, [1, 1, 1, "P"]),
        "past_keys": (dtype, [LAYERS, 1, HEADS, "P", WIDTH]),
        "past_values": (dtype, [LAYERS, 1, HEADS, "P", WIDTH]),
    }
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, *value) for name, value in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return save(graph, path)


def projector(path: Path) -> Path:
    """Features [1, 2, F] to embeddings [1, 2, d]."""
    weight = np.random.default_rng(9).standard_normal((FEATURES, HIDDEN), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["image_features", "w"], ["image_embeddings"])],
        "projector",
        [helper.make_tensor_value_info("image_features", TensorProto.FLOAT, [1, 2, FEATURES])],
        [helper.make_tensor_value_info("image_embeddings", TensorProto.FLOAT, [1, 2, HIDDEN])],
        [numpy_helper.from_array(weight, "w")],
    )
    return save(graph, path)


def profiles() -> tuple[Profile, Profile]:
    """As the manifest has them: prefill and decode."""

    def shapes(length: tuple[int, int, int], slots: int) -> Profile:
        def three(*shape: int) -> tuple[list[int], list[int], list[int]]:
            low, best, high = ([size if size else n for size in shape] for n in length)
            return low, best, high

        return {
            "hidden_states": three(1, 0, HIDDEN),
            "position_ids": three(1, 0),
            "attention_mask": three(1, 1, 0, 0),
            "past_mask": three(1, 1, 1, slots),
            "past_keys": three(LAYERS, 1, HEADS, slots, WIDTH),
            "past_values": three(LAYERS, 1, HEADS, slots, WIDTH),
        }

    return shapes((1, 5, CONTEXT), 1), shapes((1, 1, 1), CONTEXT)


def model(folder: Path, parts: int = 2, dtype: int = TensorProto.FLOAT) -> OnnxLanguageModel:
    """The graphs and the table in ``folder``, described as its manifest would."""
    folder.mkdir(parents=True, exist_ok=True)
    graphs = {"projector": projector(folder / "projector.onnx")}
    decoder = []
    for index in range(parts):
        name = f"llm_{index}"
        last = index == parts - 1
        graphs[name] = write(folder / f"{name}.onnx", last=last, dtype=dtype, seed=index)
        decoder.append(DecoderGraph(name, LAYERS, 2, last))
    rows = np.random.default_rng(5).standard_normal((VOCAB, HIDDEN), dtype=np.float32)
    table = folder / "embed_tokens.safetensors"
    from safetensors.numpy import save_file

    save_file({"embed_tokens.weight": rows}, table)
    ids = TensorSpec("input_ids", (1, Dim("T", 1, CONTEXT, 5)), "", "int32")
    features = TensorSpec("image_features", (1, 2, FEATURES), "", optional=True)
    return OnnxLanguageModel(
        folder,
        graphs,
        tuple(decoder),
        CONTEXT,
        HEADS,
        WIDTH,
        "float32" if dtype == TensorProto.FLOAT else "float16",
        IMAGE_TOKEN,
        safetensors_file.read_header(table)["embed_tokens.weight"],
        (ids, features),
        (
            TensorSpec("stacked_hidden_states", (1, 2 * parts, Dim("N", 1, 99, 5), HIDDEN), ""),
            TensorSpec("logits", (1, VOCAB), ""),
        ),
    )
