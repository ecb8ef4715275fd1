"""Configurations of the SANA transformer, the DC-AE decoder and the sampling schedule.

``diffusion_name_or_path`` in ``config.json`` names a diffusers repository. The two that Mobile-O
was published with are known here, so that no network is needed; anything else is a folder in the
diffusers layout (``transformer/config.json``, ``vae/config.json``, ``scheduler/``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from mobileo_export.checkpoint.fields import FILES, check
from mobileo_export.checkpoint.fields.table import frozen, shown, well_typed
from mobileo_export.checkpoint.files import read_json
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class DiTConfig:
    """Arguments of diffusers' ``SanaTransformer2DModel`` that this toolkit supports."""

    sample_size: int
    num_layers: int
    num_attention_heads: int
    attention_head_dim: int
    num_cross_attention_heads: int
    cross_attention_head_dim: int
    cross_attention_dim: int
    caption_channels: int
    in_channels: int = 32
    out_channels: int = 32
    mlp_ratio: float = 2.5
    patch_size: int = 1
    norm_eps: float = 1e-6
    timestep_scale: float = 1.0

    @property
    def inner_dim(self) -> int:
        """Width of the token stream."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def mlp_dim(self) -> int:
        """Hidden channels of the gated convolutional feed-forward (half its inverted width)."""
        return int(self.mlp_ratio * self.inner_dim)


@dataclass(frozen=True)
class VAEConfig:
    """Arguments of diffusers' ``AutoencoderDC``; only the decoder runs on a device."""

    latent_channels: int
    attention_head_dim: int
    encoder_block_types: tuple[str, ...]
    decoder_block_types: tuple[str, ...]
    encoder_block_out_channels: tuple[int, ...]
    decoder_block_out_channels: tuple[int, ...]
    encoder_layers_per_block: tuple[int, ...]
    decoder_layers_per_block: tuple[int, ...]
    encoder_qkv_multiscales: tuple[tuple[int, ...], ...]
    decoder_qkv_multiscales: tuple[tuple[int, ...], ...]
    scaling_factor: float
    in_channels: int = 3
    upsample_block_type: str = "interpolate"
    downsample_block_type: str = "Conv"

    @property
    def spatial_factor(self) -> int:
        """Image pixels a side of one latent pixel."""
        return int(2 ** (len(self.decoder_block_out_channels) - 1))


@dataclass(frozen=True)
class SchedulerConfig:
    """DPM-Solver++ of order 2 on flow sigmas, as the published pipeline configures it."""

    flow_shift: float = 3.0
    num_train_timesteps: int = 1000


@dataclass(frozen=True)
class DiffusionConfig:
    """The three diffusers configurations of one model, and the name they were found under."""

    name: str
    dit: DiTConfig
    vae: VAEConfig
    scheduler: SchedulerConfig


# Mobile-O's exporter and the SANA repositories agree on these (dc-ae-f32c32-sana).
_RELEASED_VAE = VAEConfig(
    latent_channels=32,
    attention_head_dim=32,
    encoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    decoder_block_types=("ResBlock",) * 3 + ("EfficientViTBlock",) * 3,
    encoder_block_out_channels=(128, 256, 512, 512, 1024, 1024),
    decoder_block_out_channels=(128, 256, 512, 512, 1024, 1024),
    encoder_layers_per_block=(2, 2, 2, 3, 3, 3),
    decoder_layers_per_block=(3, 3, 3, 3, 3, 3),
    encoder_qkv_multiscales=((), (), (), (5,), (5,), (5,)),
    decoder_qkv_multiscales=((), (), (), (5,), (5,), (5,)),
    scaling_factor=0.41407,
)
SANA_600M = "Efficient-Large-Model/Sana_600M_512px_diffusers"
SANA_1600M = "Efficient-Large-Model/Sana_1600M_512px_diffusers"
KNOWN: dict[str, DiffusionConfig] = {
    SANA_600M: DiffusionConfig(
        SANA_600M,
        DiTConfig(
            sample_size=16,
            num_layers=28,
            num_attention_heads=36,
            attention_head_dim=32,
            num_cross_attention_heads=16,
            cross_attention_head_dim=72,
            cross_attention_dim=1152,
            caption_channels=2304,
        ),
        _RELEASED_VAE,
        SchedulerConfig(),
    ),
    SANA_1600M: DiffusionConfig(
        SANA_1600M,
        DiTConfig(
            sample_size=16,
            num_layers=20,
            num_attention_heads=70,
            attention_head_dim=32,
            num_cross_attention_heads=20,
            cross_attention_head_dim=112,
            cross_attention_dim=2240,
            caption_channels=2304,
        ),
        _RELEASED_VAE,
        SchedulerConfig(),
    ),
}

# Absent means the diffusers default, which for these is another value than what is built.
_NOT_DEFAULT = frozenset(
    {
        "upsample_block_type",
        "downsample_block_type",
        "prediction_type",
        "use_flow_sigmas",
        "flow_shift",
    }
)
_PARTS = {
    DiTConfig: "transformer/config.json",
    VAEConfig: "vae/config.json",
    SchedulerConfig: "scheduler/scheduler_config.json",
}
# What is written though no dataclass holds it: what diffusers would take for something else, and
# what is better said.
_WRITTEN: dict[type, tuple[str, ...]] = {
    DiTConfig: (
        "attention_bias",
        "guidance_embeds",
        "interpolation_scale",
        "norm_elementwise_affine",
        "qk_norm",
    ),
    VAEConfig: (
        "decoder_norm_types",
        "decoder_act_fns",
        "encoder_out_shortcut",
        "decoder_in_shortcut",
        "decoder_conv_act_fn",
    ),
    SchedulerConfig: ("algorithm_type", "prediction_type", "use_flow_sigmas", "solver_order"),
}
_MAX_LAYERS = 1024


