"""Pictures in and out, against Pillow's own operations and written-out arithmetic."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from mobileo_export import recipe
from mobileo_export.checkpoint.tokenizer_files import SpecialTokens
from mobileo_export.errors import MissingDependencyError, UsageError
from mobileo_export.pipelines import images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.random_checkpoint import models

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

PREPROCESSING = recipe.build(models.model("0.5b"), SpecialTokens(5, 1, 2, 2, 0)).preprocessing


@pytest.fixture
def colors() -> NDArray[np.uint8]:
    """A small picture without symmetry: [20, 30, 3]."""
    return np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("turned", [False, True])
def test_pads_then_resizes_by_pillow(colors: NDArray[np.uint8], turned: bool) -> None:
    photo = np.ascontiguousarray(colors.transpose(1, 0, 2)) if turned else colors
    square = np.zeros((30, 30, 3), np.uint8)
    square[(slice(None), slice(5, 25)) if turned else slice(5, 25)] = photo
    resized = Image.fromarray(square).resize((1024, 1024), Image.Resampling.BICUBIC)
    expected = np.asarray(resized).astype(np.float64).transpose(2, 0, 1) / 255
    prepared = images.prepare(photo, PREPROCESSING)
    assert prepared.shape == (3, 1024, 1024)
    assert prepared.dtype == np.float32
    assert np.abs(prepared - expected).max() < 1e-7


def test_torchvisions_bicubic_would_be_noticed(colors: NDArray[np.uint8]) -> None:
    """The reason why Pillow is asked: torch's filter with antialiasing gives other pixels."""
    torch = pytest.importorskip("torch")
    square = np.zeros((30, 30, 3), np.uint8)
    square[5:25] = colors
    planes = torch.from_numpy(square).permute(2, 0, 1)[None].float()
    size = (1024, 1024)
    theirs = torch.nn.functional.interpolate(planes, size, mode="bicubic", antialias=True)
    ours = images.prepare(colors, PREPROCESSING)
    assert np.abs(theirs[0].numpy() / 255 - ours).max() > 1 / 255


def test_one_pixel_fills_the_square() -> None:
    prepared = images.prepare(np.full((1, 1, 3), (10, 20, 30), np.uint8), PREPROCESSING)
    assert np.allclose(prepared[:, 0, 0] * 255, (10, 20, 30))
    assert (prepared == prepared[:, :1, :1]).all()


def check_rounding(to_pixels: Callable[[NDArray[np.float32]], NDArray[np.uint8]]) -> None:
    levels = np.linspace(-1.2, 1.2, 3 * 64, dtype=np.float32)
    image = levels.reshape(1, 3, 8, 8)
    exact = np.clip(image[0].astype(np.float64) / 2 + 0.5, 0, 1) * 255
    pixels = to_pixels(image)
    assert pixels.shape == (8, 8, 3)
    assert np.abs(pixels.transpose(2, 0, 1) - exact).max() <= 0.5 + 1e-4


def test_pixels_are_rounded() -> None:
    check_rounding(images.to_pixels)


def test_truncated_pixels_are_caught() -> None:
    def truncated(image: NDArray[np.float32]) -> NDArray[np.uint8]:
        unit = np.clip(image[0] / 2 + 0.5, 0, 1) * 255
        return unit.astype(np.uint8).transpose(1, 2, 0)

    with pytest.raises(AssertionError):
        check_rounding(truncated)


def test_pixels_equal_diffusers() -> None:
    processing = pytest.importorskip("diffusers.image_processor")
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(1).normal(0, 0.8, (1, 3, 16, 16)).astype(np.float32)
    processor = processing.VaeImageProcessor(vae_scale_factor=32)
    (theirs,) = processor.postprocess(torch.from_numpy(image), output_type="pil")
    assert np.array_equal(images.to_pixels(image), np.asarray(theirs))


def test_not_a_number_is_black() -> None:
    assert (images.to_pixels(np.full((1, 3, 2, 2), np.nan, np.float32)) == 0).all()


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_reads_what_was_saved(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    saved = save(tmp_path / "plain.png", Image.fromarray(colors))
    assert np.array_equal(images.read(saved), colors)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_photographs_upright(
    tmp_path: Path, colors: NDArray[np.uint8], orientation: int
) -> None:
    """The stored pixels are those that the camera's tag turns back into the picture."""
    undo: dict[int, Callable[[Any], Any]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](colors)))
    path = save(tmp_path / "turned.png", stored, exif=exif)
    assert np.array_equal(images.read(path), colors)


def test_colors_of_another_profile_become_srgb(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    """A profile that swaps nothing but says linear light: its middle grey is brighter in sRGB."""
    grey = np.full((4, 4, 3), 55, np.uint8)
    linear = ImageCms.ImageCmsProfile(io.BytesIO(_linear_profile()))
    path = save(tmp_path / "linear.png", Image.fromarray(grey), icc_profile=linear.tobytes())
    expected = 255 * (1.055 * (55 / 255) ** (1 / 2.4) - 0.055)
    assert np.abs(images.read(path).astype(float) - expected).max() <= 1.5
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "srgb.png", Image.fromarray(colors), icc_profile=srgb)
    assert np.abs(images.read(path).astype(int) - colors).max() <= 1


