"""Draws the icon, the launch mark and the colors of the app: ``python ios_app/App/draw_assets.py``.

The same bytes each time with the same Pillow, and nearly the same pixels with any:
``tests/test_ios_project.py`` holds the committed files to it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw

CATALOG = Path(__file__).parent / "MobileO" / "Assets.xcassets"
INFO = {"author": "xcode", "version": 1}
# What is drawn is drawn this much larger and then made smaller, for smooth edges.
OVERSAMPLING = 4
MAC_SIDES = (16, 32, 128, 256, 512)
LAUNCH_SIDE = 120  # in points

PAPER, INK = (250, 247, 240), (34, 40, 49)
RED, YELLOW, BLUE = (214, 64, 69), (244, 185, 66), (46, 110, 180)


def mark(side: int, *, inset: float = 0.0) -> Image.Image:
    """The mark on nothing: a circle, a triangle and a square, which the miniature draws."""
    large = side * OVERSAMPLING
    image = Image.new("RGBA", (large, large))
    draw = ImageDraw.Draw(image)

    def at(*points: float) -> list[float]:
        return [large * (inset + (1 - 2 * inset) * point) for point in points]

    draw.rectangle(at(0.46, 0.46, 0.86, 0.86), fill=(*BLUE, 255))
    draw.ellipse(at(0.14, 0.14, 0.62, 0.62), fill=(*RED, 255))
    draw.polygon(at(0.30, 0.88, 0.52, 0.44, 0.74, 0.88), fill=(*YELLOW, 255))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def icon(side: int) -> Image.Image:
    """The icon of a phone: the mark on paper, to the edges, without transparency."""
    image = Image.new("RGBA", (side, side), (*PAPER, 255))
    image.alpha_composite(mark(side))
    return image.convert("RGB")


def mac_icon(side: int) -> Image.Image:
    """The icon of a Mac: a rounded square with room around it."""
    large = side * OVERSAMPLING
    edge = large // 10
    ground = Image.new("RGBA", (large, large))
    ImageDraw.Draw(ground).rounded_rectangle(
        (edge, edge, large - edge - 1, large - edge - 1), large // 5, fill=(*PAPER, 255)
    )
    image = ground.resize((side, side), Image.Resampling.LANCZOS)
    image.alpha_composite(mark(side, inset=0.1))
    return image


def color(light: tuple[int, int, int], dark: tuple[int, int, int]) -> dict[str, object]:
    """A color set for light and dark."""

    def entry(rgb: tuple[int, int, int]) -> dict[str, object]:
        red, green, blue = (f"0x{value:02X}" for value in rgb)
        components = {"red": red, "green": green, "blue": blue, "alpha": "1.000"}
        return {"idiom": "universal", "color": {"color-space": "srgb", "components": components}}

    appearance = {"appearance": "luminosity", "value": "dark"}
    return {"colors": [entry(light), {**entry(dark), "appearances": [appearance]}], "info": INFO}


def write(catalog: Path) -> None:
    """Writes the catalog; what is there is replaced."""

    def contents(folder: Path, document: dict[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Contents.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")

    contents(catalog, {"info": INFO})
    icons = catalog / "AppIcon.appiconset"
    listed: list[dict[str, str]] = [
        {"idiom": "universal", "platform": "ios", "size": "1024x1024", "filename": "phone.png"}
    ]
    icons.mkdir(parents=True, exist_ok=True)
    icon(1024).save(icons / "phone.png", optimize=True)
    for side in MAC_SIDES:
        for scale in (1, 2):
            name = f"mac-{side}@{scale}x.png"
            mac_icon(side * scale).save(icons / name, optimize=True)
            size, factor = f"{side}x{side}", f"{scale}x"
            listed.append({"idiom": "mac", "size": size, "scale": factor, "filename": name})
    contents(icons, {"images": listed, "info": INFO})
    launch = catalog / "LaunchMark.imageset"
    launch.mkdir(exist_ok=True)
    images = []
    for scale in (1, 2, 3):
        name = f"mark@{scale}x.png"
        mark(LAUNCH_SIDE * scale).save(launch / name, optimize=True)
        images.append({"idiom": "universal", "scale": f"{scale}x", "filename": name})
    contents(launch, {"images": images, "info": INFO})
    contents(catalog / "AccentColor.colorset", color(BLUE, (110, 168, 230)))
    contents(catalog / "LaunchBackground.colorset", color(PAPER, INK))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path, nargs="?", default=CATALOG)
    write(parser.parse_args().catalog)
