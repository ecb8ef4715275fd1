"""The intact inputs that cases are made from: small ones of every kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint

from ..merging import adapters
from ..surgery import shard

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
    "special_tokens_map.json", "generation_config.json",
)  # fmt: skip


def build(folder: Path, checkpoint: Path, bundle: Path, *, golden: bool) -> Path:
    """Lay the corpus out in the new ``folder``.

    Args:
        folder: is created.
        checkpoint: a tiny one.
        bundle: what was exported from it.
        golden: record a trace into a copy of the bundle, which takes seconds.
    """
    folder.mkdir(parents=True)
    shutil.copytree(checkpoint, folder / "checkpoint")
    shutil.copytree(checkpoint, folder / "sharded")
    shard(folder / "sharded")
    shutil.copytree(bundle, folder / "bundle")
    if golden and not (folder / "bundle" / "golden").exists():
        from mobileo_export.parity.golden.record import record

        record(folder / "bundle", Checkpoint.open(checkpoint), figures=False)
    (folder / "tokenizer").mkdir()
    for name in TOKENIZER:
        if (checkpoint / name).is_file():
            shutil.copy(checkpoint / name, folder / "tokenizer")
    (folder / "slow-tokenizer").mkdir()
    for path in (folder / "tokenizer").iterdir():
        if path.name != "tokenizer.json":
            shutil.copy(path, folder / "slow-tokenizer")
    for name in ("connector", "transformer"):
        (folder / name).mkdir()
        package, origins = f"{name}.mlpackage", f"{name}.operations.json"
        shutil.copytree(bundle / package, folder / name / package)
        shutil.copy(bundle / origins, folder / name)
    (folder / "llm-bundle").mkdir()
    shutil.copy(folder / "bundle" / "manifest.json", folder / "llm-bundle")
    shutil.copytree(bundle / "llm", folder / "llm-bundle" / "llm")
    _adapters(folder, Checkpoint.open(checkpoint))
    _arrays(folder / "arrays")
    _photographs(folder / "photographs")
    return folder


def _adapters(folder: Path, base: Checkpoint) -> None:
    values: dict[str, NDArray[np.float32]] = {}
    for seed, module in enumerate((adapters.Q, adapters.K, adapters.EMBEDDINGS)):
        values |= adapters.factors(base, module, seed=10 * seed)
    patterns: dict[str, Any] = {"rank_pattern": {}, "alpha_pattern": {"q_proj": 8}}
    adapters.write(folder / "adapter", values, **patterns)
    import torch

    pickled = adapters.write(folder / "pickled-adapter", values, **patterns)
    (pickled / adapters.WEIGHTS).unlink()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in values.items()}
    torch.save(tensors, pickled / "adapter_model.bin")


def _arrays(folder: Path) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "input_ids": np.arange(12, dtype=np.int32)[None],
        "latent": random.standard_normal((1, 8, 8, 8)).astype(np.float32),
        "timestep": np.full((1,), 500, np.float32),
    }
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "compressed.npz", **arrays)


def _photographs(folder: Path) -> None:
    from PIL import Image, ImageCms

    folder.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, 3), np.uint8)
    picture = Image.fromarray(pixels)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    picture.save(folder / "photo.jpg", exif=exif, icc_profile=profile)
    picture.save(folder / "photo.png", icc_profile=profile)
    picture.convert("RGBA").save(folder / "alpha.png")
    picture.quantize(17).save(folder / "palette.png", transparency=3)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    picture.save(folder / "photo.webp")
    picture.save(folder / "photo.gif")
    picture.save(folder / "photo.tiff", compression="tiff_lzw")
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "float.tiff")
    picture.save(folder / "photo.bmp")
    picture.save(folder / "photo.tga")
    picture.save(folder / "photo.ppm")
    picture.save(folder / "photo.jp2")
    picture.save(folder / "photo.ico")
    picture.convert("CMYK").save(folder / "cmyk.jpg")


def intact(folder: Path) -> bool:
    """Whether ``folder`` holds a whole corpus."""
    return (folder / "photographs" / "cmyk.jpg").is_file()
