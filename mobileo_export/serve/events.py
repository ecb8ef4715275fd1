"""The pipelines as streams of events, a JSON object a line: what a page shows while it waits."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mobileo_export.components import COMPONENTS
from mobileo_export.errors import MobileoError
from mobileo_export.pipelines import answer, generate, images
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.progress import Progress
from mobileo_export.serve import asked, refusals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.pipelines.answer import Answer, Sampling
    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.serve.previews import Preview, Previews
    from mobileo_export.serve.served import ServedModel

MEDIA_TYPE = "application/x-ndjson"
Send = Callable[[dict[str, Any]], None]
# Runs a pipeline, sends its events but the last, which it returns.
Job = Callable[[Send], dict[str, Any]]


class LeftError(Exception):
    """Nobody waits for the result any more."""


class Pipelines:
    """The four pipelines of a served model."""

    def __init__(self, served: ServedModel, previews: Previews) -> None:
        self._served = served
        self._model = served.model
        self._previews = previews

    def prepared(self, pipeline: str, given: Mapping[str, Any]) -> Job:
        """What is to be run; nothing of the model is run yet.

        Raises:
            UsageError: what is asked for cannot be done.
            BundleError: a component is missing.
        """
        asked.check_fields(pipeline, given)
        self._model.require(*NEEDS[pipeline])
        if pipeline in {"generate", "edit"}:
            drawing = asked.drawing(self._model.recipe, given)
            words = asked.text(given, "prompt" if pipeline == "generate" else "instruction")
            photo = asked.picture(given) if pipeline == "edit" else None
            return lambda send: self._draw(words, photo, drawing, send)
        how = asked.sampling(self._model.recipe, given)
        if pipeline == "chat":
            turns = asked.turns(given)
            return lambda send: self._chat(turns, how, send)
        question, seen = asked.text(given, "question"), asked.picture(given)
        return lambda send: self._ask(seen, question, how, send)

    async def stream(self, job: Job) -> AsyncIterator[bytes]:
        """The events of ``job``; who stops listening ends it before the model's next call."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        left = threading.Event()
        started = time.perf_counter()

        def send(event: dict[str, Any]) -> None:
            if left.is_set():
                raise LeftError
            self._served.check_open()
            loop.call_soon_threadsafe(events.put_nowait, event)

        async def work() -> None:
            try:
                last = {"event": "done", **await self._served.call(lambda: job(send))}
                last["seconds"] = round(time.perf_counter() - started, 3)
            except Exception as error:
                last = {"event": "error", **refusals.content(refusals.of(error))}
                if not isinstance(error, MobileoError | LeftError):
                    self._served.on_failure(error)
            # Behind what the thread has sent: that goes through the loop too.
            loop.call_soon(events.put_nowait, last)

        working = asyncio.ensure_future(work())
        try:
            yield _line(_stage(Progress("", "waiting", 0, 1)))
            last = False
            while not last:
                event = await events.get()
                last = event["event"] in {"done", "error"}
                yield _line(event)
        finally:
            left.set()
            working.cancel()

    def _told(self, send: Send) -> Callable[[Progress], None]:
        def told(event: Progress) -> None:
            self._served.progress(event)
            send(_stage(event))

        return told

    def _draw(
        self, words: str, photo: NDArray[np.uint8] | None, drawing: Drawing, send: Send
    ) -> dict[str, Any]:
        def step(number: int, preview: Preview | None) -> None:
            shown = None if preview is None else _preview(preview)
            send({"event": "step", "step": number, "steps": drawing.steps, "preview": shown})

        told, observe = self._told(send), self._previews.observer(drawing, step)
        if photo is None:
            picture = generate.generate(self._model, words, drawing, told, observe)
        else:
            picture = generate.edit(self._model, photo, words, drawing, told, observe)
        height, width = picture.pixels.shape[:2]
        used = {
            "seed": str(drawing.seed),  # JavaScript has no numbers of 64 bits
            "steps": drawing.steps,
            "guidance": drawing.guidance,
        }
        data = images.png(picture.pixels, drawing.texts(words))
        shape = {"width": width, "height": height}
        send({"event": "picture", "png": _base64(data), **shape, **used})
        return {**used, "cut_tokens": picture.cut}

    def _ask(
        self, photo: NDArray[np.uint8], question: str, how: Sampling, send: Send
    ) -> dict[str, Any]:
        told = self._told(send)
        return _said(answer.ask(self._model, photo, question, how, _texts(send), told), how)

    def _chat(self, turns: list[str], how: Sampling, send: Send) -> dict[str, Any]:
        chat = answer.Chat(self._model, how, turns[:-1])
        return _said(chat.send(turns[-1], _texts(send), self._told(send)), how)


def _said(found: Answer, how: Sampling) -> dict[str, Any]:
    return {
        "text": found.text,
        "token_ids": list(found.token_ids),
        "ended": found.ended,
        "cut_tokens": found.cut,
        "seed": str(how.seed),
    }


def _texts(send: Send) -> Callable[[str], None]:
    return lambda text: send({"event": "token", "text": text})


def _stage(event: Progress) -> dict[str, Any]:
    spec = COMPONENTS.get(event.job)
    return {
        "event": "stage",
        "component": event.job or None,
        "title": spec.title if spec else None,
        "stage": event.stage,
        "done": event.done,
        "total": event.total,
    }


def _preview(preview: Preview) -> dict[str, str]:
    return {"kind": preview.kind, "png": _base64(images.png(preview.pixels, {}))}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"
