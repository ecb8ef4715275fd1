"""What Python's pipelines make of a toy: components of a few exact operations, no weights.

    python ios_app/Tests/Python/toy.py BUNDLE FILE

The bundle gives manifest and tokenizer. The Swift tests run the same toy (ToyEngine.swift) through
their own pipelines, and every picture and every token has to be the same.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobileo_export.bundle import manifest
from mobileo_export.pipelines import answer, generate
from mobileo_export.pipelines.dialog import VisualDialog
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model
from mobileo_export.recipe import image_span

Arrays = dict[str, NDArray[Any]]
F = np.float32
TEXTS = (
    "a red circle",
    "two blue squares above a café 🏠",
    "<|im_end|> <image>",
    "x" * 900,
    "  y  ",
    "漢字",
)
_PHOTO = (37, 53)


class Toy:
    """A component called ``name``: float32, one operation a value, no sums."""

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        """``content`` is the manifest."""
        outputs = content["components"][name]["outputs"]
        self._content = content
        self._name, self._shape = name, outputs[0]["shape"]
        self._vocabulary = content["model"]["llm"]["vocab_size"]
        text, seen = content["recipe"]["text"], content["recipe"]["preprocessing"]
        self._image, self._tokens = text["image_token_id"], seen["num_tokens"]
        self._last = self._count = 0

    def close(self) -> None:
        """Hold nothing."""

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of one call."""
        call: Any = getattr(self, f"_{self._name}")
        found: dict[str, Any] = call(**inputs)
        return found

    def prefill(self, input_ids: NDArray[Any], features: Any = None) -> tuple[Any, Any]:
        """Read a prompt."""
        read = self._llm(input_ids, features)
        return read["stacked_hidden_states"], read["logits"]

    def step(self, token_id: int) -> NDArray[Any]:
        """Go on with a token."""
        self._last, self._count = token_id, self._count + 1
        return self._logits()

    def beside(self) -> Toy:
        """Another one, which has read nothing."""
        return Toy(self._name, self._content)

    def _logits(self) -> NDArray[Any]:
        v = np.arange(self._vocabulary)
        scores = (v * 37 + self._last * 11 + self._count * 5) % 101
        return (scores.astype(F) / F(7))[None]

    def _vision_encoder(self, images: NDArray[Any]) -> Arrays:
        flat = images.reshape(-1)
        _, tokens, width = self._shape
        place = np.arange(tokens * width) * 17 % flat.size
        return {"image_features": flat[place].reshape(1, tokens, width)}

    def _llm(self, input_ids: NDArray[Any], image_features: Any = None) -> Arrays:
        ids = input_ids[0].astype(np.int64)
        base = ids.astype(F)[:, None] * np.ones((1, self._shape[3]), F)
        if image_features is not None:
            start, stop = image_span(ids, self._image, self._tokens)
            place = np.arange(self._shape[3]) % image_features.shape[2]
            base = np.concatenate([base[:start], image_features[0][:, place], base[stop:]])
        self._last, self._count = int(ids[-1]), len(ids)
        k = np.arange(1, self._shape[1] + 1).astype(F)[:, None, None]
        j = (np.arange(self._shape[3]) * 7 % 13).astype(F)
        states = (base[None] * F(0.01) - j * F(0.125)) * k
        return {"stacked_hidden_states": states[None], "logits": self._logits()}

    def _mcp(self, stacked_hidden_states: NDArray[Any]) -> Arrays:
        _, layers, _, width = stacked_hidden_states.shape
        c = np.arange(self._shape[2])
        picked = stacked_hidden_states[0][c % layers, :, c % width].T
        return {"conditioning": (picked * F(0.5) + F(0.1))[None]}

    def _dit(
        self,
        latent: NDArray[Any],
        timestep: NDArray[Any],
        encoder_hidden_states: NDArray[Any],
        encoder_attention_mask: NDArray[Any],
    ) -> Arrays:
        flat = encoder_hidden_states.reshape(-1)
        place = np.arange(latent.size) * 13 % flat.size
        given = (flat[place] * encoder_attention_mask.reshape(-1)[0]).reshape(latent.shape)
        return {"velocity": latent * F(0.75) + given - timestep[0] * F(0.001)}

    def _vae_decoder(self, latent: NDArray[Any]) -> Arrays:
        _, _, height, width = self._shape
        channels, side = latent.shape[1], latent.shape[2]
        c, y, x = np.mgrid[0:3, 0:height, 0:width]
        return {"image": (latent[0][c % channels, y % side, x % side] * F(0.6))[None]}


