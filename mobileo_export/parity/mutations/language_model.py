"""Mutations of an MLX folder: packed weights, scales, kernels and settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.parity.mutations.base import FolderMutation, Site

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.parity.mutations.folder import Folder

_FACTOR = 0.8  # as of weights.STALE_FACTOR
# transformers' Qwen2 defaults: what a reader falls back to that does not find the setting.
_OTHER_EPSILON = {1e-6: 1e-5, 1e-5: 1e-6}
_DEFAULT_THETA = 1e4
_EPSILONS = ("rms_norm_eps", "norm_eps")  # of the language model, of the diffusion transformer


def _matrices(folder: Folder) -> Iterator[str]:
    """Linear layers: the embedding's rows are looked up, the head only makes logits."""
    for module in folder.modules:
        if len(folder.shape(f"{module}.weight")) == 2 and not module.endswith("embed_tokens"):
            yield module


def _quantized(folder: Folder) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Matrices of integers, with their scales."""
    for module in _matrices(folder):
        if folder.has(f"{module}.scales"):
            yield module, folder.values(f"{module}.scales")


def _swap_sites(folder: Folder) -> Iterator[Site]:
    for module in _matrices(folder):
        rows = folder.shape(f"{module}.weight")[0]
        first, second = rows // 3, 2 * rows // 3
        detail = f"rows {first} and {second} of weight, scales and biases"
        yield Site(module, detail, module, (first, second))


def _swap(folder: Folder, site: Site) -> None:
    pair = list(site.indices)
    for name in folder.parts(site.operation):
        values = folder.values(name)
        values[pair] = values[pair[::-1]]
        folder.store(name, values)


def _bias_sites(folder: Folder) -> Iterator[Site]:
    for module in _matrices(folder):
        name = f"{module}.bias"
        if folder.has(name) and folder.values(name).any():
            yield Site(module, f"bias [{folder.shape(name)[0]}]", module)


def _drop_bias(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.bias"
    folder.store(name, np.zeros_like(folder.values(name)))


def _transpose_sites(folder: Folder) -> Iterator[Site]:
    for module in _matrices(folder):
        if _is_square(folder, module):
            size = folder.shape(f"{module}.weight")[0]
            yield Site(module, f"weight [{size}, {size}]", module)


def _is_square(folder: Folder, module: str) -> bool:
    rows, columns = folder.shape(f"{module}.weight")
    if folder.has(f"{module}.scales"):
        columns = folder.shape(f"{module}.scales")[1] * folder.quantization(module)[1]
    return rows == columns


def _transpose(folder: Folder, site: Site) -> None:
    folder.store_matrix(site.operation, np.ascontiguousarray(folder.matrix(site.operation).T))


def _kernel_sites(folder: Folder) -> Iterator[Site]:
    for module in folder.modules:
        shape = folder.shape(f"{module}.weight")
        if len(shape) == 4 and shape[1] == shape[2] > 1:
            yield Site(module, f"kernel of {shape[1]} by {shape[2]}", module)


def _turn(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.weight"
    folder.store(name, folder.values(name).swapaxes(1, 2))


def _projection_sites(folder: Folder) -> Iterator[Site]:
    for module in _matrices(folder):
        other = _values_of(module)
        if module != other and folder.shape(f"{module}.weight") == folder.shape(f"{other}.weight"):
            yield Site(module, "k and v trade places", module)


def _values_of(keys: str) -> str:
    """The projection of values beside one of keys, as Qwen2 and diffusers call them."""
    return keys.replace(".k_proj", ".v_proj").replace(".to_k", ".to_v")


def _permute(folder: Folder, site: Site) -> None:
    keys, values = site.operation, _values_of(site.operation)
    for first, second in zip(folder.parts(keys), folder.parts(values), strict=True):
        stored = folder.values(first), folder.values(second)
        folder.store(first, stored[1])
        folder.store(second, stored[0])


def _exponent_sites(folder: Folder) -> Iterator[Site]:
    for module, scales in _quantized(folder):
        flat = scales.reshape(-1)
        grows = np.flatnonzero(flat.view("u2") >> 11 & 1 == 0)
        if grows.size:
            order = np.argsort(np.abs(flat[grows]), kind="stable")
            place = int(grows[order[len(order) // 2]])
            index = ", ".join(map(str, np.unravel_index(place, scales.shape)))
            yield Site(module, f"scale [{index}] is four times as large", module, (place,))


def _flip(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.scales"
    values = folder.values(name)
    values.reshape(-1).view("u2")[site.indices[0]] ^= np.uint16(1 << 11)
    folder.store(name, values)


def _group_sites(folder: Folder) -> Iterator[Site]:
    for module, scales in _quantized(folder):
        flat = scales.reshape(-1)
        first, second = flat.size // 3, 2 * flat.size // 3
        if flat[first] != flat[second]:
            detail = f"scales {first} and {second} trade places"
            yield Site(module, detail, module, (first, second))


def _swap_scales(folder: Folder, site: Site) -> None:
    name, pair = f"{site.operation}.scales", list(site.indices)
    values = folder.values(name)
    values.reshape(-1)[pair] = values.reshape(-1)[pair[::-1]]
    folder.store(name, values)


def _scale_sites(folder: Folder) -> Iterator[Site]:
    for module, scales in _quantized(folder):
        place = scales.size // 2
        yield Site(module, f"scale {place} is twice as large", module, (place,))


def _double(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.scales"
    values = folder.values(name)
    values.reshape(-1)[site.indices[0]] *= np.float16(2)
    folder.store(name, values)


def _nibble_sites(folder: Folder) -> Iterator[Site]:
    for module, _ in _quantized(folder):
        if folder.quantization(module)[0] == 4:
            yield Site(module, "both halves of each byte trade places", module)


def _swap_nibbles(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.weight"
    packed = folder.values(name).view(np.uint8)
    folder.store(name, (packed >> 4 | packed << 4).view(np.uint32))


def _zero_sites(folder: Folder) -> Iterator[Site]:
    for module, _ in _quantized(folder):
        yield Site(module, "every group's zero is one step off", module)


def _move_zero(folder: Folder, site: Site) -> None:
    scales, name = folder.values(f"{site.operation}.scales"), f"{site.operation}.biases"
    folder.store(name, folder.values(name) + scales)


def _norm_sites(folder: Folder) -> Iterator[Site]:
    for module in folder.modules:
        if len(folder.shape(f"{module}.weight")) == 1:
            channel = folder.shape(f"{module}.weight")[0] // 2
            yield Site(module, f"channel {channel} of the gain x {_FACTOR:g}", module, (channel,))


def _stale(folder: Folder, site: Site) -> None:
    name = f"{site.operation}.weight"
    values = folder.values(name)
    values[site.indices[0]] *= np.float16(_FACTOR)
    folder.store(name, values)


def _epsilon_sites(folder: Folder) -> Iterator[Site]:
    for name in _EPSILONS:
        right = folder.config.get(name)
        if right in _OTHER_EPSILON:
            detail = f"{right:g} becomes {_OTHER_EPSILON[right]:g}"
            yield Site(name, detail, "config.json")


def _wrong_epsilon(folder: Folder, site: Site) -> None:
    folder.config[site.operation] = _OTHER_EPSILON[folder.config[site.operation]]


def _theta_sites(folder: Folder) -> Iterator[Site]:
    right = folder.config.get("rope_theta", _DEFAULT_THETA)
    if right != _DEFAULT_THETA:
        detail = f"{right:g} becomes {_DEFAULT_THETA:g}"
        yield Site("rope_theta", detail, "config.json")


def _wrong_theta(folder: Folder, site: Site) -> None:
    folder.config["rope_theta"] = _DEFAULT_THETA


FOLDER_MUTATIONS = (
    FolderMutation(
        "swap two channels",
        "exchanges two rows of a packed weight with their scales and biases",
        _swap_sites,
        _swap,
    ),
    FolderMutation("drop a bias", "sets a bias to zero", _bias_sites, _drop_bias),
    FolderMutation(
        "transpose a square weight",
        "quantizes a square weight the other way round",
        _transpose_sites,
        _transpose,
    ),
    FolderMutation(
        "transpose a kernel",
        "exchanges height and width of a convolution's kernel",
        _kernel_sites,
        _turn,
    ),
    FolderMutation(
        "permute q, k, v",
        "exchanges the key and value projections of a layer",
        _projection_sites,
        _permute,
    ),
    FolderMutation(
        "flip an exponent bit",
        "makes the scale of one group four times as large",
        _exponent_sites,
        _flip,
    ),
    FolderMutation(
        "scale of the wrong block",
        "exchanges the scales of two groups of a weight",
        _group_sites,
        _swap_scales,
    ),
    FolderMutation("scale doubled", "doubles the scale of one group", _scale_sites, _double),
    FolderMutation(
        "nibbles swapped", "exchanges the halves of each byte", _nibble_sites, _swap_nibbles
    ),
    FolderMutation(
        "zero point off by one", "moves every group's bias by a step", _zero_sites, _move_zero
    ),
    FolderMutation(
        "stale normalisation", "changes one channel of a norm's gain", _norm_sites, _stale
    ),
    FolderMutation(
        "wrong epsilon",
        "gives the norms the other usual epsilon",
        _epsilon_sites,
        _wrong_epsilon,
    ),
    FolderMutation(
        "wrong rope theta", "falls back to the default of 10000", _theta_sites, _wrong_theta
    ),
)
