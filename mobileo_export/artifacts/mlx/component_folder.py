"""The folder of a component on disk, checked before anything is executed.

What a runtime needs to know of it, without MLX and without torch; ``folder`` is the language
model's. The form of the folder is stated in ``converters/mlx``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np

from mobileo_export.artifacts.mlx.component_plan import FolderPlan, plan
from mobileo_export.artifacts.mlx.folder import (
    AGAIN,
    CONFIG,
    TensorFolder,
    lie,
    read_bits,
    read_config,
    unlike,
)
from mobileo_export.artifacts.mlx.models import BY_TYPE, FolderModel
from mobileo_export.artifacts.mlx.packed import Quantized, dequantize
from mobileo_export.artifacts.mlx.plan import FLOAT16_BITS
from mobileo_export.bundle import links, manifest
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.checkpoint.files import SINGLE
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import BundleError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.mlx.component_plan import Bits
    from mobileo_export.artifacts.mlx.plan import PlannedTensor
    from mobileo_export.artifacts.mlx.tensors import ComponentTensor
    from mobileo_export.checkpoint.safetensors_file import Shape

_OURS = "mobileo_"  # begins the model type of each
_MOST = 1 << 24  # no dimension of these models is near it


@dataclass(frozen=True)
class ComponentFolder(TensorFolder):
    """The folder of a component; ``planned`` is what its configuration says of every tensor."""

    planned: FolderPlan

    @property
    def component(self) -> str:
        """A name of ``components.COMPONENTS``."""
        return self.planned.model.component

    @property
    def tensors(self) -> tuple[PlannedTensor, ...]:
        """How each tensor is stored."""
        return self.planned.tensors

    def values(self, target: str) -> NDArray[np.float32]:
        """The tensor ``target``, exactly as its stored numbers mean it, in MLX's layout.

        Raises:
            BundleError: it holds NaN or infinity.
        """
        (planned,) = (one for one in self.planned.tensors if one.target == target)
        if planned.bits == FLOAT16_BITS:
            return self.raw(target).astype(np.float32)  # a copy: what is mapped cannot be written
        weight, scales, biases = (self.raw(name) for name in planned.stored)
        return dequantize(Quantized(weight, scales, biases), planned.bits, planned.group_size)

    def read(self, source: str) -> NDArray[np.float32]:
        """What the checkpoint's tensor ``source`` is in the reference that computes the same.

        Raises:
            BundleError: it holds NaN or infinity.
        """
        prefix = next(p for p in COMPONENTS[self.component].prefixes if source.startswith(p))
        name = source.removeprefix(prefix)
        for tensor in self._made_of[name]:
            found = tensor.back(self.values(tensor.target))
            if name in found:
                return np.ascontiguousarray(found[name])
        raise KeyError(name)

    @cached_property
    def _made_of(self) -> dict[str, list[ComponentTensor]]:
        found: dict[str, list[ComponentTensor]] = {}
        for tensor, _ in self.planned.parts:
            for source in tensor.sources:
                found.setdefault(source, []).append(tensor)
        return found


def open_component(path: Path) -> ComponentFolder:
    """Read the configuration and the header of the folder ``path`` of a bundle; no weights.

    Raises:
        BundleError: a file is missing or damaged, the files contradict each other, or the folder
            lies in no bundle.
    """
    links.check(path)
    content = read_config(path)
    model = BY_TYPE.get(str(content.get("model_type")))
    if model is None:
        raise BundleError(
            f"{path / CONFIG}: model_type is {content.get('model_type')!r}; known are "
            f"{', '.join(BY_TYPE)}; {AGAIN}"
        )
    try:
        stored = safetensors_file.read_header(path / SINGLE)
    except CheckpointError as error:
        raise BundleError(str(error)) from error
    entry, config = _sealed(path, content, model)
    if model.layers(config) > len(stored):
        raise lie(path, f"{model.layers(config)} layers", f"{len(stored)} tensors")
    precision = content.get("torch_dtype")
    if precision not in ("float16", "float32"):
        raise BundleError(
            f"{path / CONFIG}: torch_dtype is {precision!r}, expected float16 or float32; {AGAIN}"
        )
    names = {field.name for field in fields(model.config)}
    unknown = content.keys() - names - {"model_type", "torch_dtype", "quantization"}
    if unknown:
        raise lie(path, f"{min(unknown)}", "which no such component has")
    bits, unused = _stated_bits(path, content.get("quantization"))
    try:
        planned = plan(model, config, precision, bits)
    except (ValueError, ZeroDivisionError, IndexError) as error:
        raise BundleError(f"{path / CONFIG}: describes no component ({error}); {AGAIN}") from error
    if planned.unquantized:
        raise lie(path, f"quantization of {planned.unquantized[0]}", "its rows do not divide so")
    if unused:
        raise lie(path, f"quantization of {min(unused)}", "the component no such matrix")
    unlike(path, planned.layout, stored)
    inputs, outputs = (
        tuple(map(manifest.tensor_spec, entry[key])) for key in ("inputs", "outputs")
    )
    spec = COMPONENTS[model.component]
    if [one.name for one in outputs] != list(spec.layouts):
        raise BundleError(
            f"{path.parent / manifest.MANIFEST}: the signature of {spec.name} is another; {AGAIN}"
        )
    return ComponentFolder(path, stored, inputs, outputs, planned)


def is_component(path: Path) -> bool:
    """Whether the folder says that it is one of these, not the language model."""
    links.check(path)
    return str(read_config(path).get("model_type")).startswith(_OURS)


def _sealed(
    path: Path, content: Mapping[str, Any], model: FolderModel
) -> tuple[dict[str, Any], Any]:
    """The component's entry in the manifest, and its dimensions as both files state them."""
    sealed = manifest.read(path.parent)
    entry = sealed["components"].get(model.component)
    if entry is None:
        raise BundleError(
            f"{path.parent}: its {manifest.MANIFEST} lists no {model.component}; {AGAIN}"
        )
    place = entry["artifacts"][0]["path"]
    if place != path.name:
        raise lie(path, f"model_type {model.model_type}", f"{manifest.MANIFEST} that is {place}")
    stated: Any = sealed["model"]
    for name in model.place:
        stated = stated.get(name) if isinstance(stated, dict) else None
    read: dict[str, Any] = {}
    for name, kind in get_type_hints(model.config).items():
        try:
            read[name] = _typed(content[name], kind)
        except KeyError:
            raise BundleError(f"{path / CONFIG}: {name} is missing; {AGAIN}") from None
        except TypeError:
            raise BundleError(
                f"{path / CONFIG}: {name} is {content[name]!r:.80}, which it cannot be; {AGAIN}"
            ) from None
        if not isinstance(stated, dict) or stated.get(name) != content[name]:
            other = stated.get(name) if isinstance(stated, dict) else None
            raise lie(path, f"{name} {content[name]!r:.80}", f"{manifest.MANIFEST} {other!r:.80}")
    return entry, model.config(**read)


