"""An MLX folder on disk, checked before anything is executed: config, tensors, tokenizer.

What a runtime needs to know of ``llm/`` of a bundle, without MLX and without torch. The form of the
folder is stated in ``converters/mlx``: FastVLM's names, quantization exceptions by module.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from mobileo_export import json_file
from mobileo_export.artifacts.mlx.packed import GROUP_SIZES, QUANTIZED_BITS, Quantized, dequantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS, PlannedTensor, target_name
from mobileo_export.bundle import links, manifest
from mobileo_export.checkpoint import expected_tensors, safetensors_file, tokenizer_files
from mobileo_export.checkpoint.files import SINGLE
from mobileo_export.checkpoint.model_config import PROJECTOR, LanguageModelConfig
from mobileo_export.errors import BundleError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.safetensors_file import Shape, TensorInfo
    from mobileo_export.components import TensorSpec

CONFIG = "config.json"
AGAIN = "export it again or download it again"
_INTEGERS = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "vocab_size", "max_position_embeddings",
)  # fmt: skip


@dataclass(frozen=True)
class TensorFolder:
    """A folder whose names, dtypes and shapes fit its configuration, and its bundle's manifest.

    Attributes:
        path: the folder.
        stored: where the tensors of ``model.safetensors`` lie.
        inputs: the signature that the bundle states.
        outputs: likewise.
    """

    path: Path
    stored: Mapping[str, TensorInfo]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def raw(self, name: str) -> NDArray[Any]:
        """A tensor of the file as stored, mapped.

        Raises:
            BundleError: it holds NaN or infinity.
        """
        values = safetensors_file.raw(self.stored[name])
        if values.dtype != np.uint32 and not np.isfinite(values).all():
            raise BundleError(f"{self.path / SINGLE}: tensor {name} holds NaN or infinity; {AGAIN}")
        return values

    def check_values(self) -> None:
        """Look at every float, the scales and biases among them.

        Raises:
            BundleError: a tensor holds NaN or infinity.
        """
        for name, info in self.stored.items():
            if info.dtype != "U32":
                self.raw(name)


@dataclass(frozen=True)
class MLXFolder(TensorFolder):
    """The folder of the language model. Its outputs hold K, which no file of the folder does.

    Attributes:
        llm: the decoder's dimensions.
        image_token_id: which token image features replace.
        feature_dim: width of the image features before the projector.
        tensors: every tensor of the model, under its checkpoint name, and how it is stored.
    """

    llm: LanguageModelConfig
    image_token_id: int
    feature_dim: int
    tensors: tuple[PlannedTensor, ...]

    @property
    def num_layers(self) -> int:
        """K, how many of the last hidden states the bundle's projector takes."""
        layers = self.outputs[0].shape[1]
        assert isinstance(layers, int)  # open_folder has looked
        return layers

    @property
    def parameters(self) -> int:
        """Number of parameters, counted in the checkpoint."""
        return sum(int(np.prod(tensor.shape)) for tensor in self.tensors)

    @cached_property
    def by_source(self) -> dict[str, PlannedTensor]:
        """The tensors by their names in the checkpoint."""
        return {tensor.source: tensor for tensor in self.tensors}

    def read(self, source: str) -> NDArray[np.float32]:
        """The tensor that the checkpoint calls ``source``, exactly as its stored numbers mean it.

        Raises:
            BundleError: it holds NaN or infinity.
        """
        tensor = self.by_source[source]
        if tensor.bits == FLOAT16_BITS:
            return np.asarray(self.raw(tensor.target), np.float32)
        weight, scales, biases = (self.raw(name) for name in tensor.stored)
        return dequantize(Quantized(weight, scales, biases), tensor.bits, tensor.group_size)


