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
_EXIF = b"Exif\x00\x00"
_PIXELS = {0xDA, 0xD9}  # the markers where a JPEG's segments end
_ALONE = {0x01, 0xFF, *range(0xD0, 0xD9)}  # those, and the filling, without a length
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


def without_exif(jpeg: bytes) -> tuple[bytes, bytes | None]:
    """A JPEG file without its EXIF, and the EXIF.

    Pillow reads it when it opens a file, and where it is damaged may not open the file at all.
    """
    kept, exif, at = [jpeg[:2]], None, 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker in _PIXELS:
            break
        alone = marker in _ALONE
        length = 0 if alone else int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2 and not alone:
            break
        end = at + (1 if marker == 0xFF else 2 + length)
        if marker == 0xE1 and jpeg[at + 4 : at + 10] == _EXIF:
            exif = (exif or _EXIF) + jpeg[at + 10 : end]  # one that is long goes on in the next
        else:
            kept.append(jpeg[at:end])
        at = end
    return b"".join([*kept, jpeg[at:]]), exif


def of_exif(data: bytes) -> int | None:
    """The orientation, 1 to 8, that a block of EXIF states; None where it states none."""
    while data.startswith(_EXIF):
        data = data[len(_EXIF) :]
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
