"""A second process that makes calls while this one goes on: for seconds of work on two cores.

What takes long in short work is importing libraries, one core's work whatever the machine has. A
call comes back with what it returns, and with its progress once that is asked for. Whatever goes
wrong over there, the call is made here instead, and fails as it would have without.
"""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import queue
import sys
import threading
from contextlib import suppress
from dataclasses import astuple
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO, TypeVar

from mobileo_export.processes import child_process, collecting, worker
from mobileo_export.processes.worker import Worker, take
from mobileo_export.progress import OnProgress, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Event = dict[str, Any]

_T = TypeVar("_T")
_P = ParamSpec("_P")


def at_once(begin: Callable[_P, Callable[[], _T]]) -> Callable[_P, _T]:
    """``begin``, which gives what waits for a result, as a function that gives the result."""

    def whole(*arguments: _P.args, **named: _P.kwargs) -> _T:
        return begin(*arguments, **named)()

    whole.__doc__ = begin.__doc__
    return whole


class Here:
    """Makes calls at once, in this process: what :class:`Beside` is to a machine of one core."""

    def __init__(self, progress: OnProgress) -> None:
        self._progress = progress

    def begin(self, function: Callable[..., _T], *arguments: Any) -> Callable[[], _T]:
        """Call ``function`` with ``arguments`` and what takes its progress.

        Returns:
            What gives the result, and raises what the call does.
        """
        result = function(*arguments, self._progress)
        return lambda: result


class Beside(Here):
    """Makes calls in a process of its own, one after the other; leaving the block ends it.

    What goes there and comes back is pickled: a ``function`` is one of a module, by its name.
    """

    def __init__(self, progress: OnProgress, threads: int, libraries: tuple[str, ...] = ()) -> None:
        """``libraries`` are imported there before the first call, and compute in ``threads``."""
        super().__init__(progress)
        self.threads = threads
        self._answers: dict[str, queue.Queue[_Event | None]] = {}
        self._numbers = itertools.count()
        self._ended = False
        self._worker = Worker(
            child_process.module(__name__, *libraries),
            self._tell,
            environment={"OMP_NUM_THREADS": str(threads)},
        )

    def __enter__(self) -> Beside:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.kill()

    def begin(self, function: Callable[..., _T], *arguments: Any) -> Callable[[], _T]:
        """As :meth:`Here.begin`, over there; progress is told while the result is waited for."""
        name = str(next(self._numbers))
        events = self._answers[name] = queue.Queue()
        if self._ended:
            events.put(None)
        self._worker.send({"id": name, "call": _packed((function, arguments))})

        def result() -> _T:
            while (event := take(events)) is not None and event["event"] == "progress":
                self._progress(Progress(*event["fields"]))
            if event is None or event["event"] == "failed":
                return function(*arguments, self._progress)
            returned: _T = _unpacked(event["result"])
            return returned

        return result

    def _tell(self, _: Worker, event: _Event | None) -> None:
        if event is not None:
            self._answers[event["id"]].put(event)
            return
        self._ended = True
        for events in list(self._answers.values()):
            events.put(None)


def _packed(value: object) -> str:
    return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode()


def _unpacked(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


# From here on the other process's own side.


def serve(events: TextIO, libraries: Sequence[str] = ()) -> None:
    """Import the libraries, then make the calls of standard input in the order they come."""
    jobs: queue.Queue[_Event | None] = queue.Queue()

    def listen() -> None:  # at all times: whoever gives a call does not wait until it is made
        for line in sys.stdin:
            jobs.put(json.loads(line))
        jobs.put(None)

    threading.Thread(target=listen, daemon=True).start()
    with collecting.paused(), suppress(Exception):  # a call that needs one says what is wrong
        for library in libraries:
            import_module(library)
    collecting.settle()
    while (job := jobs.get()) is not None:
        name = job["id"]

        def report(event: Progress, name: str = name) -> None:
            worker.send(events, "progress", id=name, fields=astuple(event))

        try:
            function, arguments = _unpacked(job["call"])
            worker.send(events, "done", id=name, result=_packed(function(*arguments, report)))
        except BrokenPipeError:  # nobody listens any more
            raise
        except Exception:  # it is shown when the call is made again
            worker.send(events, "failed", id=name)


def main() -> None:
    """Entry of the process: ``--parent PID [library …]``."""
    parser = worker.arguments("Makes calls for the process that started it.")
    parser.add_argument("libraries", nargs="*")
    options = parser.parse_args()
    worker.run(lambda events: serve(events, options.libraries), options.parent)


if __name__ == "__main__":
    main()