def _linear_profile() -> bytes:
    """sRGB's own profile with each tone curve replaced by the identity."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132], "big")
    for entry in range(count):
        at = 132 + 12 * entry
        if bytes(data[at : at + 4]) in {b"rTRC", b"gTRC", b"bTRC"}:
            offset = int.from_bytes(data[at + 4 : at + 8], "big")
            data[offset : offset + 12] = b"curv" + bytes(8)
            data[at + 8 : at + 12] = (12).to_bytes(4, "big")
    return bytes(data)


def test_a_damaged_profile_is_left_out(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    path = save(tmp_path / "bad.png", Image.fromarray(colors), icc_profile=b"no profile")
    assert np.array_equal(images.read(path), colors)


def test_transparency_becomes_the_padding_color(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), 200, np.uint8)
    pixels[0, :, 3] = 0
    pixels[1, :, 3] = 255
    read = images.read(save(tmp_path / "clear.png", Image.fromarray(pixels)))
    assert (read[0] == 0).all()
    assert (read[1] == 200).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_any_mode_is_read(tmp_path: Path, mode: str) -> None:
    white = Image.fromarray(np.full((4, 8, 3), 255, np.uint8))
    if mode == "LAB":
        lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        converted = ImageCms.profileToProfile(white, srgb, lab, outputMode="LAB")
        assert converted is not None
    else:
        converted = white.convert(mode)
    options = {"compression": "jpeg"} if mode == "YCbCr" else {}  # raw, Pillow before 11 fails
    read = images.read(save(tmp_path / "picture.tif", converted, **options))
    assert read.shape == (4, 8, 3)
    assert (read > 250).all()


@pytest.mark.parametrize("name", ["deep.tif", "deep.png", "deep.jp2", "deep.pgm"])
def test_sixteen_bits_of_any_format(tmp_path: Path, name: str) -> None:
    values = np.tile(np.array([0, 32768, 65535], np.uint16), (32, 11))
    path = tmp_path / name
    if name.endswith("pgm"):  # which Pillow before 11 cannot write
        path.write_bytes(b"P5 33 32 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    assert images.read(path)[0, :3, 0].tolist() == [0, 128, 255]


def test_sixteen_bits_that_count_from_white(tmp_path: Path) -> None:
    values = np.array([[0, 32768, 65535]], np.uint16)
    path = save(tmp_path / "negative.tif", Image.fromarray(values), tiffinfo={262: 0})
    assert images.read(path)[0, :, 0].tolist() == [255, 127, 0]


def test_what_is_clear_in_sixteen_bits(tmp_path: Path) -> None:
    values = np.array([[65535, 32768, 65535]], np.uint16)
    path = save(tmp_path / "clear.png", Image.fromarray(values))
    data = path.read_bytes()
    body = b"tRNS" + (65535).to_bytes(2, "big")
    chunk = (2).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    at = data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + chunk + data[at:])
    assert images.read(path)[0, :, 0].tolist() == [0, 128, 0]


def test_floating_point_is_read_from_0_to_1(tmp_path: Path) -> None:
    values = np.array([[0, 0.25, 1]], np.float32)
    read = images.read(save(tmp_path / "float.tif", Image.fromarray(values)))
    assert read[0].tolist() == [[0] * 3, [64] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0, 0.5, 255]], np.float32), "holds floating-point values from 0 to 255"),
        (np.array([[-0.5, 0.5]], np.float32), "holds floating-point values from -0.5 to 0.5"),
        (np.array([[0, np.nan]], np.float32), "holds values that are no numbers"),
        (np.array([[0, 255]], np.int32), "holds 32-bit integers of which white is not known"),
    ],
)
def test_what_is_white_is_never_guessed(tmp_path: Path, values: Any, reason: str) -> None:
    path = save(tmp_path / "deep.tif", Image.fromarray(values))
    with pytest.raises(UsageError, match=rf"deep.tif: {reason}.* 8 or 16 bits"):
        images.read(path)


@pytest.mark.parametrize("transparency", [b"\x00\xff", 0])
def test_a_palette_with_transparency(tmp_path: Path, transparency: Any) -> None:
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    picture.putpalette([200, 10, 10, 10, 200, 10])
    path = save(tmp_path / "palette.png", picture, transparency=transparency)
    assert images.read(path)[0].tolist() == [[0, 0, 0], [10, 200, 10]]


def test_grey_with_transparency_keeps_its_profile(tmp_path: Path) -> None:
    """A profile of grey fits grey, not the colors that it would be widened to."""
    pixels = np.array([[[55, 255], [55, 0]]], np.uint8)
    path = save(tmp_path / "grey.png", Image.fromarray(pixels, "LA"), icc_profile=_grey_profile())
    expected = 255 * (1.055 * (55 / 255) ** (1 / 2.4) - 0.055)
    first, second = images.read(path)[0]
    assert np.abs(first.astype(float) - expected).max() <= 1.5
    assert second.tolist() == [0, 0, 0]


def _grey_profile() -> bytes:
    """Grey in linear light: the header of another profile, a white point and a tone curve."""
    header = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()[:128])
    header[8:12] = b"\x02\x40\x00\x00"
    header[16:20] = b"GRAY"
    white = b"XYZ " + bytes(4) + b"".join(v.to_bytes(4, "big") for v in (63190, 65536, 54061))
    curve = b"curv" + bytes(8)
    tags = [(b"wtpt", white), (b"kTRC", curve)]
    table, data, at = len(tags).to_bytes(4, "big"), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags:
        table += name + (at + len(data)).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        data += body
    header[:4] = (at + len(data)).to_bytes(4, "big")
    return bytes(header) + table + data


def test_a_cameras_raw_file_is_refused(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    """Its first picture is a preview."""
    for tag, value in ((254, 1), (50706, b"\x01\x04\x00\x00")):
        path = save(tmp_path / "raw.tif", Image.fromarray(colors), tiffinfo={tag: value})
        with pytest.raises(UsageError, match="raw.tif: is a camera's raw file"):
            images.read(path)


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.eps"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
        b"(" + str(tmp_path / "made").encode() + b") (w) file closefile\nshowpage\n%%EOF\n"
    )
    with pytest.raises(UsageError, match="is PostScript, a program, and not run"):
        images.read(path)
    assert not (tmp_path / "made").exists()


def test_heic_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(64))
    with pytest.raises(MissingDependencyError) as caught:
        images.read(path)
    assert "is HEIC; run: pip install pillow-heif, or save it as JPEG" in str(caught.value)


def test_heic_is_read_by_its_library(tmp_path: Path) -> None:
    """Its library turns it by the file's own box, and says that EXIF is no longer to be asked."""
    library = pytest.importorskip("pillow_heif")
    library.register_heif_opener()
    halves = np.zeros((64, 128, 3), np.uint8)
    halves[:, :64] = (250, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "photo.heic", Image.fromarray(halves), exif=exif)
    read = images.read(path)
    assert read.shape == (64, 128, 3)
    assert read[32, 10, 0] > 200
    assert read[32, 118, 0] < 50


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 32768, 65535]], np.uint16)
    read = images.read(save(tmp_path / "deep.png", Image.fromarray(values)))
    assert read[0, :, 0].tolist() == [0, 128, 255]


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert images.read(tmp_path / "two.gif")[0, 0].tolist() == [255, 0, 0]


