"""How a camera was held: the one thing that is read of a photograph's metadata.

Cameras and editors write EXIF that no two programs read alike, and much of it is damaged. Nothing
but the orientation is looked for, within bounds; what cannot be read is as if it were not there.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_TAG = 0x0112
_FORMATS = {1: "B", 3: "H", 4: "I"}  # byte, short, long; a short by the standard
_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\s*[\"'<]")


def upright(image: Image) -> Image:
    """A loaded picture as it is meant to be seen.

    TIFF is upright already: Pillow turns it when it loads the pixels.
    """
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = None if image.format == "TIFF" else turns.get(_of(image))
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = dict(image.info)
    return turned


def of_exif(data: bytes) -> int | None:
    """The orientation, 1 to 8, that a block of EXIF states; None where it states none."""
    while data.startswith(b"Exif\x00\x00"):
        data = data[6:]
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(data[:4])
    if order is None or len(data) < 10:
        return None
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return None
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", data, at)
        if tag == _TAG and kind in _FORMATS:
            (value,) = struct.unpack_from(f"{order}{_FORMATS[kind]}", data, at + 8)
            return value if 1 <= value <= 8 else None
    return None


def _of(image: Image) -> int:
    """From EXIF, else from EXIF as old PNG files have it in text, else from XMP; 1 is upright."""
    exif = image.info.get("exif")
    text = image.info.get("Raw profile type exif")
    if not isinstance(exif, bytes) and isinstance(text, str):
        try:  # a line that is empty, the name, the length, then digits
            exif = bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            exif = None
    found = of_exif(exif) if isinstance(exif, bytes) else None
    for key in ("XML:com.adobe.xmp", "xmp") if found is None else ():
        xmp = image.info.get(key)
        data = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp
        match = _XMP.search(data) if isinstance(data, bytes) else None
        if match:
            return int(match[1])
    return found or 1
