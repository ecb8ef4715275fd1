"""The registry: what the five components are, declared once.

Converters, runtimes, the manifest and the tests all read a component's tensors and signature here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export.checkpoint import expected_tensors
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION, ModelConfig
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.processes import collecting

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint, Weights

Shape = tuple[int, ...]
Precision = Literal["float32", "float16"]
Layout = Literal["sequence", "image", "logits"]  # what the axes of an output mean


@dataclass(frozen=True)
class Dim:
    """A dimension that varies from call to call, within bounds that the artifact states."""

    name: str
    low: int
    high: int
    default: int


# Prompts are never padded: from the shortest template to an edit with 256 image tokens.
SEQUENCE = Dim("N", 8, 768, 77)
POSITIONS = "T"  # name of the dimension that the language model's context bounds


@dataclass(frozen=True)
class TensorSpec:
    """One named input or output: ``shape`` mixes fixed sizes and :class:`Dim`."""

    name: str
    shape: tuple[int | Dim, ...]
    description: str
    dtype: Literal["float32", "float16", "int32"] = "float32"
    optional: bool = False

    def at(self, **sizes: int) -> Shape:
        """The concrete shape with the named dimensions set (or at their defaults).

        Raises:
            UsageError: a size lies outside its bounds.
        """
        shape = []
        for dim in self.shape:
            if isinstance(dim, int):
                shape.append(dim)
                continue
            size = sizes.get(dim.name, dim.default)
            if not dim.low <= size <= dim.high:
                raise UsageError(
                    f"{self.name}: {dim.name} is {size}, allowed are {dim.low} to {dim.high}"
                )
            shape.append(size)
        return tuple(shape)


@dataclass(frozen=True)
class ComponentSpec:
    """One component of the model.

    Attributes:
        name: in the manifest and on the command line.
        title: what it is.
        short: the same for a caption, without names of models.
        prefixes: of its tensors in a checkpoint.
        file: its name in a bundle, to which a target adds a suffix.
        config: its part of the dimensions, which its reference is built by.
        libraries: modules that its reference imports beside torch: seconds of every process.
        tensors: full checkpoint names and shapes.
        inputs: its signature.
        outputs: likewise.
        layouts: what the axes of each output mean.
        half: whether a float16 build makes it float16.
        compute_units: what an app should ask Core ML for.
        previewed: whether a linear map of its input's channels tells the colors that it gives.
    """

    name: str
    title: str
    short: str
    prefixes: tuple[str, ...]
    file: str
    config: Callable[[ModelConfig], Any]
    tensors: Callable[[ModelConfig], dict[str, Shape]]
    inputs: Callable[[ModelConfig], tuple[TensorSpec, ...]]
    outputs: Callable[[ModelConfig], tuple[TensorSpec, ...]]
    layouts: Mapping[str, Layout]
    libraries: tuple[str, ...] = ()
    half: bool = True
    compute_units: Literal["all", "cpu_and_gpu"] = "all"
    previewed: bool = False

    def precision(self, asked: Precision) -> Precision:
        """What it is built in when a build of the precision ``asked`` is."""
        return asked if self.half else "float32"

    def reference(self, checkpoint: Checkpoint, weights: Weights) -> torch.nn.Module:
        """The PyTorch float32 reference, built from the checkpoint's own values.

        Its ``forward`` takes the inputs in the signature's order, returns one output or a tuple.

        Raises:
            CheckpointError: a tensor is missing, unexpected or of the wrong shape.
            UsageError: ``post-trained`` is asked of a checkpoint without nested copies.
        """
        checkpoint.require_weights(weights)
        self.check(checkpoint)
        with collecting.paused():  # the first of them imports its libraries
            module = import_module(f"mobileo_export.reference.{self.name}")
            config = self.config(checkpoint.model)
            built: torch.nn.Module = module.assemble(config, checkpoint, weights)
        return built

    def preview(self, reference: torch.nn.Module, model: ModelConfig) -> dict[str, Any] | None:
        """The map of colors of ``reference``, see ``reference.preview``; None if it has none."""
        if not self.previewed:
            return None
        module = import_module("mobileo_export.reference.preview")
        vae = model.diffusion.vae
        found: dict[str, Any] | None = module.fit(
            reference, vae.latent_channels, 1 / vae.scaling_factor
        )
        return found

    def check(self, checkpoint: Checkpoint) -> None:
        """Raise CheckpointError unless the checkpoint holds exactly this component's tensors."""
        checkpoint.check(self.tensors(checkpoint.model), self.prefixes)

    def example_inputs(
        self, model: ModelConfig, seed: int = 0, **sizes: int
    ) -> dict[str, NDArray[Any]]:
        """Random inputs of realistic scale: unit normal, ids in range, timestep 500, mask of ones.

        Images are uniform in 0..1. Optional inputs are left out.
        """
        # Ordinary text only: the rows from the first special token on are left out.
        top = max(model.llm.vocab_size - 6, 1)
        return random_inputs(self.inputs(model), top, seed, **sizes)


