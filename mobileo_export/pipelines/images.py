"""Pictures in and out: a file to what the vision encoder takes, a decoded image to a file."""

from __future__ import annotations

import io
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import __version__
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.recipe import Preprocessing

# Pictures are padded to a square before they are resized: 0.8 GB as RGB at this size.
MAX_SIDE = 1 << 14
MAX_FILE = 1 << 30


def read(path: Path) -> NDArray[np.uint8]:
    """A photograph as it is meant to be seen: turned upright, in sRGB, the first frame.

    What is transparent becomes black, the color that pictures are padded with.

    Returns:
        [H, W, 3] uint8.

    Raises:
        UsageError: the file is missing, is no picture that Pillow reads, or is too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if not path.is_file():
            raise UsageError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        if path.stat().st_size > MAX_FILE:
            raise UsageError(f"{path}: is {path.stat().st_size:,} bytes; at most 1 GB is read")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is checked before pixels are decoded
            with Image.open(path) as opened:
                if max(opened.size) > MAX_SIDE:
                    raise UsageError(
                        f"{path}: is {opened.width} x {opened.height} pixels, at most "
                        f"{MAX_SIDE} x {MAX_SIDE} are read; make it smaller first"
                    )
                upright = ImageOps.exif_transpose(opened)
                return np.asarray(_to_srgb(upright), np.uint8)
    except UsageError:
        raise
    except UnidentifiedImageError:
        raise UsageError(f"{path}: is no picture that can be read (JPEG, PNG, WebP, …)") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UsageError(
            f"{path}: has more than {limit} million pixels; make it smaller first"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError) as error:
        # Pillow's decoders raise all of these for a damaged file.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path}: cannot be read as a picture ({reason})") from error


def prepare(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """A photograph padded to a square, resized by Pillow's bicubic filter, and scaled.

    Args:
        pixels: [H, W, 3] uint8.
        preprocessing: how; ``fit`` must be ``pad`` and ``resample`` ``bicubic``.

    Returns:
        [3, S, S] float32.
    """
    from PIL import Image

    if (preprocessing.fit, preprocessing.resample) != ("pad", "bicubic"):
        raise ValueError(f"cannot prepare pictures as {preprocessing}")
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = Image.new("RGB", (side, side), preprocessing.pad_color)
    square.paste(Image.fromarray(pixels), ((side - width) // 2, (side - height) // 2))
    size = preprocessing.image_size
    resized: Any = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    scaled = resized.astype(np.float32) * np.float32(preprocessing.rescale)
    mean, std = (np.array(v, np.float32) for v in (preprocessing.mean, preprocessing.std))
    normalised = (scaled - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1).astype(np.float32))


def to_pixels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A decoded image [1, 3, H, W], about −1 to 1, as [H, W, 3]: rounded to nearest, not cut off.

    (x / 2 + 0.5) clamped to 0..1, times 255. Not a number becomes black.
    """
    unit = np.clip(image[0] / np.float32(2) + np.float32(0.5), 0, 1)
    rounded: NDArray[np.float32] = np.rint(np.nan_to_num(unit, nan=0.0) * np.float32(255))
    return np.ascontiguousarray(rounded.astype(np.uint8).transpose(1, 2, 0))


def check_png_path(path: Path) -> None:
    """Raise UsageError, before anything is computed, when no picture could be written there."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: name a .png file")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a .png file")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder; create it first")


def texts(prompt: str, drawing: Drawing) -> dict[str, str]:
    """What a drawn picture says of itself: enough to draw it again with the same model."""
    return {
        "Software": f"mobileo-export {__version__}",
        "prompt": prompt,
        "steps": str(drawing.steps),
        "guidance": f"{drawing.guidance:g}",
        "seed": str(drawing.seed),
    }


def write_png(path: Path, pixels: NDArray[np.uint8], texts: Mapping[str, str]) -> None:
    """Write [H, W, 3] to ``path``, whole or not at all, with ``texts`` in its header."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", pnginfo=info)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            file.write(data.getvalue())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _to_srgb(image: Image) -> Image:
    from PIL import Image as Pictures

    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode == "I":
        # 16-bit grey: its upper byte. Pillow's own conversion would clip it to white.
        values = np.asarray(image).astype(np.int64)
        image = Pictures.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "F":
        image = Pictures.fromarray(
            np.clip(np.nan_to_num(np.asarray(image)), 0, 255).astype(np.uint8)
        )
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    elif image.mode in {"P", "1", "La", "LA"}:
        image = image.convert("RGB")
    image = _from_profile(image, profile) if profile else image
    image = image.convert("RGB")
    if alpha is not None:
        black = Pictures.new("RGB", image.size)
        image = Pictures.composite(image, black, alpha)
    return image


def _from_profile(image: Image, profile: bytes) -> Image:
    """Colors of the embedded profile in sRGB; as they are when the profile does not fit them."""
    from PIL import ImageCms

    if image.mode == "RGBA":
        image = image.convert("RGB")
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, found, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted if converted is not None else image
