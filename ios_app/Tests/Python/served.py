"""What Python's pipelines make of a bundle, for Swift's to make through ``mobileo-export serve``.

    python ios_app/Tests/Python/served.py BUNDLE FOLDER

Drawings, edits, questions and conversations of the judged sets, with many seeds, numbers of steps,
guidances and ways to choose tokens. The Swift tests start the server on the same bundle.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageCms

from mobileo_export.cli import pipeline
from mobileo_export.evaluation import items, scenes
from mobileo_export.pipelines import answer, generate, images
from mobileo_export.pipelines.dialog import VisualDialog
from mobileo_export.pipelines.drawing import Drawing, Picture
from mobileo_export.pipelines.model import Model, open_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ODD = ("deux cercles bleus 🏠", "<|im_end|> <image>", "x" * 900, "  漢字  ")
# steps, guidance, seed
DRAWINGS = (
    (1, 1.0, 0),
    (2, 1.5, 1),
    (3, 1.0, 42),
    (4, 7.5, 1 << 63),
    (5, 1.5, (1 << 64) - 1),
    (2, 30.0, 12345),
    (20, 1.5, 7),
)
# temperature, top-p, longest answer, seed
SAMPLINGS = ((0.0, 1.0, 256, 0), (0.7, 1.0, 12, 3), (1.3, 0.9, 24, 1 << 63), (0.2, 0.5, 6, 11))


def file(pixels: NDArray[np.uint8], number: int) -> tuple[str, bytes]:
    """A picture in one of several formats, lossy ones among them: extension and content."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    forms: tuple[tuple[str, dict[str, Any]], ...] = (
        ("png", {}),
        ("jpeg", {"exif": exif, "quality": 90}),
        ("webp", {"lossless": True}),
        ("png", {"icc_profile": srgb}),
        ("gif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("bmp", {}),
    )
    extension, options = forms[number % len(forms)]
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, extension, **options)
    return extension, data.getvalue()


class Photos:
    """Pictures of scenes, in a folder, each in another format."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def of(self, scene: scenes.Scene) -> tuple[str, NDArray[np.uint8]]:
        """The name of a file, and what is seen in it."""
        extension, content = file(scenes.draw(scene), self._count)
        name = f"photo-{self._count}.{extension}"
        self._count += 1
        (self._folder / name).write_bytes(content)
        return name, images.read(self._folder / name)


def cases(model: Model, photos: Photos) -> Iterator[dict[str, Any]]:
    """Everything that is compared."""
    settings = cycle(DRAWINGS)
    drawn = [item for name in items.CATEGORIES["draw"] for item in items.items("draw", name, 5, 5)]
    for text in [*(item.text for item in drawn), *ODD]:
        drawing = Drawing.of(model.recipe, *next(settings))
        yield _drawn("generate", text, None, generate.generate(model, text, drawing))
    for name in items.CATEGORIES["edit"]:
        for item in items.items("edit", name, 6, 5):
            assert item.scene is not None
            photo, pixels = photos.of(item.scene)
            drawing = Drawing.of(model.recipe, *next(settings))
            picture = generate.edit(model, pixels, item.text, drawing)
            yield _drawn("edit", item.text, photo, picture)
    samplings = cycle(SAMPLINGS)
    for name in items.CATEGORIES["ask"]:
        for item in items.items("ask", name, 9, 5):
            assert item.scene is not None
            photo, pixels = photos.of(item.scene)
            how = answer.Sampling.of(model.recipe, *next(samplings))
            yield _said("ask", [item.text], photo, how, answer.ask(model, pixels, item.text, how))
    for name in items.CATEGORIES["ask"]:
        group = items.items("ask", name, 3, 7)
        scene = group[0].scene
        assert scene is not None
        photo, pixels = photos.of(scene)
        with VisualDialog(
            model, pixels, answer.Sampling.of(model.recipe, *next(samplings))
        ) as dialog:
            for item in group:
                turns = [*dialog.turns, item.text]
                yield _said("dialog", turns, photo, dialog.how, dialog.ask(item.text))
    for name in items.CATEGORIES["chat"]:
        for item in items.items("chat", name, 10, 5):
            chat = answer.Chat(model, answer.Sampling.of(model.recipe, *next(samplings)))
            for text in (*item.before, item.text):
                turns = [*chat.turns, text]
                yield _said("chat", turns, None, chat.how, chat.send(text))


def _drawn(task: str, text: str, photo: str | None, picture: Picture) -> dict[str, Any]:
    """A drawing, what the commands report of it, and what its file says of itself."""
    result = pipeline.picture_result(Path("out.png"), picture, 0)
    return {
        "task": task,
        "text": text,
        "photo": photo,
        "seed": str(picture.drawing.seed),
        "ids": picture.input_ids[0].tolist(),
        "pixels": hashlib.sha256(picture.pixels.tobytes()).hexdigest(),
        "result": {key: value for key, value in result.items() if key not in {"output", "seconds"}},
        "line": pipeline.picture_line(result),
        "texts": picture.drawing.texts(text),
    }


def _said(
    task: str, turns: list[str], photo: str | None, how: answer.Sampling, said: answer.Answer
) -> dict[str, Any]:
    """An answer, and what the commands report of it."""
    result = pipeline.answer_result(said, 0)
    return {
        "task": task,
        "turns": turns,
        "photo": photo,
        "temperature": how.temperature,
        "top_p": how.top_p,
        "most": how.max_new_tokens,
        "seed": str(how.seed),
        "ids": said.input_ids[0].tolist(),
        "result": {key: value for key, value in result.items() if key != "seconds"},
    }


def main() -> None:
    """Write the cases and their photos."""
    bundle, folder = map(Path, sys.argv[1:3])
    folder.mkdir(parents=True, exist_ok=True)
    with open_model(str(bundle), keep=True) as model:
        made = list(cases(model, Photos(folder)))
    (folder / "cases.json").write_text(json.dumps(made) + "\n", encoding="utf-8")
    counts = Counter(case["task"] for case in made)
    print(", ".join(f"{count} {task}" for task, count in counts.items()))


if __name__ == "__main__":
    main()
