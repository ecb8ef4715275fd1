"""Finished artifacts: kept when an export ends early, or taken over from an older bundle.

An artifact in ``OUTPUT.partial/new`` counts as finished when its files are on the disk and a record
of them in ``OUTPUT.partial/finished`` is too. A record is believed after every file was read again.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.bundle import card, durable, schema, seal
from mobileo_export.bundle.manifest import EXTERNAL_DATA, Artifact, FileEntry, artifact_of
from mobileo_export.bundle.workspace import MARKER, NEW, RECORDS, partial_of, remove
from mobileo_export.errors import BundleError
from mobileo_export.processes import debug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mobileo_export.bundle.workspace import Claim

_WORK = "work"
_FORMAT = 1
# Files of a sealed bundle that belong to no artifact.
_OTHERS = ("NOTICE.txt", card.CARD, "parity.json", "golden/")


@dataclass(frozen=True)
class Record:
    """One finished artifact: what it was made from and what it consists of.

    ``key`` is that of :mod:`mobileo_export.export.fingerprint` and lies in ``artifact`` too, as the
    manifest of a sealed bundle has it; ``files`` have paths relative to the bundle. ``preview`` is
    that of the manifest.
    """

    component: str
    tensors_sha256: str
    artifact: Artifact
    files: tuple[FileEntry, ...]
    preview: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """What the artifact was made from, as one number."""
        return self.artifact.key or ""


def names(output: Path) -> list[str]:
    """Components that an interrupted export of ``output`` finished, by their records alone."""
    return sorted(path.stem for path in (partial_of(output) / RECORDS).glob("*.json"))


def of_partial(partial: Path) -> list[Record]:
    """The records in ``partial`` that can be read; nothing that they say was checked."""
    found = []
    for path in sorted((partial / RECORDS).glob("*.json")):
        record = _read(path)
        if record is not None and record.component == path.stem:
            found.append(record)
    return found


def of_bundle(content: Mapping[str, Any]) -> list[Record]:
    """The records that the manifest ``content`` of a sealed bundle amounts to; nothing is checked.

    Empty for a bundle whose files cannot all be told to belong to one artifact.
    """
    files = [FileEntry(**entry) for entry in content["files"]]
    found = []
    for name, component in content["components"].items():
        for entry in component["artifacts"]:
            artifact = artifact_of(entry)
            own = tuple(file for file in files if _owns(artifact, file.path))
            digest, preview = component["tensors_sha256"], component.get("preview")
            found.append(Record(name, digest, artifact, own, preview))
    claimed = [file.path for record in found for file in record.files]
    others = {file.path for file in files if file.path.startswith(_OTHERS)}
    if sorted(claimed) != sorted({file.path for file in files} - others):
        return []
    return [record for record in found if record.key]


def sound(folder: Path, record: Record) -> bool:
    """Whether every file of ``record`` lies in ``folder`` with the size recorded; reads none."""
    paths = [folder / file.path for file in record.files]
    if not paths or not all(map(_plain, (file.path for file in record.files))):
        return False
    return all(
        not _linked(folder, path) and path.is_file() and path.stat().st_size == file.size
        for path, file in zip(paths, record.files, strict=True)
    )


def whole(folder: Path, record: Record, digest: Callable[[Path], str] = seal.digest) -> bool:
    """Whether ``folder`` holds every file of ``record``, and all of them as recorded."""
    return sound(folder, record) and all(
        digest(folder / file.path) == file.sha256 for file in record.files
    )


def workplace(claimed: Claim, component: str) -> Path:
    """Where ``component`` is converted; see :func:`prepare`."""
    return claimed.partial / _WORK / component


def prepare(claimed: Claim, component: str) -> None:
    """Make the workplace of ``component`` an empty folder."""
    folder = workplace(claimed, component)
    if folder.exists():
        remove(folder)
    folder.mkdir(parents=True)


def finish(
    claimed: Claim,
    component: str,
    tensors_sha256: str,
    artifact: Artifact,
    preview: dict[str, Any] | None = None,
) -> Record:
    """Make what lies in the workplace a finished artifact: on the disk, hashed, recorded."""
    folder = workplace(claimed, component)
    with ThreadPoolExecutor(1) as pool:  # the disk writes while we read back from the cache
        synchronised = pool.submit(durable.sync_tree, folder)
        entries = seal.entries(folder)
        synchronised.result()
    for path in sorted(folder.iterdir()):
        path.rename(claimed.new / path.name)
    durable.sync_path(claimed.new)
    remove(folder)
    return _write(claimed, Record(component, tensors_sha256, artifact, entries, preview))


def link(claimed: Claim, record: Record) -> bool:
    """Link or copy an artifact of the bundle to replace; False if that holds no such files.

    What it holds is read afterwards, under its new name: the old one may be another's by then.
    """
    bundle = claimed.output
    if not all(map(_plain, (file.path for file in record.files))):
        return False
    for file in record.files:
        source, target = bundle / file.path, claimed.new / file.path
        if _linked(bundle, source) or not source.is_file():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:  # never written to: it may be a link to what others use
            return False
        except OSError:  # no hard links here
            shutil.copyfile(source, target)
    return True


def keep(claimed: Claim, records: Iterable[Record]) -> None:
    """Record artifacts that were linked, and found to be whole, as finished: on the disk first."""
    folder = claimed.partial / RECORDS
    linked = [one for one in records if not (folder / f"{one.component}.json").exists()]
    if linked:
        durable.sync_tree(claimed.new)
    for record in linked:
        _write(claimed, record)


def sweep(claimed: Claim, records: Iterable[Record]) -> None:
    """Remove everything but ``records`` and their files: what nobody vouches for."""
    kept_records = list(records)
    keep = {file.path for record in kept_records for file in record.files}
    claimed.new.mkdir(exist_ok=True)
    for path in sorted(claimed.new.rglob("*"), reverse=True):  # what a folder holds before it
        relative = path.relative_to(claimed.new).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif relative not in keep:
            path.unlink()
    recorded = {f"{record.component}.json" for record in kept_records}
    folder = claimed.partial / RECORDS
    if folder.is_dir():
        for path in list(folder.iterdir()):
            if path.name not in recorded:
                remove(path)
    for path in list(claimed.partial.iterdir()):
        if path.name not in {MARKER, NEW, RECORDS}:
            remove(path)


@contextmanager
def cleared_on_failure(claimed: Claim) -> Iterator[None]:
    """When the block fails, free the disk of all that is not finished."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if not debug.enabled():
                sweep(claimed, of_partial(claimed.partial))
        raise


