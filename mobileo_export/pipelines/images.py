"""Pictures in and out: a file to what the vision encoder takes, a decoded image to a file."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import whole_file
from mobileo_export.errors import MissingDependencyError, MobileoError, UsageError, first_line
from mobileo_export.pipelines import colors, orientation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from PIL.Image import Image

    from mobileo_export.recipe import Preprocessing

# Pictures are padded to a square before they are resized: 0.8 GB as RGB at this size.
MAX_SIDE = 1 << 14
MAX_FILE = 1 << 30
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # that are written
QUALITY = 95  # of 100, where a format loses something
_DESCRIPTION, _SOFTWARE, _EXIF, _COMMENT = 0x010E, 0x0131, 0x8769, 0x9286  # EXIF tags
_DNG_VERSION, _SUBFILE = 50706, 254  # TIFF tags


def read(path: Path) -> NDArray[np.uint8]:
    """A photograph as it is meant to be seen: turned upright, in sRGB, the first frame.

    What is transparent becomes black, the color that pictures are padded with.

    Returns:
        [H, W, 3] uint8.

    Raises:
        UsageError: the file is missing, is no picture that can be read, is too large, or does not
            say what is white in it.
        MissingDependencyError: it is HEIC and the library for that is not installed.
    """
    if not path.is_file():
        raise UsageError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    if path.stat().st_size > MAX_FILE:
        raise UsageError(f"{path}: is {path.stat().st_size:,} bytes; at most 1 GB is read")
    return _seen(path, path)


def decode(data: bytes, name: str = "the picture") -> NDArray[np.uint8]:
    """:func:`read` of what a file holds; errors call it ``name``."""
    return _seen(io.BytesIO(data), name)


def _seen(file: Path | io.BytesIO, name: Path | str) -> NDArray[np.uint8]:
    upright = orientation.upright(_load(file, name))
    try:
        return np.asarray(colors.to_srgb(upright), np.uint8)
    except colors.UnknownRangeError as error:
        raise UsageError(f"{name}: {error}") from error


def _load(file: Path | io.BytesIO, name: Path | str) -> Image:
    """The first frame, its pixels decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is checked before pixels are decoded
            source, exif = _opened(file, name)
            with Image.open(source) as opened:
                if max(opened.size) > MAX_SIDE:
                    raise UsageError(
                        f"{name}: is {opened.width} x {opened.height} pixels, at most "
                        f"{MAX_SIDE} x {MAX_SIDE} are read; make it smaller first"
                    )
                if opened.format == "EPS":  # Pillow has Ghostscript run it
                    raise UsageError(
                        f"{name}: is PostScript, a program, and not run; save it as PNG first"
                    )
                if _is_preview(opened):
                    raise UsageError(
                        f"{name}: is a camera's raw file, in which only a preview can be read; "
                        "save it as JPEG, PNG or TIFF first"
                    )
                opened.load()
                if exif is not None:
                    opened.info["exif"] = exif
                return opened
    except MobileoError:
        raise
    except UnidentifiedImageError:
        raise UsageError(
            f"{name}: is no picture that can be read (JPEG, PNG, WebP, TIFF, GIF, …)"
        ) from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise UsageError(
            f"{name}: has more than {limit} million pixels; make it smaller first"
        ) from None
    except Exception as error:  # whatever Pillow's decoders trip over in a damaged file
        raise UsageError(f"{name}: cannot be read as a picture ({first_line(error)})") from error


def _opened(file: Path | io.BytesIO, name: Path | str) -> tuple[Path | io.BytesIO, bytes | None]:
    """What Pillow is given to read, and the EXIF that it is not."""
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file.getbuffer()) as opened:
        head = opened.read(12)
        if head.startswith(b"\xff\xd8"):
            data, exif = orientation.without_exif(head + opened.read())
            return io.BytesIO(data), exif
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        try:
            library = importlib.import_module("pillow_heif")
        except ImportError:
            raise MissingDependencyError(
                f"{name}: is HEIC; run: pip install pillow-heif, or save it as JPEG"
            ) from None
        library.register_heif_opener()
    return file, None


def _is_preview(image: Image) -> bool:
    """Whether a TIFF's first picture stands for another one: DNG and its like."""
    tags: Any = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and (_DNG_VERSION in tags or bool(tags.get(_SUBFILE, 0) & 1))


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


def png(pixels: NDArray[np.uint8], texts: Mapping[str, str]) -> bytes:
    """[H, W, 3] as PNG, with ``texts`` in its header."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    return _saved(pixels, "PNG", pnginfo=info)


def encoded(pixels: NDArray[np.uint8], texts: Mapping[str, str], suffix: str) -> bytes:
    """[H, W, 3] in the format of ``suffix``, one of :data:`FORMATS`, with ``texts`` in it.

    JPEG and WebP are of :data:`QUALITY`; the texts are in their EXIF: the software, what was asked
    for as the description of the picture, and all of them as the user's comment.
    """
    kind = FORMATS[suffix.lower()]
    if kind == "PNG":
        return png(pixels, texts)
    options = {"subsampling": 0} if kind == "JPEG" else {"method": 6}
    return _saved(pixels, kind, quality=QUALITY, exif=_exif(texts), **options)


def write(path: Path, pixels: NDArray[np.uint8], texts: Mapping[str, str]) -> None:
    """Write [H, W, 3] to ``path``, whole or not at all, in the format of its suffix."""
    with whole_file.writing(path) as file:
        file.write(encoded(pixels, texts, path.suffix))


def write_png(path: Path, pixels: NDArray[np.uint8], texts: Mapping[str, str]) -> None:
    """Write [H, W, 3] to ``path``, whole or not at all, with ``texts`` in its header."""
    with whole_file.writing(path) as file:
        file.write(png(pixels, texts))


def _saved(pixels: NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def _exif(texts: Mapping[str, str]) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[_SOFTWARE] = texts.get("Software", "")
    exif[_DESCRIPTION] = texts.get("prompt", "").encode()
    rest = json.dumps(dict(texts), ensure_ascii=False)
    exif.get_ifd(_EXIF)[_COMMENT] = b"UNICODE\0" + rest.encode("utf-16-be")
    return exif.tobytes()