def open_folder(path: Path) -> MLXFolder:
    """Read the configuration and the header of the folder ``path`` of a bundle; no weights.

    Raises:
        BundleError: a file is missing or damaged, the files contradict each other, or the folder
            lies in no bundle.
    """
    links.check(path)
    config = read_config(path)
    llm = _language_model(path, config)
    feature_dim = _integer(path, config, "mm_hidden_size")
    try:
        stored = safetensors_file.read_header(path / SINGLE)
        tokens = tokenizer_files.special_ids(path)
    except CheckpointError as error:
        raise BundleError(str(error)) from error
    image_token_id = _integer(path, config, "image_token_index")
    if image_token_id != tokens.image_token_id:
        raise lie(
            path, f"image_token_index {image_token_id}", f"its tokenizer {tokens.image_token_id}"
        )
    if llm.num_hidden_layers > len(stored):
        raise lie(path, f"num_hidden_layers {llm.num_hidden_layers}", f"{len(stored)} tensors")
    tensors = _planned(path, config, llm, feature_dim)
    unlike(path, dict(chain.from_iterable(t.stored.items() for t in tensors)), stored)
    inputs, outputs = _signature(path, llm, feature_dim)
    return MLXFolder(path, stored, inputs, outputs, llm, image_token_id, feature_dim, tensors)


def read_config(path: Path) -> dict[str, Any]:
    """``config.json`` of a folder; raises BundleError if it is no object."""
    file = path / CONFIG
    try:
        content = json_file.load(file)
    except (OSError, ValueError) as error:
        raise BundleError(f"{file}: cannot be read as JSON ({error}); {AGAIN}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{file}: holds no JSON object; {AGAIN}")
    return content


def _language_model(path: Path, config: Mapping[str, Any]) -> LanguageModelConfig:
    sizes = {key: _integer(path, config, key) for key in _INTEGERS}
    heads, pairs = sizes["num_attention_heads"], sizes["num_key_value_heads"]
    if sizes["hidden_size"] % (2 * heads) or heads % pairs:
        raise BundleError(
            f"{path / CONFIG}: {heads} attention heads and {pairs} key-value heads do not divide "
            f"a hidden size of {sizes['hidden_size']}; {AGAIN}"
        )
    tied = config.get("tie_word_embeddings")
    if not isinstance(tied, bool):
        raise BundleError(
            f"{path / CONFIG}: tie_word_embeddings is {tied!r}, expected true or false; {AGAIN}"
        )
    if config.get("hidden_act") != "silu" or config.get("rope_scaling") is not None:
        raise BundleError(f"{path / CONFIG}: not a Qwen2 as this release writes it; {AGAIN}")
    epsilon, theta = (_number(path, config, key) for key in ("rms_norm_eps", "rope_theta"))
    return LanguageModelConfig(
        **sizes, tie_word_embeddings=tied, rms_norm_eps=epsilon, rope_theta=theta
    )


def _planned(
    path: Path, config: Mapping[str, Any], llm: LanguageModelConfig, feature_dim: int
) -> tuple[PlannedTensor, ...]:
    """What ``config.json`` promises of every tensor."""
    hidden = llm.hidden_size
    shapes = expected_tensors.language_model(llm) | {
        f"{PROJECTOR}0.weight": (hidden, feature_dim),
        f"{PROJECTOR}0.bias": (hidden,),
        f"{PROJECTOR}2.weight": (hidden, hidden),
        f"{PROJECTOR}2.bias": (hidden,),
    }
    quantization = config.get("quantization")
    if quantization is None:
        return tuple(
            PlannedTensor(source, target_name(source), shape, FLOAT16_BITS, 0)
            for source, shape in shapes.items()
        )
    if not isinstance(quantization, dict):
        raise BundleError(f"{path / CONFIG}: quantization is no object; {AGAIN}")
    common = read_bits(path, "quantization", quantization)
    exceptions = {k: v for k, v in quantization.items() if k not in {"bits", "group_size"}}
    tensors = []
    for source, shape in shapes.items():
        target = target_name(source)
        module = target.rpartition(".")[0]
        bits, group_size = FLOAT16_BITS, common[1]
        if len(shape) == 2:
            exception = exceptions.pop(module, None)
            if exception is None:
                bits, group_size = common
            elif exception is not False:
                bits, group_size = read_bits(path, f"quantization.{module}", exception)
            if bits != FLOAT16_BITS and shape[1] % group_size:
                raise lie(path, f"a group size of {group_size}", f"{module} {shape[1]} columns")
        tensors.append(PlannedTensor(source, target, shape, bits, group_size))
    if exceptions:
        raise lie(path, f"quantization of {next(iter(exceptions))}", "the model no such matrix")
    return tuple(tensors)