def test_what_is_no_picture_is_refused(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = save(tmp_path / "whole.jpg", Image.fromarray(colors).resize((300, 300)))
    (tmp_path / "half.jpg").write_bytes(whole.read_bytes()[:2000])
    for name, reason in {
        "text.png": "is no picture",
        "empty.png": "is no picture",
        "half.jpg": "cannot be read as a picture",
        "absent.png": "no such file",
    }.items():
        with pytest.raises(UsageError, match=f"{name}: {reason}"):
            images.read(tmp_path / name)
    with pytest.raises(UsageError, match="not a file"):
        images.read(tmp_path)


@pytest.mark.parametrize("size", [(20_000, 20_000), (20_000, 1)])
def test_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = save(tmp_path / "huge.png", Image.new("1", size))
    tracemalloc.start()
    with pytest.raises(UsageError, match="huge.png: .* make it smaller first"):
        images.read(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_what_is_written_says_how_it_was_drawn(tmp_path: Path, colors: NDArray[np.uint8]) -> None:
    path = tmp_path / "out.png"
    images.write_png(path, colors, Drawing(20, 1.5, 7).texts("zwei Kreise ☃"))
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(opened), colors)
        assert opened.info["prompt"] == "zwei Kreise ☃"
        assert (opened.info["steps"], opened.info["guidance"]) == ("20", "1.5")
        assert opened.info["seed"] == "7"
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_formats_with_losses_keep_the_words_and_nearly_the_colors(
    tmp_path: Path, suffix: str
) -> None:
    smooth = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    texts = Drawing(20, 1.5, 7).texts("zwei Kreise ☃")
    images.write(tmp_path / f"out{suffix}", smooth, texts)
    with Image.open(tmp_path / f"out{suffix}") as opened:
        exif = opened.getexif()
        assert opened.format == {".jpg": "JPEG", ".jpeg": "JPEG"}.get(suffix.lower(), "WEBP")
    comment = exif.get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0")
    assert json.loads(comment[8:].decode("utf-16-be")) == texts
    assert exif[0x0131] == texts["Software"]
    off = images.read(tmp_path / f"out{suffix}").astype(int) - smooth
    assert np.abs(off).mean() < 3