def _typed(value: Any, kind: Any) -> Any:
    """``value``, as JSON has it, as the field of a configuration; TypeError if it is none."""
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict) or value.keys() != {field.name for field in fields(kind)}:
            raise TypeError
        hints = get_type_hints(kind)
        return kind(**{name: _typed(value[name], hints[name]) for name in hints})
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError
        return tuple(_typed(item, get_args(kind)[0]) for item in value)
    if type(None) in get_args(kind):
        (other,) = (one for one in get_args(kind) if one is not type(None))
        return None if value is None else _typed(value, other)
    if kind is float:
        if type(value) not in (int, float) or not 0 < value < 1e30:
            raise TypeError
        return float(value)
    if type(value) is not kind or (kind is int and not 0 <= value < _MOST):
        raise TypeError
    return value


def _stated_bits(path: Path, quantization: Any) -> tuple[Bits, set[str]]:
    """What ``config.json`` says of each matrix, and the exceptions that nothing asked for yet."""
    if quantization is None:
        return (lambda module, shape: None), set()
    if not isinstance(quantization, dict):
        raise BundleError(f"{path / CONFIG}: quantization is no object; {AGAIN}")
    common = read_bits(path, "quantization", quantization)
    unused = quantization.keys() - {"bits", "group_size"}

    def bits(module: str, shape: Shape) -> tuple[int, int] | None:
        unused.discard(module)
        stated = quantization.get(module, quantization)
        if stated is False:
            return None
        if stated is quantization:
            return common
        return read_bits(path, f"quantization.{module}", stated)

    return bits, unused


def differences(folder: ComponentFolder, promised: FolderPlan) -> list[str]:
    """What the folder's configuration says otherwise than its bundle's manifest and checkpoint."""
    found, expected = asdict(folder.planned.config), asdict(promised.config)
    problems = [
        f"config.json says {key} {found[key]}, the checkpoint {value}"
        for key, value in expected.items()
        if found[key] != value
    ]
    for mine, other in zip(folder.planned.tensors, promised.tensors, strict=False):
        if mine.stored != other.stored:
            problems.append(
                f"config.json stores {mine.module} in {mine.bits} bits, the manifest says "
                f"{other.bits} with groups of {other.group_size}"
            )
            break
    return problems