def photograph() -> NDArray[np.uint8]:
    """[H, W, 3]; the Swift tests draw the same one."""
    height, width = _PHOTO
    places = np.arange(height * width * 3)
    return (places * places % 251).astype(np.uint8).reshape(height, width, 3)


def cases(model: Model) -> Iterator[dict[str, Any]]:
    """Drawings, edits, answers, dialogs about a picture, and conversations."""
    photo = photograph()
    settings = [
        (1, 1.0, 0),
        (2, 1.5, 1),
        (5, 1.0, 42),
        (7, 30.0, 1 << 63),
        (20, 1.5, (1 << 64) - 1),
    ]
    for text in TEXTS:
        for number, (steps, guidance, seed) in enumerate(settings):
            drawing = Drawing.of(model.recipe, steps, guidance, seed)
            made = [("generate", generate.generate(model, text, drawing))]
            if number % 2 == 0:
                made.append(("edit", generate.edit(model, photo, text, drawing)))
            for task, picture in made:
                yield {
                    "task": task, "text": text, "steps": steps, "guidance": guidance,
                    "seed": str(seed), "cut": picture.cut, "ids": picture.input_ids[0].tolist(),
                    "pixels": hashlib.sha256(picture.pixels.tobytes()).hexdigest(),
                    "image": hashlib.sha256(picture.image.astype("<f4").tobytes()).hexdigest(),
                }  # fmt: skip
    for number in range(60):
        text = TEXTS[number % len(TEXTS)]
        how = answer.Sampling.of(
            model.recipe, (0.0, 0.5, 1.3)[number % 3], (1.0, 0.9, 0.3)[number // 3 % 3],
            number % 40 + 1, number,
        )  # fmt: skip
        said = answer.ask(model, photo, text, how)
        yield _said("ask", [text], how, said)
    for number in range(12):
        how = answer.Sampling.of(
            model.recipe, (0.0, 0.7)[number % 2], 0.95, (5, 200)[number // 2 % 2], number
        )
        with VisualDialog(model, photo, how) as dialog:
            for turn in range(4):
                turns = [*dialog.turns, TEXTS[(number + turn) % len(TEXTS)]]
                yield _said("dialog", turns, how, dialog.ask(turns[-1]))
    for number in range(10):
        how = answer.Sampling.of(model.recipe, number / 5, 0.95, 12, number)
        chat = answer.Chat(model, how)
        for turn in range(2):
            turns = [*chat.turns, TEXTS[(number + turn) % len(TEXTS)]]
            yield _said("chat", turns, how, chat.send(turns[-1]))


def _said(
    task: str, turns: list[str], how: answer.Sampling, said: answer.Answer
) -> dict[str, Any]:  # fmt: skip
    return {
        "task": task, "turns": turns, "temperature": how.temperature, "top_p": how.top_p,
        "most": how.max_new_tokens, "seed": str(how.seed), "tokens": list(said.token_ids),
        "answer": said.text, "ended": said.ended, "cut": said.cut,
        "ids": said.input_ids[0].tolist(),
    }  # fmt: skip


def main() -> None:
    """Write all that the toy makes."""
    bundle, target = map(Path, sys.argv[1:3])
    content = manifest.read(bundle)
    model = replace(open_model(str(bundle)), open_component=lambda name: Toy(name, content))
    made = list(cases(model))
    target.write_text(json.dumps(made) + "\n", encoding="utf-8")
    print(f"{len(made)} pictures and answers of the toy")


if __name__ == "__main__":
    main()
