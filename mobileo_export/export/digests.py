"""What an export reads: its digests, its nested copies, and a watch over its files."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from mobileo_export.errors import CheckpointError
from mobileo_export.export import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.export.options import Options
    from mobileo_export.export.resume import Record

_THREADS = 2  # hashing and NumPy release the interpreter lock


class SourceDigests:
    """The checkpoint of one export. Use as a context manager: its threads end with the block.

    Digests are made in the background, once each, in the order in which they are asked for; they
    and the conversions read the same bytes as long as :meth:`check` passes afterwards.
    """

    def __init__(self, checkpoint: Checkpoint, options: Options, tools: Mapping[str, str]) -> None:
        self.checkpoint = checkpoint
        self._weights = options.weights
        self._specs = {spec.name: spec for spec in options.components}
        self._snapshot = fingerprint.Snapshot.take(checkpoint)
        again = type(checkpoint).open(checkpoint.path)  # the workers will see what lies there now
        if (again.config, again.top_level, again.nested) != (
            checkpoint.config,
            checkpoint.top_level,
            checkpoint.nested,
        ):
            raise CheckpointError(f"{checkpoint.path}: changed since it was opened; export again")
        self._stated = {
            name: fingerprint.inputs(checkpoint, spec, options, tools)
            for name, spec in self._specs.items()
        }
        self._pool = ThreadPoolExecutor(_THREADS)
        self._digests: dict[str, Future[str]] = {}
        self._nested: Future[NestedCopies | None] | None = None

    def __enter__(self) -> SourceDigests:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self) -> None:
        """Start reading all that an export needs to know."""
        if self._nested is None:
            self._nested = self._pool.submit(self.checkpoint.compare_nested)
        for name in self._specs:
            self._future(name)

    def nested(self) -> NestedCopies | None:
        """How the nested copies compare, see :meth:`Checkpoint.compare_nested`."""
        self.begin()
        assert self._nested is not None
        return self._nested.result()

    def digest(self, component: str) -> str:
        """sha256 of the tensors of ``component``."""
        return self._future(component).result()

    def keyed(self, component: str, artifact: Artifact) -> Artifact:
        """``artifact`` with the key of what it was made from; CheckpointError if that changed."""
        key = fingerprint.key(self._stated[component], self.digest(component))
        self.check()
        return replace(artifact, key=key)

    def check(self) -> None:
        """Raise CheckpointError if a file has changed since the export began."""
        self._snapshot.check()

    def promising(self, records: Iterable[Record]) -> list[Record]:
        """Those made from the same, as far as can be told without reading a tensor."""
        return promising(records, self._stated)

    def confirm(self, records: Iterable[Record]) -> list[Record]:
        """Those whose tensors have the digest that they state."""
        found = list(records)
        for record in found:
            self._future(record.component)
        return [r for r in found if self.digest(r.component) == r.tensors_sha256]

    def _future(self, component: str) -> Future[str]:
        if component not in self._digests:
            tensors = self._specs[component].tensors(self.checkpoint.model)
            self._digests[component] = self._pool.submit(
                self.checkpoint.digest, tensors, self._weights
            )
        return self._digests[component]


def promising(
    records: Iterable[Record], stated: Mapping[str, Mapping[str, object]]
) -> list[Record]:
    """The first of ``records`` for each component whose key is that of what is asked for."""
    found: dict[str, Record] = {}
    for record in records:
        asked = stated.get(record.component)
        if asked is not None and record.key == fingerprint.key(asked, record.tensors_sha256):
            found.setdefault(record.component, record)
    return list(found.values())