def read_bits(path: Path, where: str, entry: Any) -> tuple[int, int]:
    """Bits and group size of an entry of ``quantization``; raises BundleError for what is none."""
    found = (entry.get("bits"), entry.get("group_size")) if isinstance(entry, dict) else (entry, 0)
    if found[0] not in QUANTIZED_BITS or found[1] not in GROUP_SIZES:
        raise BundleError(
            f"{path / CONFIG}: {where} is {entry!r}; MLX has bits "
            f"{', '.join(map(str, QUANTIZED_BITS))} and group sizes "
            f"{', '.join(map(str, GROUP_SIZES))}; {AGAIN}"
        )
    return int(found[0]), int(found[1])


def unlike(
    path: Path, expected: Mapping[str, tuple[str, Shape]], stored: Mapping[str, TensorInfo]
) -> None:
    """Refuse a file whose tensors are not those that its configuration asks for."""
    for name, (dtype, shape) in expected.items():
        info = stored.get(name)
        if info is None:
            raise BundleError(f"{path / SINGLE}: tensor {name} is missing; {AGAIN}")
        if (info.dtype, info.shape) != (dtype, shape):
            raise BundleError(
                f"{path / SINGLE}: tensor {name} is {info.dtype} {list(info.shape)}, {CONFIG} "
                f"asks for {dtype} {list(shape)}; {AGAIN}"
            )
    for name in stored:
        if name not in expected:
            raise BundleError(f"{path / SINGLE}: tensor {name} is unexpected; {AGAIN}")


def _signature(
    path: Path, llm: LanguageModelConfig, feature_dim: int
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    content = manifest.read(path.parent)
    entry = content["components"].get("llm")
    if entry is None:
        raise BundleError(f"{path.parent}: its {manifest.MANIFEST} lists no llm; {AGAIN}")
    sealed = content["model"]["llm"]
    for key, value in asdict(llm).items():
        if sealed.get(key) != value:
            raise lie(path, f"{key} {value}", f"{manifest.MANIFEST} {sealed.get(key)}")
    inputs, outputs = (
        tuple(map(manifest.tensor_spec, entry[key])) for key in ("inputs", "outputs")
    )
    names = [spec.name for spec in (*inputs, *outputs)]
    expected = ["input_ids", "image_features", "stacked_hidden_states", "logits"]
    layers = outputs[0].shape[1] if names == expected and len(outputs[0].shape) == 4 else None
    if not isinstance(layers, int) or not 0 < layers <= llm.num_hidden_layers:
        raise BundleError(
            f"{path.parent / manifest.MANIFEST}: the signature of the llm is not one of a "
            f"language model with {llm.num_hidden_layers} layers; {AGAIN}"
        )
    if inputs[1].shape[-1] != feature_dim:
        raise lie(path, f"mm_hidden_size {feature_dim}", f"{manifest.MANIFEST} another")
    return inputs, outputs


def _integer(path: Path, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not _is_number(value) or not isinstance(value, int) or not 0 < value < 1 << 31:
        raise BundleError(
            f"{path / CONFIG}: {key} is {value!r}, expected a positive integer; {AGAIN}"
        )
    return value


def _number(path: Path, config: Mapping[str, Any], key: str) -> float:
    value = config.get(key)
    if not _is_number(value) or not 0 < value < 1e30:
        raise BundleError(
            f"{path / CONFIG}: {key} is {value!r}, expected a positive number; {AGAIN}"
        )
    return float(value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def lie(path: Path, claim: str, fact: str) -> BundleError:
    """``config.json`` says one thing, and something else another."""
    return BundleError(f"{path / CONFIG}: says {claim}, {fact}; {AGAIN}")
