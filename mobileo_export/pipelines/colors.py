"""Pixels of whatever kind a file has, as sRGB on black: 8 bits, three channels.

What is not said by a file is not guessed: whether 1.0 or 255.0 is white in floating point, or what
is white among 32-bit integers.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_BITS, _PHOTOMETRIC = 258, 262  # TIFF tags; photometric 0 counts from white


class UnknownRangeError(ValueError):
    """What is white in a picture is not known; the text says what to do."""


def to_srgb(image: Image) -> Image:
    """A loaded picture in mode RGB: colors of its profile in sRGB, what is transparent is black.

    Raises:
        UnknownRangeError: its numbers could mean several things.
    """
    from PIL import Image as Pictures

    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith("I") or image.mode == "F":
        image, alpha = _eight_bits(image)
    elif _is_clear(image):
        grey = image.mode == "LA"  # its profile is one of grey
        whole = image if grey else image.convert("RGBA")
        alpha = whole.getchannel("A")
        image = whole.getchannel("L") if grey else whole.convert("RGB")
    elif image.mode in {"P", "PA", "1"}:
        image = image.convert("RGB")
    if image.mode == "LAB":
        image = _from_lab(image)
    elif profile:
        image = _from_profile(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        image = Pictures.composite(image, Pictures.new("RGB", image.size), alpha)
    return image


def _is_clear(image: Image) -> bool:
    """Pillow's has_transparency_data, which Pillow 10.0 lacks."""
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        return True
    palette = image.palette if image.mode == "P" else None
    return palette is not None and palette.mode.endswith("A")


def _eight_bits(image: Image) -> tuple[Image, Image | None]:
    """Grey of more bits in mode L, and where it is clear."""
    from PIL import Image as Pictures

    tags: Any = getattr(image, "tag_v2", {})
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "F":
        unit = _unit(values)
    else:
        full = _full_scale(image, tags)
        clear = image.info.get("transparency")
        unit = (np.clip(values.astype(np.int64), 0, full) >> (full.bit_length() - 8)) / 255
    if tags.get(_PHOTOMETRIC) == 0:
        unit = 1 - unit
    grey = Pictures.fromarray(np.rint(unit * 255).astype(np.uint8))
    if image.mode == "F" or not isinstance(clear, int):
        return grey, None
    return grey, Pictures.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))


def _unit(values: NDArray[Any]) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise UnknownRangeError("holds values that are no numbers; save it with 8 or 16 bits")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise UnknownRangeError(
            f"holds floating-point values from {low:g} to {high:g}, of which 0 to 1 is read; scale "
            "it, or save it with 8 or 16 bits"
        )
    return values.astype(np.float64)


def _full_scale(image: Image, tags: Any) -> int:
    """What is white among integers: 16 bits where the file or its format says so."""
    bits = tags.get(_BITS, (16,))
    bits = bits[0] if isinstance(bits, tuple) else bits
    # Pillow widens these formats to 16 bits itself, in mode I.
    if image.mode.startswith("I;16") or image.format in {"PNG", "PPM", "JPEG2000"}:
        return (1 << bits) - 1 if bits in {12, 16} else 65535
    raise UnknownRangeError(
        f"holds {bits}-bit integers of which white is not known; save it with 8 or 16 bits"
    )


def _from_lab(image: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    return converted if converted is not None else image


def _from_profile(image: Image, profile: bytes) -> Image:
    """Colors of the embedded profile in sRGB; as they are when the profile does not fit them."""
    from PIL import ImageCms

    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, found, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted if converted is not None else image
