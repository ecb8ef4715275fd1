"""One thread on which a model runs, one call after the other."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class RunThread:
    """Runs functions in their order: there is one accelerator, and libraries mind their threads.

    A daemon, unlike an executor's threads: a call that nobody waits for any more does not keep the
    program from ending. ``busy`` tells whether a call is going on.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self.busy = False
        threading.Thread(target=self._work, name="model", daemon=True).start()

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """The result of ``function`` when its turn has come; until then it can be cancelled."""
        future: Future[T] = Future()
        self._jobs.put((future, function))
        return future

    def _work(self) -> None:
        while True:
            future, function = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            self.busy = True
            try:
                future.set_result(function())
            except BaseException as error:  # whoever waits for it has it
                future.set_exception(error)
            self.busy = False
            del future, function  # arrays that nobody needs while we wait
