"""What stands behind the endpoints: one thread, sessions that expire, memory, previews, bounds."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from starlette.requests import Request

from mobileo_export import memory
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError
from mobileo_export.pipelines import generate, images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model
from mobileo_export.progress import Progress
from mobileo_export.runtimes.base import LanguageModelSession
from mobileo_export.runtimes.select import load_artifact
from mobileo_export.runtimes.torch_reference import TorchRuntime
from mobileo_export.serve import app, arrays, bodies, previews, refusals, server
from mobileo_export.serve.guard import MOST_REQUESTS, Guard
from mobileo_export.serve.previews import ColorFit, Preview, Previews
from mobileo_export.serve.refusals import RequestError
from mobileo_export.serve.run_thread import RunThread
from mobileo_export.serve.served import ServedModel


class Fake:
    """A session that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def run(self, inputs: Any) -> Any:
        return inputs

    def prefill(self, input_ids: Any, image_features: Any = None) -> Any:
        return input_ids, input_ids

    def step(self, token_id: int) -> Any:
        return token_id

    def beside(self) -> Fake:
        return Fake()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def loaded() -> dict[str, Fake]:
    return {}


@pytest.fixture
def served(loaded: dict[str, Fake]) -> ServedModel:
    def load(name: str) -> Any:
        loaded[name] = Fake()
        return loaded[name]

    nothing: Any = None
    signatures: Any = dict.fromkeys(COMPONENTS, ())
    model = Model("fake", nothing, nothing, signatures, nothing, load, keep=True)
    return ServedModel(model, b"{}", dict.fromkeys(COMPONENTS, 1000))