def find(name: str, root: Path, warnings: list[str] | None = None) -> DiffusionConfig:
    """The configuration that ``diffusion_name_or_path`` names, relative paths from ``root``.

    A folder goes before a published name, as it does in diffusers. What a user should know of its
    files is added to ``warnings``.

    Raises:
        CheckpointError: the name is neither known nor a folder, or asks for an unsupported model.
    """
    folder = root / name
    try:
        present = (folder / "transformer" / "config.json").is_file()
    except OSError:  # too long for the file system, or not ours to read
        present = False
    if not present and name in KNOWN:
        return KNOWN[name]
    if not present:
        raise CheckpointError(
            f"{root / 'config.json'}: diffusion_name_or_path {name[:200]!r} is neither a published "
            f"name ({', '.join(KNOWN)}) nor a diffusers folder; put its folder there or correct "
            "the name"
        )
    said: list[str] = []
    found = DiffusionConfig(
        name,
        _parse(DiTConfig, folder, said),
        _parse(VAEConfig, folder, said),
        _parse(SchedulerConfig, folder, said),
    )
    if warnings is not None:
        warnings += said
    problem = next(_contradictions(found.dit, found.vae), None)
    if problem:
        raise CheckpointError(f"{folder}: {problem}; its files come from different models")
    return found


def save(config: DiffusionConfig, folder: Path) -> None:
    """Write ``config`` as a diffusers folder that :func:`find` and diffusers itself read."""
    for values in (config.dit, config.vae, config.scheduler):
        name = _PARTS[type(values)]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = FILES[name]
        fixed = {key: table[key].values[0] for key in ("_class_name", *_WRITTEN[type(values)])}
        path.write_text(json.dumps({**fixed, **asdict(values)}, indent=2, sort_keys=True) + "\n")


def _contradictions(dit: DiTConfig, vae: VAEConfig) -> Iterator[str]:
    """What diffusers would only notice when it runs, or would take gigabytes to notice."""
    if dit.sample_size % dit.patch_size:
        yield (
            f"transformer/config.json: sample_size {dit.sample_size} is no multiple of patch_size "
            f"{dit.patch_size}"
        )
    for half in ("encoder", "decoder"):
        types, channels, layers, scales = (
            getattr(vae, f"{half}_{part}")
            for part in ("block_types", "block_out_channels", "layers_per_block", "qkv_multiscales")
        )
        if not len(types) == len(channels) == len(layers) == len(scales) > 0:
            yield f"the VAE's {half} lists have different lengths"
        for kind in sorted(set(types) - {"ResBlock", "EfficientViTBlock"}):
            yield f"the VAE's {half} has a block {kind!r}, which is not supported"
        if max(layers, default=0) > _MAX_LAYERS:
            yield f"the VAE's {half} claims {max(layers)} layers"
    if dit.num_layers > _MAX_LAYERS:
        yield f"the DiT claims {dit.num_layers} layers"
    if dit.cross_attention_dim != dit.inner_dim:
        yield (
            f"transformer/config.json: cross_attention_dim is {dit.cross_attention_dim}, the DiT's "
            f"width {dit.inner_dim} (num_attention_heads times attention_head_dim)"
        )
    if not dit.in_channels == dit.out_channels == vae.latent_channels:
        yield (
            f"the DiT has {dit.in_channels} channels in and {dit.out_channels} out (in_channels "
            "and out_channels in transformer/config.json), the VAE's latents "
            f"{vae.latent_channels} (latent_channels in vae/config.json)"
        )


_Config = TypeVar("_Config", DiTConfig, VAEConfig, SchedulerConfig)


def _parse(kind: type[_Config], folder: Path, warnings: list[str]) -> _Config:
    name = _PARTS[kind]
    path = folder / name
    if kind is SchedulerConfig and not path.is_file():
        path = path.with_name("config.json")
    content = read_json(path)
    table = FILES[name]
    absent = sorted(_NOT_DEFAULT & table.keys() - content.keys())
    if absent:
        raise CheckpointError(f"{path}: has no {absent[0]}; copy the file that diffusers wrote")
    warnings += check(path, content, table)
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in content:
            continue
        value = frozen(content[field.name])
        if not well_typed(value, str(field.type)):
            raise CheckpointError(
                f"{path}: {field.name} is {shown(content[field.name])}, not usable; "
                "copy the file that diffusers wrote"
            )
        values[field.name] = value
    for key, row in table.items():
        given = content.get(key)
        if row.per_block and isinstance(given, list):
            blocks = len(values.get("decoder_block_types", given))
            if len(given) != blocks:
                raise CheckpointError(f"{path}: {key} has {len(given)} entries for {blocks} blocks")
    try:
        return kind(**values)
    except TypeError as error:
        raise CheckpointError(f"{path}: {str(error).partition('__init__() ')[2]}") from error
