"""The language model's folder of a coreai bundle: an asset of three functions and the tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.artifacts.onnx.folder import DecoderGraph
from mobileo_export.bundle import links, manifest
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import BundleError, CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.components import TensorSpec

_AGAIN = "export it again or download it again"


@dataclass(frozen=True)
class AssetLanguageModel:
    """What a session needs to know of the folder.

    Attributes:
        asset: where the asset lies.
        decoder: its function that reads.
        context: positions that there may be.
        heads: key-value heads.
        head_dim: width of one.
        vocab_size: rows of the embedding table.
        image_token_id: which token image features replace.
        inputs: the component's signature.
        outputs: likewise.
        cache_dtype: of keys and values.
    """

    asset: Path
    decoder: tuple[DecoderGraph, ...]
    context: int
    heads: int
    head_dim: int
    vocab_size: int
    image_token_id: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    cache_dtype: str = "float32"


def open_folder(path: Path) -> AssetLanguageModel:
    """Read what the manifest says of the folder ``path`` of a bundle, and check the asset in it.

    Raises:
        BundleError: a file is missing or damaged, or the folder lies in no coreai bundle.
    """
    links.check(path)
    bundle = path.parent
    entry = manifest.read(bundle)["components"].get("llm")
    graphs = entry["artifacts"][0].get("graphs", ()) if entry is not None else ()
    found = {graph["name"]: graph for graph in graphs}
    if entry is None or not found.keys() >= {asset.MAIN, asset.EMBED, asset.PROJECTOR}:
        raise BundleError(f"{bundle}: its manifest lists no functions of an llm; {_AGAIN}")
    inputs, outputs = (
        tuple(map(manifest.tensor_spec, entry[key])) for key in ("inputs", "outputs")
    )
    main = found[asset.MAIN]
    layers, heads, past, head_dim = _cache(bundle, main)
    stacked, vocab_size = outputs[0].shape[1], outputs[1].shape[1]
    try:
        tokens = tokenizer_files.special_ids(path)
    except CheckpointError as error:
        raise BundleError(str(error)) from error
    asset.check(bundle / main["path"])
    assert isinstance(stacked, int)
    assert isinstance(vocab_size, int)
    return AssetLanguageModel(
        bundle / main["path"],
        (DecoderGraph(asset.MAIN, layers, stacked, last=True),),
        past,
        heads,
        head_dim,
        vocab_size,
        tokens.image_token_id,
        inputs,
        outputs,
    )


def _cache(bundle: Path, main: dict[str, Any]) -> tuple[int, int, int, int]:
    """Layers, heads, most positions and width of the keys that ``main`` takes."""
    shapes = (t["shape"] for t in main["inputs"] if t["name"] == "past_keys")
    shape: list[Any] = next(shapes, [])
    if len(shape) != 5 or not isinstance(shape[3], dict):
        raise BundleError(f"{bundle}: the shape of its past_keys is no cache's; {_AGAIN}")
    return shape[0], shape[2], shape[3]["max"], shape[4]
