"""What an export reads: its digests, its nested copies, and a watch over its files."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mobileo_export.bundle import seal
from mobileo_export.errors import CheckpointError
from mobileo_export.export import fingerprint, resume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.converters.options import Options
    from mobileo_export.export.resume import Record

_THREADS = 2  # hashing and NumPy release the interpreter lock


class SourceDigests:
    """The checkpoint of one export. Use as a context manager: its threads end with the block.

    Digests are made in the background, once each, the longest first; they and the conversions
    read the same bytes as long as :meth:`check` passes afterwards.

    Args:
        checkpoint: what is converted.
        options: of the export.
        snapshot: of the checkpoint, taken before ``stated``.
        stated: ``fingerprint.inputs`` of each component.

    Raises:
        CheckpointError: the files hold something else than when they were opened.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: Options,
        snapshot: fingerprint.Snapshot,
        stated: Mapping[str, Mapping[str, object]],
    ) -> None:
        self.checkpoint = checkpoint
        self._weights = options.weights
        self._specs = {spec.name: spec for spec in options.components}
        self._snapshot = snapshot
        self._stated = stated
        again = type(checkpoint).open(checkpoint.path)  # the workers will see what lies there now
        if (again.config, again.top_level, again.nested) != (
            checkpoint.config,
            checkpoint.top_level,
            checkpoint.nested,
        ):
            raise CheckpointError(f"{checkpoint.path}: changed since it was opened; export again")
        self._pool = ThreadPoolExecutor(_THREADS + 1)  # one waits for the nested copies' own
        self._digests: dict[str, Future[str]] = {}
        self._compared: dict[str, float] = {}  # nested copies, as they are read beside others
        self._nested: Future[NestedCopies | None] | None = None

    def __enter__(self) -> SourceDigests:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self) -> None:
        """Start reading all that an export needs to know."""
        for name in sorted(self._specs, key=self._bytes, reverse=True):
            self._future(name)
        if self._nested is None:  # the last, since it waits for the others
            self._nested = self._pool.submit(self._compare, list(self._digests.values()))

    def _compare(self, digests: Sequence[Future[str]]) -> NestedCopies | None:
        for digest in digests:
            digest.result()
        return self.checkpoint.compare_nested(self._compared)

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

    def matching(self, records: Iterable[Record]) -> list[Record]:
        """Those made from the same, as far as can be told without reading a tensor."""
        return matching(records, self._stated)

    def confirm(self, folder: Path, records: Sequence[Record]) -> list[Callable[[], bool]]:
        """Whether each of ``records`` still holds: its tensors, and its files in ``folder``.

        All of it is read at one time, the longest first, so that no core waits for another; each
        of the functions returned waits for what its record needs.
        """
        sound = [record for record in records if resume.sound(folder, record)]
        sizes = {folder / file.path: file.size for record in sound for file in record.files}
        waiting: list[tuple[int, str | Path]] = [(size, path) for path, size in sizes.items()]
        waiting += [(self._bytes(record.component), record.component) for record in sound]
        files: dict[Path, Future[str]] = {}
        for _, item in sorted(waiting, key=lambda pair: -pair[0]):
            if isinstance(item, str):
                self._future(item)
            else:
                files[item] = self._pool.submit(seal.digest, item)
        if sound:  # hardly anything will be left to convert meanwhile
            self.begin()

        def holds(record: Record) -> bool:
            return (
                record in sound
                and self.digest(record.component) == record.tensors_sha256
                and resume.whole(folder, record, lambda path: files[path].result())
            )

        return [partial(holds, record) for record in records]

    def _bytes(self, component: str) -> int:
        tensors = self._specs[component].tensors(self.checkpoint.model)
        return sum(self.checkpoint.info(name, self._weights).nbytes for name in tensors)

    def _future(self, component: str) -> Future[str]:
        if component not in self._digests:
            tensors = self._specs[component].tensors(self.checkpoint.model)
            self._digests[component] = self._pool.submit(
                self.checkpoint.digest, tensors, self._weights, self._compared
            )
        return self._digests[component]


def matching(records: Iterable[Record], stated: Mapping[str, Mapping[str, object]]) -> list[Record]:
    """The first of ``records`` for each component whose key is that of what is asked for."""
    found: dict[str, Record] = {}
    for record in records:
        asked = stated.get(record.component)
        if asked is not None and record.key == fingerprint.key(asked, record.tensors_sha256):
            found.setdefault(record.component, record)
    return list(found.values())
