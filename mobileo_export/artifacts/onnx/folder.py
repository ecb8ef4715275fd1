"""The language model's folder of a jetson bundle, checked before anything is executed.

Its graphs are what the manifest says; the embedding table and the tokenizer are files of their own.
Needs NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bundle import links, manifest
from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.errors import BundleError, CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.safetensors_file import TensorInfo
    from mobileo_export.components import TensorSpec

PROJECTOR, DECODER = "projector", "llm"  # names of graphs; parts of the decoder end in _0, _1 …
EMBEDDINGS, EMBEDDINGS_TENSOR = "embed_tokens.safetensors", "embed_tokens.weight"
_AGAIN = "export it again or download it again"


@dataclass(frozen=True)
class DecoderGraph:
    """One graph of the decoder.

    Attributes:
        name: of the graph, and of the engine made from it.
        layers: how many decoder layers it holds.
        stacked: how many of the last K hidden states it returns.
        last: whether it ends in the logits.
    """

    name: str
    layers: int
    stacked: int
    last: bool


@dataclass(frozen=True)
class OnnxLanguageModel:
    """What a session needs to know of the folder.

    Attributes:
        path: the folder.
        graphs: by name, where each ``.onnx`` lies.
        decoder: the decoder's graphs in the order in which they run.
        context: positions that the keys and values have room for.
        heads: key-value heads.
        head_dim: width of one.
        cache_dtype: of keys and values.
        image_token_id: which token image features replace.
        embeddings: where the table lies.
        inputs: the component's signature.
        outputs: likewise.
    """

    path: Path
    graphs: dict[str, Path]
    decoder: tuple[DecoderGraph, ...]
    context: int
    heads: int
    head_dim: int
    cache_dtype: str
    image_token_id: int
    embeddings: TensorInfo
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding table."""
        return self.embeddings.shape[0]

    def embed(self, input_ids: NDArray[Any]) -> NDArray[np.float32]:
        """The rows of ``input_ids`` [1, T], each a valid id, as [1, T, d] float32."""
        rows = safetensors_file.raw(self.embeddings)[np.asarray(input_ids).reshape(-1)]
        values = np.empty(rows.shape, np.float32)
        safetensors_file.widen(rows, self.embeddings.dtype, values)
        return values[None]


def open_folder(path: Path) -> OnnxLanguageModel:
    """Read what the manifest says of the folder ``path`` of a bundle, and the table's header.

    Raises:
        BundleError: a file is missing or damaged, the files contradict each other, or the folder
            lies in no jetson bundle.
    """
    links.check(path)
    bundle = path.parent
    entry = manifest.read(bundle)["components"].get("llm")
    artifact = entry["artifacts"][0] if entry is not None else {}
    if entry is None or not artifact.get("graphs"):
        raise BundleError(f"{bundle}: its manifest lists no ONNX graphs of an llm; {_AGAIN}")
    listed = artifact["graphs"]
    graphs = {graph["name"]: bundle / graph["path"] for graph in listed}
    for file in graphs.values():
        if not file.is_file():
            raise BundleError(f"{file}: no such file; {_AGAIN}")
    parts = [graph for graph in listed if graph["name"] != PROJECTOR]
    if PROJECTOR not in graphs or not parts:
        raise BundleError(f"{bundle}: its manifest lists no projector or no decoder; {_AGAIN}")
    inputs, outputs = (
        tuple(map(manifest.tensor_spec, entry[key])) for key in ("inputs", "outputs")
    )
    try:
        tokens = tokenizer_files.special_ids(path)
        stored = safetensors_file.read_header(path / EMBEDDINGS)
    except CheckpointError as error:
        raise BundleError(str(error)) from error
    cache = _tensor(bundle, parts[0], "past_keys")
    if len(cache["shape"]) != 5 or not isinstance(cache["shape"][3], dict):
        raise BundleError(f"{bundle}: the shape of its past_keys is no cache's; {_AGAIN}")
    _, _, heads, past, head_dim = cache["shape"]
    decoder = tuple(_decoder_graph(bundle, graph, graph is parts[-1]) for graph in parts)
    width = _tensor(bundle, parts[0], "hidden_states")["shape"][2]
    return OnnxLanguageModel(
        path,
        graphs,
        decoder,
        past["max"],
        heads,
        head_dim,
        cache["dtype"],
        tokens.image_token_id,
        _table(path / EMBEDDINGS, stored, width),
        inputs,
        outputs,
    )


def _decoder_graph(bundle: Path, graph: dict[str, Any], last: bool) -> DecoderGraph:
    layers = _tensor(bundle, graph, "past_keys")["shape"][0]
    stacked = [t["shape"][1] for t in graph["outputs"] if t["name"] == "stacked_hidden_states"]
    return DecoderGraph(graph["name"], layers, sum(stacked), last)


def _tensor(bundle: Path, graph: dict[str, Any], name: str) -> dict[str, Any]:
    for tensor in graph["inputs"]:
        if tensor["name"] == name:
            found: dict[str, Any] = tensor
            return found
    raise BundleError(f"{bundle}: its graph {graph['name']} takes no {name}; {_AGAIN}")


def _table(path: Path, stored: dict[str, TensorInfo], width: int) -> TensorInfo:
    info = stored.get(EMBEDDINGS_TENSOR)
    if info is None or info.dtype not in safetensors_file.FLOAT_DTYPES:
        raise BundleError(f"{path}: holds no float tensor {EMBEDDINGS_TENSOR}; {_AGAIN}")
    if len(info.shape) != 2 or info.shape[1] != width:
        raise BundleError(
            f"{path}: the table is {list(info.shape)}, the decoder takes rows of {width}; {_AGAIN}"
        )
    return info