def random_inputs(
    specs: Iterable[TensorSpec], top: int, seed: int = 0, **sizes: int
) -> dict[str, NDArray[Any]]:
    """What :meth:`ComponentSpec.example_inputs` gives, of a signature; ids are below ``top``."""
    import numpy as np

    random = np.random.default_rng(seed)
    arrays: dict[str, NDArray[Any]] = {}
    for spec in specs:
        if spec.optional:
            continue
        shape = spec.at(**sizes)
        if spec.name == "input_ids":
            arrays[spec.name] = random.integers(0, top, shape, dtype=np.int32)
        elif spec.name == "timestep":
            arrays[spec.name] = np.full(shape, 500.0, np.float32)
        elif spec.name == "encoder_attention_mask":
            arrays[spec.name] = np.ones(shape, np.float32)
        elif spec.name == "images":
            arrays[spec.name] = random.random(shape, dtype=np.float32)
        else:
            arrays[spec.name] = random.standard_normal(shape, dtype=np.float32)
    return arrays


def _prefixed(prefix: str, tensors: dict[str, Shape]) -> dict[str, Shape]:
    return {prefix + name: shape for name, shape in tensors.items()}


def _latent(model: ModelConfig, description: str) -> TensorSpec:
    dit = model.diffusion.dit
    shape = (1, dit.in_channels, dit.sample_size, dit.sample_size)
    return TensorSpec("latent", shape, description)


def _hidden_states(model: ModelConfig) -> TensorSpec:
    return TensorSpec(
        "stacked_hidden_states",
        (1, model.mcp.num_layers, SEQUENCE, model.llm.hidden_size),
        "The last K hidden states of the language model, the last one after the final norm",
    )


def _conditioning(model: ModelConfig, name: str) -> TensorSpec:
    return TensorSpec(name, (1, SEQUENCE, model.mcp.output_dim), "Output of the MCP")


def _image_features(model: ModelConfig, optional: bool) -> TensorSpec:
    return TensorSpec(
        "image_features",
        (1, model.vision.num_tokens, model.vision.feature_dim),
        "Row-major grid of vision features, before the image projector",
        optional=optional,
    )


def _vision_inputs(model: ModelConfig) -> tuple[TensorSpec, ...]:
    size = model.vision.image_size
    return (TensorSpec("images", (1, 3, size, size), "RGB image, values 0 to 1, not normalised"),)


def _dit_inputs(model: ModelConfig) -> tuple[TensorSpec, ...]:
    return (
        _latent(model, "Noisy latent image"),
        TensorSpec("timestep", (1,), "Denoising step, 0 to 1000"),
        _conditioning(model, "encoder_hidden_states"),
        TensorSpec("encoder_attention_mask", (1, SEQUENCE), "1 for a real token, 0 to ignore it"),
    )


def _dit_outputs(model: ModelConfig) -> tuple[TensorSpec, ...]:
    dit = model.diffusion.dit
    shape = (1, dit.out_channels, dit.sample_size, dit.sample_size)
    return (TensorSpec("velocity", shape, "Flow velocity: noise minus image"),)


def _image(model: ModelConfig) -> tuple[TensorSpec, ...]:
    size = model.image_size
    return (TensorSpec("image", (1, 3, size, size), "RGB image, about -1 to 1"),)


def _llm_inputs(model: ModelConfig) -> tuple[TensorSpec, ...]:
    length = Dim(POSITIONS, 1, model.llm.max_position_embeddings, 77)
    return (
        TensorSpec("input_ids", (1, length), "Token ids; one image token stands for M", "int32"),
        _image_features(model, optional=True),
    )


def _llm_outputs(model: ModelConfig) -> tuple[TensorSpec, ...]:
    logits = TensorSpec("logits", (1, model.llm.vocab_size), "Next-token scores after the last")
    return (_hidden_states(model), logits)