def test_calls_come_one_after_the_other_and_those_not_begun_can_be_cancelled() -> None:
    thread = RunThread()
    order: list[int] = []
    begin = threading.Event()

    def first() -> None:
        begin.wait(10)
        order.append(1)

    running = thread.submit(first)
    left, last = thread.submit(lambda: order.append(2)), thread.submit(lambda: order.append(3))
    assert left.cancel()
    while not thread.busy:
        time.sleep(0.01)
    assert not running.cancel()
    begin.set()
    last.result(10)
    assert order == [1, 3]
    with pytest.raises(ZeroDivisionError):
        thread.submit(lambda: 1 // 0).result(10)
    assert thread.submit(lambda: threading.current_thread().daemon).result(10)


def test_where_memory_is_short_those_go_that_were_loaded_first(
    served: ServedModel, loaded: dict[str, Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(count: int) -> None:
        left = memory.Available(count, "test")
        monkeypatch.setattr(memory, "available", lambda: left)

    async def go() -> None:
        free(10_000)
        for name in ("vision_encoder", "llm", "mcp"):
            await served.run(name, {})
        assert not any(session.closed for session in loaded.values())
        free(3_999)  # too little for the next one, whatever goes
        key = await served.open_session()
        await served.run("dit", {})
        assert {name for name, session in loaded.items() if session.closed} == {
            "vision_encoder", "mcp"
        }  # fmt: skip
        await served.close_session(key)
        await served.run("vae_decoder", {})
        assert loaded["llm"].closed

        def nested() -> None:  # as a preview is decoded in the midst of a drawing
            with served.model.session("dit") as running, served.model.session("mcp"):
                assert isinstance(running, Fake)
                assert not running.closed

        await served.call(nested)

    asyncio.run(go())


def test_sessions_expire_when_nobody_uses_them(served: ServedModel) -> None:
    async def go() -> None:
        kept, idle = await served.open_session(), await served.open_session()
        await asyncio.sleep(0.05)
        assert await served.in_session(kept, "reading", lambda llm: llm.step(7)) == 7
        await served.expire(0.04)
        with pytest.raises(RequestError, match="idle too long"):
            await served.in_session(idle, "reading", lambda llm: llm.step(7))
        begin = threading.Event()
        busy = asyncio.ensure_future(served.in_session(kept, "reading", lambda llm: begin.wait(10)))
        await asyncio.sleep(0.05)
        await served.expire(0)  # not while it is at work
        begin.set()
        assert await busy
        await served.close_session(kept)

    asyncio.run(go())


def test_when_it_closes_nothing_begins(served: ServedModel) -> None:
    told: list[Progress] = []
    served.progress = told.append

    async def go() -> None:
        begin = threading.Event()
        running = asyncio.ensure_future(served.call(lambda: begin.wait(10)))
        queued = asyncio.ensure_future(served.run("mcp", {}))
        await asyncio.sleep(0.05)
        assert served.busy
        served.closing.set()
        begin.set()
        assert await running
        with pytest.raises(RequestError, match="the server is closing") as caught:
            await queued
        assert refusals.content(caught.value)["error"]["kind"] == "unavailable"

    asyncio.run(go())
    assert [event.stage for event in told] == ["idle"]


def test_errors_have_their_status() -> None:
    assert refusals.of(MemoryError()).status == 500
    found = refusals.of(ZeroDivisionError("one\ntwo"))
    assert found.status == 500
    assert "internal error, not your fault: ZeroDivisionError: one" in str(found)
    assert "two" not in str(found)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    headers = [(b"content-length", b"3"), (b"content-type", b"a/b")]
    request = Request({"type": "http", "headers": headers}, never)
    with pytest.raises(RequestError, match="did not come within 0.05 s") as caught:
        asyncio.run(bodies.read(request, 10, ["a/b"], 0.05))
    assert (caught.value.status, caught.value.headers) == (408, {"Connection": "close"})


def test_bugs_end_a_request_and_too_many_requests_are_refused() -> None:
    failures: list[BaseException] = []
    logged: list[tuple[str, str, int]] = []
    reached = asyncio.Semaphore(0)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bug":
            raise KeyError("a bug")
        reached.release()
        await asyncio.sleep(60)

    guarded = Guard(
        inner, 1, "secret", (), lambda *request: logged.append(request[:3]), failures.append
    )

    nothing: Any = None

    async def ask(path: str) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost:1"), (b"authorization", b"Bearer secret")]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
        await guarded(scope, nothing, send)
        return sent

    async def go() -> None:
        found = await ask("/bug")
        assert found[0]["status"] == 500
        assert b"internal error" in found[1]["body"]
        waiting = [asyncio.ensure_future(ask("/")) for _ in range(MOST_REQUESTS)]
        for _ in waiting:
            await reached.acquire()
        assert (await ask("/"))[0]["status"] == 503
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert (await ask("/bug"))[0]["status"] == 500

    asyncio.run(go())
    assert [type(error) for error in failures] == [KeyError, KeyError]
    assert ("GET", "/bug", 500) in logged


def test_a_bug_beneath_an_endpoint_is_answered_and_told(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(self: Fake, inputs: Any) -> Any:
        raise KeyError("a bug")

    monkeypatch.setattr(Fake, "run", bug)
    failures: list[BaseException] = []
    statuses: list[int] = []

    def on_request(method: str, path: str, status: int, seconds: float) -> None:
        statuses.append(status)

    guarded = Guard(app.build(served), 1, "secret", (), on_request, failures.append)
    body = arrays.encode({})
    sent: list[Any] = []

    async def ask(*received: Any) -> None:
        messages = [*received]

        async def receive() -> Any:
            return messages.pop(0) if messages else await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = {
            "host": "localhost:1",
            "authorization": "Bearer secret",
            "content-length": str(len(body)),
            "content-type": arrays.MEDIA_TYPE,
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        path = "/components/mcp/run"
        scope = {"type": "http", "method": "POST", "path": path, "headers": raw}
        await guarded(scope, receive, send)

    asyncio.run(ask({"type": "http.request", "body": body}))
    assert (sent[0]["status"], statuses) == (500, [500])
    assert b"internal error, not your fault: KeyError" in sent[1]["body"]
    assert [type(error) for error in failures] == [KeyError]
    asyncio.run(ask({"type": "http.disconnect"}))  # who left is no failure
    assert (statuses[1:], len(failures)) == ([499], 1)


def test_a_second_signal_does_not_wait(served: ServedModel) -> None:
    said: list[str] = []
    reports = server.Reports(
        lambda: None, lambda *request: None, lambda error: None, lambda: said.append("closing")
    )
    nothing: Any = None
    running = server._Server(uvicorn.Config(nothing, log_config=None), served, reports)
    running.handle_exit(2, None)
    assert (running.should_exit, running.force_exit, running.second) == (True, False, None)
    assert served.closing.is_set()
    running.handle_exit(15, None)
    assert (running.force_exit, running.second) == (True, 15)
    assert said == []  # not in the handler: it may have come amid a print


def test_colors_are_fitted_to_what_was_decoded() -> None:
    random = np.random.default_rng(0)
    weights = random.standard_normal((3, 5)) / 4
    fit = ColorFit()
    latent = random.standard_normal((1, 4, 6, 6)).astype(np.float32)
    assert fit.estimate(latent) is None

    def image(of: Any) -> Any:
        small = (weights[:, :4] @ of[0].reshape(4, -1) + weights[:, 4:]).reshape(1, 3, 6, 6)
        return small.repeat(8, 2).repeat(8, 3).astype(np.float32)

    fit.learn(latent, image(latent))
    other = random.standard_normal((1, 4, 6, 6)).astype(np.float32)
    found = fit.estimate(other)
    assert found is not None
    expected = images.to_pixels(image(other)[:, :, ::8, ::8])
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[Model]:
    with open_model(str(tiny_bundle), keep=True) as opened:
        yield opened


@pytest.mark.parametrize(
    ("share", "stated", "kinds"),
    [
        (0, True, [*["decoded"] * 5, None]),  # decoding costs nothing
        (0, False, [*["decoded"] * 5, None]),
        # Decoding is dear: colors are estimated as the manifest says, or as those decoded were.
        (1e9, True, ["estimate", "estimate", "decoded", "estimate", "estimate", None]),
        (1e9, False, [None, None, "decoded", "estimate", "estimate", None]),
    ],
)
def test_previews_are_decoded_where_that_is_cheap_and_change_no_picture(
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    stated: bool,
    kinds: list[str | None],
) -> None:
    assert model.preview is not None
    if not stated:
        monkeypatch.setattr(model, "preview", None)
    monkeypatch.setattr(previews, "_SHARE", share)
    made = Previews(model)
    made._decoding = 1.0 if share == 0 else float("inf")
    drawing = Drawing.of(model.recipe, 6, 1.5, 4)
    shown: list[tuple[int, Preview | None]] = []
    observe = made.observer(drawing, lambda step, preview: shown.append((step, preview)))
    picture = generate.generate(model, "a cat", drawing, observe=observe)
    assert np.array_equal(picture.pixels, generate.generate(model, "a cat", drawing).pixels)
    assert [step for step, _ in shown] == [1, 2, 3, 4, 5, 6]
    assert [preview.kind if preview else None for _, preview in shown] == kinds
    sizes = {preview.kind: preview.pixels.shape for _, preview in shown if preview}
    assert sizes["decoded"] == picture.pixels.shape
    latent = model.recipe.latent.shape
    assert sizes.get("estimate", (*latent[2:], 3)) == (*latent[2:], 3)


@pytest.mark.parametrize("kind", ["torch", "mlx", "mlx-dequantized"])
def test_a_session_beside_another_has_its_weights_and_its_own_memory(
    kind: str, tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    if kind == "torch":
        checkpoint = Checkpoint.open(tiny_checkpoint)
        first: Any = TorchRuntime().load_component(checkpoint, "llm", "released")
    else:
        first = load_artifact(tiny_bundle / "llm", kind)
    ids = np.arange(9, dtype=np.int32)[None]
    read = first.prefill(ids)
    second = first.beside()
    assert isinstance(second, LanguageModelSession)
    with pytest.raises(UsageError, match="nothing was read yet"):
        second.step(1)
    second.prefill(ids[:, :4])
    second.step(3)
    following = first.step(5)
    second.prefill(ids)
    assert second.step(5).tobytes() == following.tobytes()
    second.close()
    again = first.prefill(ids)  # closing the other took nothing away
    assert all(a.tobytes() == b.tobytes() for a, b in zip(read, again, strict=True))
    first.close()
