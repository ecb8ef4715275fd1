"""The wire protocol, as docs/serve.md has it, on Starlette."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mobileo_export.components import COMPONENTS, TensorSpec
from mobileo_export.errors import BundleError, MobileoError
from mobileo_export.pipelines import images
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.runtimes import registry, signature
from mobileo_export.serve import arrays, bodies, events, refusals
from mobileo_export.serve.previews import Previews
from mobileo_export.serve.refusals import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping

    from mobileo_export.runtimes.base import Array, LanguageModelSession
    from mobileo_export.serve.served import ServedModel

PAGE = Path(__file__).parent / "page"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Files of the page, by path: what can be read without the token.
PUBLIC = {
    "/": PAGE / "index.html",
    **{f"/{file.name}": file for file in sorted(PAGE.iterdir()) if file.suffix in _TYPES},
}
MOST_JSON = 1 << 27  # of a pipeline's request: a picture file in base64
_ARRAYS = (arrays.MEDIA_TYPE, bodies.BINARY)
_EXPIRE_EVERY = 30.0
_STEP = (TensorSpec("input_ids", (1, 1), "One token id", "int32"),)

T = TypeVar("T")


class Protocol:
    """The endpoints over one served model."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._pipelines = events.Pipelines(served, Previews(served.model))
        self._page = {
            path: Response(file.read_bytes(), media_type=_TYPES[file.suffix])
            for path, file in PUBLIC.items()
        }

    def routes(self) -> list[Route]:
        """Every path."""
        return [
            *(Route(path, self._public) for path in PUBLIC),
            Route("/manifest", self._manifest),
            Route("/components", self._components),
            Route("/components/{name}/run", self._run, methods=["POST"]),
            Route("/components/{name}", self._release, methods=["DELETE"]),
            Route("/llm/sessions", self._open, methods=["POST"]),
            Route("/llm/sessions/{key}", self._close, methods=["DELETE"]),
            Route("/llm/sessions/{key}/prefill", self._prefill, methods=["POST"]),
            Route("/llm/sessions/{key}/step", self._step, methods=["POST"]),
            Route("/images", self._image, methods=["POST"]),
            Route("/pipelines/{name}", self._pipeline, methods=["POST"]),
        ]

    async def _public(self, request: Request) -> Response:
        return self._page[request.scope["path"]]

    async def _manifest(self, request: Request) -> Response:
        return Response(self._served.manifest, media_type="application/json")

    async def _components(self, request: Request) -> Response:
        found = {
            name: {"runtime": runtime, "exact": registry.ENTRIES[runtime].exact}
            for name, runtime in self._served.model.runtimes.items()
        }
        return Response(json.dumps(found), media_type="application/json")

    async def _run(self, request: Request) -> Response:
        name = self._component(request)
        inputs = await self._inputs(request, self._served.model.signatures[name])
        return _arrays(await _while_there(request, self._served.run(name, inputs)))

    async def _release(self, request: Request) -> Response:
        await self._served.release(self._component(request))
        return Response(status_code=204)

    async def _open(self, request: Request) -> Response:
        self._served.model.require("llm")
        await bodies.read(request, 0, None)
        key = await self._served.open_session()
        body = json.dumps({"session": key, "positions": self._served.model.longest_text})
        return Response(body, 201, media_type="application/json")

    async def _close(self, request: Request) -> Response:
        await self._served.close_session(request.path_params["key"])
        return Response(status_code=204)

    async def _prefill(self, request: Request) -> Response:
        inputs = await self._inputs(request, self._served.model.signatures["llm"])

        def prefill(llm: LanguageModelSession) -> dict[str, Array]:
            stacked, logits = llm.prefill(inputs["input_ids"], inputs.get("image_features"))
            return {"stacked_hidden_states": stacked, "logits": logits}

        return await self._in_session(request, "reading", prefill)

    async def _step(self, request: Request) -> Response:
        inputs: Mapping[str, Any] = await self._inputs(request, _STEP)
        token = int(inputs["input_ids"][0, 0])
        return await self._in_session(request, "writing", lambda llm: {"logits": llm.step(token)})

    async def _image(self, request: Request) -> Response:
        data = await bodies.read(request, images.MAX_FILE, None)
        pixels = await asyncio.to_thread(images.decode, data)
        return _arrays({"pixels": pixels})

    async def _pipeline(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in NEEDS:
            raise RequestError(404, f"{name}: no such pipeline; there are {_list(NEEDS)}")
        given = bodies.parse(await bodies.read(request, MOST_JSON, ["application/json"]))
        job = await asyncio.to_thread(self._pipelines.prepared, name, given)
        self._served.check_open()
        return StreamingResponse(self._pipelines.stream(job), media_type=events.MEDIA_TYPE)

    def _component(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in COMPONENTS:
            raise RequestError(404, f"{name}: no such component; there are {_list(COMPONENTS)}")
        try:
            self._served.model.require(name)
        except BundleError as error:
            raise RequestError(404, str(error)) from error
        return name

    async def _inputs(self, request: Request, specs: tuple[TensorSpec, ...]) -> Mapping[str, Array]:
        data = await bodies.read(request, arrays.most_bytes(specs), _ARRAYS)
        found = arrays.decode(data)
        signature.check_inputs(specs, found)
        return found

    async def _in_session(self, request: Request, stage: str, function: Any) -> Response:
        key = request.path_params["key"]
        return _arrays(await _while_there(request, self._served.in_session(key, stage, function)))


def build(served: ServedModel) -> Starlette:
    """The application; requests are expected to have passed ``guard.Guard``."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        expiring = asyncio.ensure_future(_expire(served))
        try:
            yield
        finally:
            expiring.cancel()

    # Starlette hands bugs on to the guard when they are answered, which tells of them.
    handlers: dict[Any, Any] = {
        **dict.fromkeys((MobileoError, HTTPException, Exception), _refused),
        ClientDisconnect: _gone,
    }
    app = Starlette(
        routes=Protocol(served).routes(), exception_handlers=handlers, lifespan=lifespan
    )
    app.router.redirect_slashes = False  # a path is what it is
    return app


async def _expire(served: ServedModel) -> None:
    while True:
        await asyncio.sleep(_EXPIRE_EVERY)
        with suppress(MobileoError):
            await served.expire()


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):  # of Starlette's router: 404 and 405
        path = request.scope["path"]
        said = {
            404: f"{path}: no such path; docs/serve.md has them",
            405: f"{path}: does not take {request.method}",
        }
        refused = RequestError(
            error.status_code, said.get(error.status_code, error.detail), error.headers
        )
    else:
        refused = refusals.of(error)
    return Response(refusals.encoded(refused), refused.status, refused.headers, "application/json")


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody has it; the log does


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is left out if its client hangs up before it begins.

    Raises:
        ClientDisconnect: the client hung up.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        watching.cancel()
        working.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _arrays(found: Mapping[str, Array]) -> Response:
    return Response(arrays.encode(found), media_type=arrays.MEDIA_TYPE)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