# As the authors' app asks: too large for it.
_NO_NEURAL_ENGINE: Literal["cpu_and_gpu"] = "cpu_and_gpu"
_COMPONENTS = (
    ComponentSpec(
        "vision_encoder",
        "FastViTHD vision encoder",
        "Vision encoder",
        (VISION,),
        "vision_encoder",
        lambda model: model.vision,
        lambda model: _prefixed(VISION, expected_tensors.vision_encoder(model.vision)),
        _vision_inputs,
        lambda model: (_image_features(model, optional=False),),
        {"image_features": "sequence"},
        libraries=("timm.models.fastvit",),
    ),
    ComponentSpec(
        "mcp",
        "Mobile Conditioning Projector",
        "Conditioning projector",
        (MCP,),
        "connector",
        lambda model: model.mcp,
        lambda model: _prefixed(MCP, expected_tensors.mcp(model.mcp)),
        lambda model: (_hidden_states(model),),
        lambda model: (_conditioning(model, "conditioning"),),
        {"conditioning": "sequence"},
        # Of zero hidden states, the unconditional branch, it makes tokens that are all alike, in
        # which some channels are near zero as a whole: half precision is off there by 4 to 8 %,
        # float32 norms or a float32 output layer alone change little, and all of it in float32
        # costs 5 MB at full size.
        half=False,
    ),
    ComponentSpec(
        "dit",
        "SANA diffusion transformer",
        "Diffusion transformer",
        ("model.dit.",),
        "transformer",
        lambda model: model.diffusion.dit,
        lambda model: _prefixed("model.dit.", expected_tensors.dit(model.diffusion.dit)),
        _dit_inputs,
        _dit_outputs,
        {"velocity": "image"},
        libraries=("diffusers.models.transformers.sana_transformer",),
        compute_units=_NO_NEURAL_ENGINE,
    ),
    ComponentSpec(
        "vae_decoder",
        "DC-AE decoder",
        "VAE decoder",
        ("model.vae.decoder.",),
        "vae_decoder",
        lambda model: model.diffusion.vae,
        lambda model: _prefixed(
            "model.vae.decoder.", expected_tensors.vae_decoder(model.diffusion.vae)
        ),
        lambda model: (_latent(model, "Latent image, divided by the VAE's scaling factor"),),
        _image,
        {"image": "image"},
        libraries=("diffusers.models.autoencoders.autoencoder_dc",),
        compute_units=_NO_NEURAL_ENGINE,
        previewed=True,
    ),
    ComponentSpec(
        "llm",
        "Qwen2 language model with image projector",
        "Language model",
        ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.", PROJECTOR),
        "llm",
        lambda model: model,
        lambda model: (
            expected_tensors.language_model(model.llm)
            | _prefixed(PROJECTOR, expected_tensors.image_projector(model.vision, model.llm))
        ),
        _llm_inputs,
        _llm_outputs,
        {"stacked_hidden_states": "sequence", "logits": "logits"},
        libraries=("transformers.models.qwen2.modeling_qwen2",),
    ),
)
COMPONENTS: dict[str, ComponentSpec] = {spec.name: spec for spec in _COMPONENTS}
LAYOUTS: dict[str, Layout] = {
    output: layout for spec in _COMPONENTS for output, layout in spec.layouts.items()
}
# Stored in a checkpoint, needed by nothing on a device.
TRAINING_ONLY = ("model.vae.encoder.",)


# What the files of a bundle are called: other names of their components.
ALIASES = {spec.file: spec.name for spec in _COMPONENTS if spec.file != spec.name}
NAMED = ", ".join(
    spec.name if spec.file == spec.name else f"{spec.name} (or {spec.file})" for spec in _COMPONENTS
)


def select(names: str | None) -> tuple[ComponentSpec, ...]:
    """The components of a comma-separated list, in registry order; all of them for None.

    A component is named by its name or by that of its file: ``dit`` is ``transformer`` too.

    Raises:
        UsageError: a name is unknown or the list is empty.
    """
    if names is None:
        return _COMPONENTS
    given = (name.strip() for name in names.split(","))
    wanted = {ALIASES.get(name, name) for name in given if name}
    unknown = sorted(wanted - COMPONENTS.keys())
    if unknown or not wanted:
        raise UsageError(
            f"unknown component {unknown[0] if unknown else ''!r}; choose from {NAMED}"
        )
    return tuple(spec for spec in _COMPONENTS if spec.name in wanted)


def check_foreign(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError for a tensor that belongs to no component of Mobile-O."""
    known = tuple(prefix for spec in _COMPONENTS for prefix in spec.prefixes) + TRAINING_ONLY
    for name, info in (*checkpoint.top_level.items(), *checkpoint.nested.items()):
        if not name.startswith(known):
            hint = (
                "merge the adapter into its base first"
                if "lora_" in name
                else "this release of mobileo-export does not know that model"
            )
            raise CheckpointError(f"{info.file}: tensor {info.name} is unexpected; {hint}")
