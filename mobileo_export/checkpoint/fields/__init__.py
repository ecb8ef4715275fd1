"""What becomes of every field of a checkpoint's configuration files: one table a file.

A field is honored, irrelevant, overruled by the recipe (said, not applied), or accepted with some
values only. ``docs/checkpoint-fields.md`` shows the tables; tests hold them against the classes of
transformers and diffusers, so that a field of a new version cannot pass unseen.
"""

from __future__ import annotations

from mobileo_export.checkpoint.fields import diffusion, generation, language
from mobileo_export.checkpoint.fields.table import Field, Table, check

FILES: dict[str, Table] = {
    "config.json": language.CONFIG,
    "generation_config.json": generation.GENERATION,
    "preprocessor_config.json": generation.PREPROCESSOR,
    "transformer/config.json": diffusion.TRANSFORMER,
    "vae/config.json": diffusion.VAE,
    "scheduler/scheduler_config.json": diffusion.SCHEDULER,
}

# Objects that other formats keep the language model's fields in; refused before anything is missed.
NESTED = language.NESTED

__all__ = ["FILES", "NESTED", "Field", "Table", "check"]
