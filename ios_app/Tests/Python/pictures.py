"""Pictures for the Swift tests: sizes that resize differently, and PNG files of every form."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALL = ((1, 1, 8), (1, 7, 16), (9, 1, 16), (5, 4, 16), (23, 37, 16), (40, 40, 16), (16, 16, 16))
_LARGE = (
    (241, 321, 256), (321, 241, 256), (256, 256, 256), (255, 257, 256), (1, 300, 64),
    (300, 1, 64), (2, 3, 256), (7, 1024, 224), (1024, 768, 1024), (640, 480, 1024),
    (1080, 1920, 1024), (600, 600, 1024), (4032, 3024, 1024), (3024, 4032, 1024), (4000, 3000, 336),
    (2048, 2048, 1024), (1025, 1023, 1024), (333, 777, 512), (65, 64, 32), (64, 65, 32),
)  # fmt: skip


def sizes(large: bool) -> Iterator[tuple[int, int, int]]:
    """Height, width, and the side to resize to."""
    yield from _SMALL
    if large:
        yield from _LARGE
        rng = np.random.default_rng(8)
        for _ in range(60):
            height, width, size = (int(n) for n in rng.integers(1, 200, 3))
            yield height, width, size + 1


def drawn(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """Noise over gradients, with hard edges: [H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 5 + y * (c + 1)) % 256 for c in range(3)]
    image = np.stack(planes, -1).astype(np.uint8)
    noisy = rng.random((height, width)) < 0.3
    image[noisy] = rng.integers(0, 256, (int(noisy.sum()), 3))
    image[(x // 8 + y // 8) % 5 == 0] = (255, 0, 255)
    return image


def png_files(large: bool) -> Iterator[tuple[str, bytes]]:
    """Name and content: every color type, depth and interlacing, transparency, orientation."""
    for name, content in _forms(13, 9):
        if large or "interlaced" not in name or "8" in name:
            yield name, content
    for value in range(0, 10):
        exif = Image.Exif()
        exif[0x0112] = value
        yield f"exif-{value}", _saved(Image.fromarray(drawn(value, 5, 8)), exif=exif)
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    yield "xmp", _saved(Image.fromarray(drawn(3, 5, 8)), pnginfo=info)
    rgba = np.dstack([drawn(4, 17, 19), drawn(5, 17, 19)[..., 0]])
    yield "rgba", _saved(Image.fromarray(rgba))
    grey = drawn(6, 17, 19)
    yield "la", _saved(Image.fromarray(rgba).convert("LA"))
    palette = Image.fromarray(grey).quantize(40)
    yield "palette", _saved(palette)
    palette.info["transparency"] = bytes(range(0, 200, 5))
    yield "palette-alpha", _saved(palette, transparency=bytes(range(0, 200, 5)))
    yield "one", _saved(Image.fromarray(grey[..., 0] > 100))
    sixteen = (np.arange(300, dtype=np.uint32) * 218 % 65536).astype(np.uint16).reshape(15, 20)
    yield "grey16", _saved(Image.fromarray(sixteen))
    yield "large", _saved(Image.fromarray(drawn(9, 200, 300)))


def _saved(image: Image.Image, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", **options)
    return data.getvalue()


def _forms(width: int, height: int) -> Iterator[tuple[str, bytes]]:
    """Files of random samples, written by hand: Pillow writes a few of the forms only."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    rng = np.random.default_rng(2)
    for color, count in channels.items():
        for depth in depths[color]:
            samples = rng.integers(0, 1 << depth, (height, width, count))
            palette = rng.integers(0, 256, (1 << min(depth, 8), 3)).astype(np.uint8)
            for interlaced in (0, 1):
                for transparent in (False, True):
                    if transparent and color in {4, 6}:
                        continue
                    name = f"type{color}-{depth}" + "-interlaced" * interlaced
                    trns = b""
                    if transparent:
                        name += "-trns"
                        trns = (
                            rng.integers(0, 256, len(palette)).astype(np.uint8).tobytes()
                            if color == 3
                            else samples[0, 0].astype(">u2").tobytes()
                        )
                    yield name, _png(samples, color, depth, interlaced, palette, trns)


def _png(
    samples: NDArray[np.int64], color: int, depth: int, interlaced: int,
    palette: NDArray[np.uint8], trns: bytes,
) -> bytes:  # fmt: skip
    height, width, _ = samples.shape
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]  # fmt: skip
    data = b""
    row = 0
    for x, y, across, down in passes:
        part = samples[y::down, x::across]
        if not part.size:
            continue
        above = b""
        for line in part:
            packed = _packed(line.reshape(-1), depth)
            above = above or bytes(len(packed))
            data += bytes([row % 5]) + _filter(
                row % 5, packed, above, max(1, depth * line.shape[1] // 8)
            )
            above = packed
            row += 1
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    chunks = [(b"IHDR", header)]
    if color == 3:
        chunks.append((b"PLTE", palette.tobytes()))
    if trns:
        chunks.append((b"tRNS", trns))
    packed = zlib.compress(data)
    chunks += [(b"IDAT", packed[:9]), (b"IDAT", packed[9:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _packed(values: NDArray[np.int64], depth: int) -> bytes:
    if depth == 16:
        return values.astype(">u2").tobytes()
    bits = "".join(format(int(value), f"0{depth}b") for value in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def _filter(kind: int, line: bytes, above: bytes, distance: int) -> bytes:
    out = bytearray()
    for place, value in enumerate(line):
        left = line[place - distance] if place >= distance else 0
        corner = above[place - distance] if place >= distance else 0
        up = above[place]
        estimate = left + up - corner
        nearest = min((left, up, corner), key=lambda v: abs(estimate - v))
        out.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
    return bytes(out)
