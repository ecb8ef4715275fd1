"""The runs of a trace, drawn and answered by the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import recipe
from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS
from mobileo_export.parity import means, pictures
from mobileo_export.parity.cases import INSTRUCTION, PROMPT, QUESTION
from mobileo_export.parity.compare import compressed_weights
from mobileo_export.parity.golden.recorder import Recorder
from mobileo_export.pipelines import answer, generate, images
from mobileo_export.pipelines.answer import Answer, Chat, Sampling
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model
from mobileo_export.pipelines.schedule import DiffusersSolver
from mobileo_export.pipelines.tokens import Tokenizer
from mobileo_export.progress import OnProgress

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.golden.store import Writer
    from mobileo_export.runtimes.base import Session
    from mobileo_export.runtimes.torch_reference import TorchSession

MESSAGES = ("Name three things that are blue. 🟦", "And one that is <|im_end|> not?")
TOKENS = 4  # of an answer
_SEED = 7
# Heights and widths, neither square nor even: one to be padded above, one at the sides.
_PHOTO, _SMALL = (241, 321), (37, 23)


class Reference:
    """The checkpoint behind the pipelines, its weights as the bundle's form leaves them."""

    def __init__(self, bundle: Path, content: dict[str, Any], checkpoint: Checkpoint) -> None:
        """``content`` is the manifest of ``bundle``, which was made from ``checkpoint``."""
        entries = content["components"]
        self._bundle, self._content = bundle, content
        self._checkpoint = checkpoint
        self._weights = content["source"]["weights"]
        self._projector: Any = None
        self.model = Model(
            str(checkpoint.path),
            recipe.from_manifest(content["recipe"]),
            Tokenizer(bundle / self._artifact("llm")["path"]),
            # The bundle's limits of length, but the rows of the reference: one.
            {
                name: tuple(map(manifest.tensor_spec, entry["inputs"]))
                for name, entry in entries.items()
            }
            | {"dit": COMPONENTS["dit"].inputs(checkpoint.model)},
            DiffusersSolver,
            self._open,
        )

    def _artifact(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._content["components"][name]["artifacts"][0]
        return found

    def project(self, features: NDArray[Any]) -> NDArray[Any]:
        """The image projector's output [1, M, d] of ``features`` [1, M, F]."""
        import torch

        with torch.inference_mode():
            projected: NDArray[Any] = self._projector(torch.from_numpy(features)).numpy()
        return projected

    def _open(self, name: str) -> Session:
        from mobileo_export.runtimes.mlx.dequantized import MLXDequantizedRuntime
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        compressed = compressed_weights(
            self._bundle, self._content, COMPONENTS[name], self._checkpoint
        )
        if compressed is not None:
            session: TorchSession = compressed.session(self._checkpoint, self._weights)
        elif means.of(self._artifact(name)["kind"]).quantized:
            session = MLXDequantizedRuntime().load(self._bundle / self._artifact(name)["path"])
        else:
            session = TorchRuntime().load_component(self._checkpoint, name, self._weights)
        if name != "llm":
            return session
        self._projector = session.module.projector  # a few megabytes that outlive the session
        return session


def record_runs(
    reference: Reference, writer: Writer, steps: int, progress: OnProgress
) -> Iterator[dict[str, Any]]:
    """Each pipeline once, a conversation of two turns, and one more picture to preprocess."""
    model = reference.model
    photo = photograph(*_PHOTO)

    def listener(run: dict[str, Any]) -> Recorder:
        return Recorder(run["name"], run, writer, model.recipe, sigmas, reference.project)

    drawing = Drawing.of(model.recipe, steps, seed=_SEED)
    sigmas = DiffusersSolver(model.recipe.sampling, steps).sigmas
    for pipeline, text in (("generate", PROMPT), ("edit", INSTRUCTION)):
        run = _settings(pipeline, pipeline, [text], model.longest_conditioning)
        run["drawing"] = asdict(drawing)
        listen = listener(run)
        if pipeline == "generate":
            picture = generate.generate(model, text, drawing, progress, listen)
        else:
            picture = generate.edit(model, photo, text, drawing, progress, listen)
            small = images.prepare(photograph(*_SMALL), model.recipe.preprocessing)[None]
            listen.preprocess(photograph(*_SMALL), small)
        yield {**run, "cut": picture.cut, "calls": listen.calls}
    room = model.longest_text - TOKENS
    greedy = Sampling.of(model.recipe, 0.0, 1.0, TOKENS)
    run = _settings("ask", "ask", [QUESTION], room)
    run["sampling"] = asdict(greedy)
    listen = listener(run)
    said = answer.ask(model, photo, QUESTION, greedy, progress=progress, observe=listen)
    yield {**run, **_said(said), "calls": listen.calls}
    chat = Chat(model, Sampling.of(model.recipe, 0.8, 0.9, TOKENS, seed=_SEED))
    for turn, message in enumerate(MESSAGES, 1):
        run = _settings("chat", f"chat {turn}", [*chat.turns, message], room)
        run["sampling"] = asdict(chat.how)
        listen = listener(run)
        said = chat.send(message, progress=progress, observe=listen)
        yield {**run, **_said(said), "calls": listen.calls}


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """A picture [H, W, 3] of gradients, shapes and strokes."""
    side = max(height, width)
    square = np.rint(pictures.drawn(side) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(square[side - height :, side - width :])


def _settings(pipeline: str, name: str, texts: list[str], limit: int) -> dict[str, Any]:
    run = {"pipeline": pipeline, "name": name, "texts": texts, "limit": limit, "cut": 0}
    return {**run, "drawing": None, "sampling": None, "answer": None}


def _said(said: Answer) -> dict[str, Any]:
    text = {"text": said.text, "token_ids": list(said.token_ids), "ended": said.ended}
    return {"cut": said.cut, "answer": text}
