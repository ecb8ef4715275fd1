"""Orientation is found where cameras put it, and no damage to the rest keeps a picture away."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export.pipelines import images, orientation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# What a camera that is held so stores of a picture.
STORED: dict[int, Callable[[Any], Any]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
COUNT = 2000


@pytest.fixture(scope="module")
def colors() -> NDArray[np.uint8]:
    """A small picture without symmetry: [8, 16, 3]."""
    return np.random.default_rng(5).integers(0, 256, (8, 16, 3), np.uint8)


def stored(colors: NDArray[np.uint8], turn: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(STORED[turn](colors)))


def camera(turn: int) -> Image.Exif:
    """EXIF as a camera writes it, with what trips programs up: several kinds, two folders."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = turn
    exif[0x011A] = 72.0
    exif[0x0128] = 2
    inner = exif.get_ifd(0x8769)
    inner[0x829A] = 0.01
    inner[0x9003] = "2026:01:01 00:00:00"
    inner[0x927C] = b"maker's note" * 4
    exif.get_ifd(0x8825)[0x0002] = (48.0, 8.0, 0.0)
    return exif


@pytest.mark.parametrize("turn", STORED)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
    ],
)
def test_every_format_is_turned_upright(
    tmp_path: Path, colors: NDArray[np.uint8], turn: int, name: str, options: dict[str, Any]
) -> None:
    stored(colors, turn).save(tmp_path / name, exif=camera(turn), **options)
    assert np.array_equal(images.read(tmp_path / name), colors)


@pytest.mark.parametrize("turn", STORED)
def test_as_pillow_turns(tmp_path: Path, colors: NDArray[np.uint8], turn: int) -> None:
    from PIL import ImageOps

    path = tmp_path / "a.jpg"
    stored(colors, turn).save(path, exif=camera(turn))
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(images.read(path), expected)


@pytest.mark.parametrize("turn", [3, 6])
def test_text_and_xmp_are_read_too(tmp_path: Path, colors: NDArray[np.uint8], turn: int) -> None:
    from PIL.PngImagePlugin import PngInfo

    data = camera(turn).tobytes()
    old, xmp = PngInfo(), PngInfo()
    old.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n")
    xmp.add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{turn}"/>')
    for info in (old, xmp):
        stored(colors, turn).save(tmp_path / "a.png", pnginfo=info)
        assert np.array_equal(images.read(tmp_path / "a.png"), colors)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ((0x0112, 3, 1, b"\x06\x00\x00\x00"), 6),
        ((0x0112, 4, 1, b"\x06\x00\x00\x00"), 6),  # a long, as some phones write
        ((0x0112, 3, 0, b"\x06\x00\x00\x00"), 6),
        ((0x0112, 3, 1, b"\x00\x00\x00\x00"), None),
        ((0x0112, 3, 1, b"\x09\x00\x00\x00"), None),
        ((0x0112, 2, 1, b"6\x00\x00\x00"), None),
        ((0x0113, 3, 1, b"\x06\x00\x00\x00"), None),
    ],
)
def test_one_entry(entry: tuple[int, int, int, bytes], expected: int | None) -> None:
    tag, kind, count, value = entry
    body = tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little")
    data = b"II*\x00\x08\x00\x00\x00\x01\x00" + body + value
    assert orientation.of_exif(data) == expected
    assert orientation.of_exif(b"Exif\x00\x00" + data) == expected
    assert orientation.of_exif(data[:8] + b"\xff\xff" + data[10:]) == expected  # 65,535 entries
    for length in range(len(data)):
        assert orientation.of_exif(data[:length]) is None


def damage(data: bytearray, start: int, end: int, chance: random.Random) -> None:
    """Other bytes anywhere in a block, or other tags, types, counts and offsets of its entries."""
    for _ in range(chance.choice((1, 2, 4, 16))):
        if chance.random() < 0.3:
            data[chance.randrange(start, end)] = chance.randrange(256)
        else:
            entry = start + 10 + 12 * chance.randrange(8)
            at = entry + chance.choice((0, 1, 2, 3, 7, 8, 9, 10, 11))
            data[min(at, end - 1)] = chance.choice((0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 255))


def test_damaged_exif_ends_in_a_picture(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    """2,000 blocks, some bytes of each changed at random; nothing else of the file is."""
    files, pixels = {}, {}
    for turn in STORED:
        buffer = io.BytesIO()
        stored(colors, turn).save(buffer, "JPEG", exif=camera(turn))
        files[turn] = buffer.getvalue()
        with Image.open(buffer) as opened:
            pixels[turn] = np.asarray(opened)
    chance, path, same = random.Random(0), tmp_path / "a.jpg", 0
    for number in range(COUNT):
        turn = 1 + number % 8
        data = bytearray(files[turn])
        start = data.index(b"Exif\x00\x00") + 6
        end = start - 8 + int.from_bytes(data[start - 8 : start - 6], "big")
        damage(data, start, end, chance)
        path.write_bytes(data)
        found = orientation.of_exif(bytes(data[start:end])) or 1
        assert np.array_equal(STORED[found](images.read(path)), pixels[turn])
        same += found == turn
    assert same > COUNT / 4  # damage elsewhere leaves the orientation alone
