"""Seeded values for every tensor of the layout, scaled so that activations stay realistic.

A tensor's values depend on the seed and its own name only. Its initialisation is chosen by its
name, so that every block's output has a standard deviation of order 1 through all depth: no
saturation, nothing that vanishes, logits and attention maps that are not flat.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION
from mobileo_export.checkpoint.safetensors_file import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.model_config import ModelConfig

# Values come in parts of this many, each with its own counter: parts can be made in any order.
PART = 1 << 18
# What post-training is taken to change, relative to each value.
NESTED_CHANGE = 0.01
# What restores unit variance after an activation: 1 / √E[f(x)²] for a unit normal x.
_GELU, _SILU, _RELU = 1.53, 1.68, 1.41


@dataclass(frozen=True)
class Init:
    """``value = mean + centre tap + std * normal``, where a gain means ``std = gain / √fan_in``."""

    std: float = 0.0
    gain: float = 0.0
    mean: float = 0.0
    centre: float = 0.0  # added to the middle of every convolution kernel: 1 is the identity
    residual: str = ""  # ends a residual branch: std divided by √(branches of that component)
    spread: float = 0.0  # the mean rises from mean - spread to mean + spread

    @property
    def constant(self) -> bool:
        """Whether no chance is involved: a counter or a fixed scalar."""
        return not (self.std or self.gain)


_NORM = Init(mean=1.0, std=0.1)
_BIAS = Init(std=0.02)
_MATRIX = Init(gain=1.0)
# The last normalisation of a VAE block sets the size of what is added to the stream.
_BRANCH_NORM = Init(mean=0.8, std=0.15)
_DIT, _VAE = r"model\.dit\.", r"model\.vae\..*"
_TOWER, _FUSION, _LINEAR = re.escape(VISION), re.escape(MCP), re.escape(PROJECTOR)

# The first pattern that matches a whole name wins.
_RULES: tuple[tuple[re.Pattern[str], Init], ...] = tuple(
    (re.compile(pattern), init)
    for pattern, init in (
        # --- language model
        (r"model\.embed_tokens\.weight", Init(std=0.02)),
        (r"lm_head\.weight", Init(gain=2.0)),
        (r"model\.(layers\..*)?norm\.weight", _NORM),
        (r"model\.layers\..*layernorm\.weight", _NORM),
        (r"model\.layers\..*[qk]_proj\.weight", Init(gain=1.3)),
        (r"model\.layers\..*[qk]_proj\.bias", Init(std=0.1)),
        (r"model\.layers\..*o_proj\.weight", Init(gain=2.0, residual="llm")),
        (r"model\.layers\..*down_proj\.weight", Init(gain=_SILU, residual="llm")),
        (_LINEAR + r"2\.weight", Init(gain=0.2)),
        # --- vision tower
        (_TOWER + r".*num_batches_tracked", Init(mean=1000.0)),
        (_TOWER + r".*running_mean", Init(std=0.1)),
        (_TOWER + r".*running_var", _NORM),
        (_TOWER + r".*(bn|norm)\.weight", _NORM),
        (_TOWER + r".*layer_scale(_[12])?", Init(mean=0.2, std=0.04)),
        # RepMixer and the position encoding hold a folded residual: near the identity.
        (_TOWER + r".*token_mixer\.reparam_conv\.weight", Init(std=0.03, centre=1.0)),
        (_TOWER + r"network\.\d+\.reparam_conv\.weight", Init(std=0.05, centre=1.0)),
        (_TOWER + r".*token_mixer\.qkv\.weight", Init(gain=1.3)),
        (_TOWER + r".*convffn\.fc2\.weight", Init(gain=_GELU)),
        # Biases keep the GELUs of a chain without normalisation away from their weak middle.
        (_TOWER + r"(patch_embed|network\.\d+\.proj)\..*bias", Init(std=0.1)),
        (_TOWER + r"(patch_embed\.[12]|network\.\d+\.proj)\..*weight", Init(gain=_GELU)),
        (_TOWER + r"conv_exp\.reparam_conv\.weight", Init(gain=2.0)),
        (_TOWER + r"head\.proj", Init(std=0.02)),
        # --- MCP
        (_FUSION + r"layer_weights", Init(mean=1.0, spread=0.2, std=0.05)),
        (_FUSION + r"temperature", Init(mean=2.0)),
        (_FUSION + r".*(norm|input_compress\.1|output_proj\.1)\.weight", _NORM),
        (_FUSION + r".*channel_attn\.fc\..*", Init(gain=2.0)),
        # --- DiT
        (_DIT + r".*scale_shift_table", Init(std=0.03)),
        (_DIT + r"caption_norm\.weight", _NORM),
        (_DIT + r".*timestep_embedder\.linear_1\.weight", Init(gain=_RELU)),
        # The final norm adds this embedding itself to its scale and shift: it has to be small.
        (_DIT + r".*timestep_embedder\.linear_2\.weight", Init(gain=0.3 * _SILU)),
        (_DIT + r"time_embed\.linear\.weight", Init(gain=1.25)),
        (_DIT + r"caption_projection\.linear_2\.weight", Init(gain=_GELU)),
        (_DIT + r".*attn1\.to_out\.0\.weight", Init(gain=2.0)),
        (_DIT + r".*attn2\.to_out\.0\.weight", Init(gain=4.0, residual="dit")),
        (_DIT + r".*ff\.conv_(depth|point)\.weight", Init(gain=_SILU)),
        # --- VAE
        (_VAE + r"(blocks\.\d+\.\d+\.norm|attn\.norm_out|conv_out\.norm)\.weight", _BRANCH_NORM),
        (_VAE + r"coder\.norm_out\.weight", _NORM),
        (_VAE + r"(conv_in|conv_inverted)\.weight", Init(gain=0.5)),
        (_VAE + r"(up|down)_blocks\.\d+\.\d+\.conv\.weight", Init(gain=0.5)),
        (_VAE + r"decoder\.conv_out\.weight", Init(gain=0.5 * _RELU)),
        # --- everything else
        (r".*bias", _BIAS),
        (r".*weight", _MATRIX),
    )
)


def initialisation(name: str, shape: Shape, model: ModelConfig) -> Init:
    """How the top-level tensor ``name`` is made, its gain resolved into a standard deviation."""
    init = next((init for pattern, init in _RULES if pattern.fullmatch(name)), None)
    if init is None:
        raise ValueError(f"no initialisation for {name}")
    std = init.std
    if init.gain:
        std = init.gain / float(np.sqrt(np.prod(shape[1:], dtype=np.int64)))
    if init.residual:
        depth = {"llm": model.llm.num_hidden_layers, "dit": model.diffusion.dit.num_layers}
        std /= float(np.sqrt(2 * depth[init.residual]))
    return Init(std=std, mean=init.mean, centre=init.centre, spread=init.spread)


def parts(shape: Shape) -> int:
    """In how many parts the values of a tensor come."""
    return -(-int(np.prod(shape, dtype=np.int64)) // PART)


def values(seed: int, name: str, shape: Shape, init: Init, part: int) -> NDArray[np.float32]:
    """Part ``part`` of the flat tensor: at most :data:`PART` float32 values."""
    size = int(np.prod(shape, dtype=np.int64))
    first = part * PART
    count = min(PART, size - first)
    if init.constant:
        return np.full(count, init.mean, np.float32)
    array = _generator(seed, name, part).standard_normal(count, dtype=np.float32)
    array *= np.float32(init.std)
    array += np.float32(init.mean)
    if init.centre:
        taps = shape[-1] * shape[-2]
        array[(taps // 2 - first) % taps :: taps] += np.float32(init.centre)
    if init.spread:
        slope = np.linspace(-init.spread, init.spread, size, dtype=np.float32)
        array += slope[first : first + count]
    return array


def perturb(seed: int, name: str, part: int, array: NDArray[np.float32]) -> None:
    """Change ``array`` in place as the nested copy ``name`` differs from its namesake."""
    change = _generator(seed, name, part).random(array.size, dtype=np.float32)
    change *= np.float32(NESTED_CHANGE * np.sqrt(12))  # a uniform variable spreads 1 / √12
    change += np.float32(1.0 - NESTED_CHANGE * np.sqrt(3))
    array *= change


def _generator(seed: int, name: str, part: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    # One part draws far fewer than 2**192 numbers, so that parts never overlap.
    return np.random.Generator(np.random.Philox(counter=part << 192, key=key))
