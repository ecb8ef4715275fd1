"""The judge on drawn pictures, and on pictures that are damaged in ways it must see."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from miniature import lessons
from mobileo_export.evaluation import judge, requirements, scenes
from mobileo_export.evaluation.requirements import Wanted, failures, of_scene
from mobileo_export.evaluation.scenes import Scene, Thing

Pixels = NDArray[np.uint8]
MANY = 250


def blurred(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.8)))


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 12, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def faded(pixels: Pixels) -> Pixels:
    return (pixels * 0.85 + 12).astype(np.uint8)


def compressed(pixels: Pixels) -> Pixels:
    import io

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=85, subsampling=0)
    return np.asarray(Image.open(data))


@cache
def sampled(index: int) -> tuple[Scene, Pixels]:
    scene = lessons.sample(random.Random(index))
    pixels = scenes.draw(scene)
    pixels.flags.writeable = False
    return scene, pixels


@pytest.mark.parametrize("change", [lambda p: p, blurred, noisy, faded, compressed])
def test_reads_what_was_drawn(change: object) -> None:
    assert callable(change)
    wrong = []
    for index in range(MANY):
        scene, pixels = sampled(index)
        found = failures(of_scene(scene), judge.look(change(pixels)))
        if found:
            wrong.append((scene, found))
    assert len(wrong) <= MANY // 100, wrong[:3]


def a_scene(*things: Thing, background: str = "gray") -> Scene:
    return Scene("single", things, background)


CIRCLE = Thing("circle", "red", 20, 30, 10)
SQUARE = Thing("square", "blue", 46, 30, 10)


def seen(scene: Scene) -> judge.Sight:
    return judge.look(scenes.draw(scene))


def test_centers_and_sizes_are_measured() -> None:
    first, second = seen(a_scene(CIRCLE, SQUARE)).things
    assert (first.x, first.y, first.radius) == pytest.approx((20, 30, 10), abs=1)
    assert (second.x, second.y, second.radius) == pytest.approx((46, 30, 10), abs=1)


def test_touching_things_of_two_colors_are_two() -> None:
    touching = Thing("square", "blue", 40, 30, 10)
    sight = seen(a_scene(CIRCLE, touching))
    assert [(t.shape, t.color) for t in sight.things] == [("circle", "red"), ("square", "blue")]


def test_an_empty_picture_shows_nothing() -> None:
    assert seen(a_scene()) == judge.Sight((), "gray")
    random_pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert failures(of_scene(a_scene(CIRCLE)), judge.look(random_pixels))


def test_a_wrong_color_is_unknown_or_another() -> None:
    pixels = scenes.draw(a_scene(CIRCLE, background="black"))
    red = pixels[..., 0] > 120
    pixels[red] = (120, 225, 235)  # cyan is no color of this world
    (thing,) = judge.look(pixels).things
    assert thing.color == judge.UNKNOWN
    pixels[red] = scenes.COLORS["green"]
    (thing,) = judge.look(pixels).things
    assert thing.color == "green"


def test_damaged_shapes_are_unknown() -> None:
    pixels = scenes.draw(a_scene(Thing("square", "blue", 32, 32, 12)))
    ground = scenes.BACKGROUNDS["gray"]
    ell = pixels.copy()
    ell[20:33, 31:45] = ground
    flat = pixels.copy()
    flat[20:35] = ground
    for damaged in (ell, flat):
        assert [t.shape for t in judge.look(damaged).things] == [judge.UNKNOWN]


def test_halves_and_extra_patches_are_counted() -> None:
    pixels = scenes.draw(a_scene(Thing("square", "blue", 32, 32, 12)))
    cut = pixels.copy()
    cut[:, 30:34] = scenes.BACKGROUNDS["gray"]
    assert len(judge.look(cut).things) == 2
    extra = pixels.copy()
    extra[2:10, 2:10] = scenes.COLORS["red"]
    assert len(judge.look(extra).things) == 2
    dirt = pixels.copy()
    dirt[5:8, 5:8] = scenes.COLORS["red"]
    assert len(judge.look(dirt).things) == 1


def test_a_background_of_no_known_color() -> None:
    pixels = np.full((64, 64, 3), (250, 100, 0), np.uint8)
    assert judge.look(pixels).background == judge.UNKNOWN


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="64 x 64"):
        judge.look(np.zeros((32, 64, 3), np.uint8))


BOTH = a_scene(CIRCLE, SQUARE)


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        (Wanted((("circle", None), ("square", None))), ()),
        (Wanted((("square", "blue"), ("circle", "red")), "gray"), ()),
        (Wanted((("square", "blue"), ("circle", "red")), layout="right of"), ()),
        (Wanted((("circle", "red"), ("square", "blue")), layout="left of"), ()),
        (Wanted((("circle", "red"), ("square", "blue")), layout="right of"), ("layout",)),
        (Wanted((("circle", "red"), ("square", "blue")), layout="above"), ("layout",)),
        (Wanted((("circle", "blue"), ("square", "red"))), ("color",)),
        (Wanted((("circle", None), ("square", None)), "white"), ("background",)),
        (Wanted((("circle", None),)), ("count", "shape")),
        (Wanted((("circle", None), ("circle", None))), ("shape",)),
        (Wanted((("circle", "red"),) * 3), ("count", "shape")),
    ],
)
def test_what_is_wrong_is_named(wanted: Wanted, wrong: tuple[str, ...]) -> None:
    assert failures(wanted, seen(BOTH)) == wrong


@pytest.mark.parametrize("place", scenes.PLACES)
def test_places(place: str) -> None:
    scene = scenes.single(random.Random(0), "circle", "red", place, "black")
    for named in scenes.PLACES:
        found = failures(Wanted((("circle", None),), layout=named), seen(scene))
        assert found == (() if named == place else ("layout",))
    assert requirements.place(seen(scene).things[0]) == place
