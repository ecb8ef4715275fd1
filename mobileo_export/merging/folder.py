"""What a merged checkpoint holds beside its weights, and how its folder is recognised."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bundle.workspace import Kind
from mobileo_export.checkpoint import diffusion_config, license, tokenizer_files
from mobileo_export.checkpoint.folder import read_json
from mobileo_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.folder import Checkpoint

RECORD = "merge.json"
_TEXTS = (
    tokenizer_files.CONFIG,
    tokenizer_files.FAST,
    *tokenizer_files.SLOW,
    *tokenizer_files.OPTIONAL,
    "preprocessor_config.json",
    "processor_config.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
)
_DIFFUSION = "diffusion"
_CARD = """\
Made by `mobileo-export merge-lora`. The licence is the base's; an adapter may have terms of its
own.
"""
# What the release's inference code loads; training saves other names.
_RELEASED = {"architectures": ["MobileOForInferenceLM"], "model_type": "mobileo_inference"}
_GENERATOR = {"name": "mobileo-export", "version": __version__}


def _is_merged(folder: Path) -> bool:
    try:
        generator = read_json(folder / RECORD).get("generator")
    except CheckpointError:
        return False
    return isinstance(generator, dict) and generator.get("name") == _GENERATOR["name"]


KIND = Kind("merged checkpoint", "merge", _is_merged, RECORD)


def write(base: Checkpoint, output: Path, untied: bool, record: Mapping[str, Any]) -> list[str]:
    """Write all but the weights into ``output``; returns the names, in order.

    The tokenizer is the base's: training may have saved another one beside the adapter.
    """
    config = {**base.config, **_RELEASED}
    if untied:
        config["tie_word_embeddings"] = False
    for name in _TEXTS:
        if (base.path / name).is_file():
            shutil.copyfile(base.path / name, output / name)
    name = base.model.diffusion.name
    if name not in diffusion_config.KNOWN or (base.path / name).is_dir():
        # A folder outside the checkpoint would not travel along: it comes inside.
        inside = not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
        config["diffusion_name_or_path"] = name if inside else _DIFFUSION
        diffusion_config.save(base.model.diffusion, output / str(config["diffusion_name_or_path"]))
    _write_json(output / "config.json", config)
    stated = license.terms(base)
    if stated.license != license.NONE:
        (output / license.CARD).write_text(license.card(stated, _CARD), encoding="utf-8")
    _write_json(output / RECORD, {"generator": _GENERATOR, **record})
    return sorted(
        path.relative_to(output).as_posix()
        for path in output.rglob("*.*")
        if path.is_file() and path.suffix != ".safetensors" and not path.name.startswith(".")
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
