"""``mobileo-export serve``: a bundle's components for an app, and a page to try it on."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mobileo_export.cli import options, sources
from mobileo_export.cli.output import print_error, say
from mobileo_export.cli.stages import words
from mobileo_export.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mobileo_export.progress import OnProgress, Progress
    from mobileo_export.serve.served import ServedModel


def command(
    *,
    source: options.Source,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of 127.0.0.1; 0 takes a free one.")
    ] = 0,
    runtime: options.Runtime = "auto",
    weights: options.Weights = "released",
    offline: options.Offline = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print address, token and runtimes as one JSON line.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line a request on standard error.")
    ] = False,
) -> None:
    """Let apps and a browser on this machine use a model, until Ctrl-C.

    Prints an address to open, with a page to draw, edit, ask and chat on. Apps call the components
    there, with the token that is printed, or that of the variable MOBILEO_TOKEN.
    """
    import os

    from mobileo_export.components import COMPONENTS
    from mobileo_export.processes import extras

    extras.need("serve", ("starlette", "uvicorn"))
    from mobileo_export.serve import guard, server
    from mobileo_export.serve.source import open_served

    source = sources.local(source, offline, quiet or json)
    given = os.environ.get(guard.VARIABLE)
    secret = guard.token(given)
    titles = {name: spec.short for name, spec in COMPONENTS.items()}
    with server.bind(port) as listening, ExitStack() as bars:
        served = open_served(source, runtime, weights, offline=offline)
        sources.tell(served.model.notes)
        address = f"http://{server.HOST}:{listening.getsockname()[1]}"

        def ready() -> None:
            _tell(served, address, secret, json, named=not given)
            if sys.stderr.isatty() and not (quiet or json):
                served.progress = bars.enter_context(_status(titles))

        reports = server.Reports(
            on_ready=ready,
            on_request=_log if verbose else lambda *request: None,
            on_failure=_failed,
            on_closing=_closing,
        )
        second = server.serve(served, listening, secret, reports)
    if served.busy:  # libraries abort a program that ends beneath their threads
        if second:
            print_error("interrupted")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(128 + second if second else 0)
    if second:
        raise SystemExit(128 + second)


def _tell(served: ServedModel, address: str, secret: str, json: bool, named: bool) -> None:
    model = served.model
    if json:
        import json as encoder

        found = {
            "source": model.source,
            "address": address,
            "token": secret,
            "page": f"{address}/#{secret}",
            "components": list(model.signatures),
            "runtimes": dict(model.runtimes),
        }
        print(encoder.dumps(found, ensure_ascii=False, sort_keys=True), flush=True)
        return
    runs = ", ".join(f"{name} on {kind}" for name, kind in model.runtimes.items())
    say(f"serving {model.source}: {runs}")
    if named:
        print(f"open {address}/#{secret}\napps: --host {address} --token {secret}")
    else:  # whoever set it knows it, and logs need not
        print(f"open {address}/\napps: --host {address}, with the token of MOBILEO_TOKEN")
    print("Ctrl-C ends it", flush=True)


@contextmanager
def _status(titles: Mapping[str, str]) -> Iterator[OnProgress]:
    """What the model does, in one line that is there while it does."""
    from rich.console import Console
    from rich.status import Status

    status = Status("", console=Console(stderr=True))

    def show(event: Progress) -> None:
        if event.job not in titles:
            status.stop()
            return
        count = f" {event.done}/{event.total}" if event.total > 1 else ""
        status.update(f"{titles[event.job]}: {words(event.stage)}{count}")
        status.start()

    try:
        yield show
    finally:
        status.stop()


def _log(method: str, path: str, status: int, seconds: float) -> None:
    answered = status or "left"
    print(printable(f"{method} {path} {answered} {seconds:.3f} s"), file=sys.stderr, flush=True)


def _failed(error: BaseException) -> None:
    import traceback

    from mobileo_export.processes import debug

    print_error(f"a request failed: {type(error).__name__}: {error}")
    if debug.enabled():
        traceback.print_exception(error)


def _closing() -> None:
    print("closing", file=sys.stderr, flush=True)