def files(folder: Path, records: Iterable[Record], *others: str) -> tuple[FileEntry, ...]:
    """All files of the bundle in ``folder``, in the order of its manifest.

    Raises:
        BundleError: it holds something else.
    """
    every = [
        *(file_entry(folder, name) for name in others),
        *(file for record in records for file in record.files),
    ]
    listed = {file.path for file in every}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            relative = path.relative_to(folder).as_posix()
            if relative not in listed and not seal.is_stray(relative):
                raise BundleError(f"{path}: is not of this export; delete it and export again")
    return in_order(every)


def file_entry(folder: Path, name: str) -> FileEntry:
    """``name`` in ``folder`` as a manifest lists it."""
    return FileEntry(name, (folder / name).stat().st_size, seal.digest(folder / name))


def in_order(every: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    """The order of a manifest."""
    return tuple(sorted(every, key=lambda file: PurePosixPath(file.path).parts))


def _write(claimed: Claim, record: Record) -> Record:
    folder = claimed.partial / RECORDS
    folder.mkdir(exist_ok=True)
    content = {"format": _FORMAT, **asdict(record)}
    durable.write_text(
        folder / f"{record.component}.json", json.dumps(content, indent=1, sort_keys=True) + "\n"
    )
    durable.sync_path(claimed.partial)
    return record


def _read(path: Path) -> Record | None:
    """A record, or None for anything else: a damaged one is as good as none."""
    try:
        content = json_file.load(path)
        if content.pop("format") != _FORMAT:
            return None
        entries = tuple(FileEntry(**entry) for entry in content.pop("files"))
        record = Record(artifact=artifact_of(content.pop("artifact")), files=entries, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    texts = (record.component, record.tensors_sha256, record.artifact.key)
    sound = all(isinstance(text, str) for text in texts) and all(
        isinstance(e.path, str) and type(e.size) is int and isinstance(e.sha256, str)
        for e in entries
    )
    preview = {"$ref": "#/$defs/preview", "$defs": schema.manifest_schema()["$defs"]}
    damaged = record.preview is not None and schema.first_problem(record.preview, preview)
    return record if sound and not damaged else None


def _owns(artifact: Artifact, path: str) -> bool:
    stems = {artifact.path, *(graph.path for graph in artifact.graphs)}
    return path in {artifact.operation_map, artifact.compression_map} or any(
        path in {stem, stem + EXTERNAL_DATA} or path.startswith(stem + "/") for stem in stems
    )


def _plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    outside = not parts or path.startswith("/") or ".." in parts
    return not outside and "\0" not in path and "\\" not in path


def _linked(folder: Path, path: Path) -> bool:
    """Whether ``path`` or a folder on the way to it is a link."""
    return any(p.is_symlink() for p in (path, *path.parents) if folder in p.parents)
