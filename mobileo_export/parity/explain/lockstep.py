"""Run the reference beside the artifact, as far as the artifact needs it.

The reference runs in a thread of its own, but never at the same time: it is let on until the module
that is asked for has returned, and then it waits. So each output is there when the artifact's value
is, and is dropped once compared: nothing is stored, however large the model.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")
Key = tuple[str, int]


class _Abandoned(BaseException):
    """Unwinds a reference that nobody waits for any more."""


class Lockstep(Generic[Result]):
    """``run`` calls ``module``; outputs of the calls in ``wanted`` (path, number) are handed out.

    A context manager: leaving it ends the reference wherever it is.
    """

    def __init__(
        self, module: torch.nn.Module, wanted: Iterable[Key], run: Callable[[], Result]
    ) -> None:
        self._run = run
        self._wanted = frozenset(wanted)
        self._calls: Counter[str] = Counter()
        self._ready: dict[Key, tuple[Any, ...]] = {}
        self._awaited: Key | None = None
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._abandoned = self._started = False
        self._reference_turn = threading.Semaphore(0)
        self._artifact_turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name="reference", daemon=True)
        paths: dict[str, list[int]] = defaultdict(list)
        for path, call in self._wanted:
            paths[path].append(call)
        self._handles = [
            child.register_forward_hook(self._hook(path))
            for path, child in module.named_modules()
            if path in paths
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._abandoned = True
        if self._started and self._thread.is_alive():
            self._reference_turn.release()
            self._thread.join()
        for handle in self._handles:
            handle.remove()
        self._ready.clear()

    def output(self, path: str, call: int) -> tuple[Any, ...]:
        """The tensors that a call of a module returned; () when there was no such call."""
        key = (path, call)
        if key not in self._ready and not self._finished():
            self._continue(key)
        return self._ready.pop(key, ())

    def finish(self) -> Result:
        """Let the reference run to its end; what ``run`` returned.

        Raises:
            Whatever the reference raised.
        """
        if not self._finished():
            self._continue(None)
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _finished(self) -> bool:
        return bool(self._results) or self._error is not None

    def _continue(self, awaited: Key | None) -> None:
        self._awaited = awaited
        if not self._started:
            self._started = True
            self._thread.start()
        else:
            self._reference_turn.release()
        self._artifact_turn.acquire()

    def _work(self) -> None:
        try:
            self._results.append(self._run())
        except _Abandoned:
            pass
        except BaseException as error:  # raised again where the result is asked for
            self._error = error
        finally:
            self._artifact_turn.release()

    def _hook(self, path: str) -> Callable[..., None]:
        def returned(module: Any, inputs: Any, output: Any) -> None:
            key = (path, self._calls[path])
            self._calls[path] += 1
            if key not in self._wanted:
                return
            # What is compared later may have been overwritten in place by then.
            self._ready[key] = tuple(tensor.clone() for tensor in tensors_of(output))
            if key == self._awaited:
                self._artifact_turn.release()
                self._reference_turn.acquire()
                if self._abandoned:
                    raise _Abandoned

        return returned


def tensors_of(output: Any) -> list[Any]:
    """The tensors in what a module returned, in order."""
    if hasattr(output, "numpy") and hasattr(output, "dtype"):
        return [output]
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, tuple | list):
        return [tensor for item in output for tensor in tensors_of(item)]
    return []
