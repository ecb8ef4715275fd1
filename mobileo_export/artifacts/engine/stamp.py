"""Where engines lie, and what is written beside each: what it was built from, with and for.

An engine runs on the TensorRT version and the kind of device that it was built with, and nowhere
else; its stamp says which, so that a wrong one is refused with the reason and never tried.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.bundle import links, manifest, seal
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "mobileo-engine"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Target:
    """What an engine is for: both must be equal for it to run."""

    library: str  # tensorrt, tensorrt_rtx
    version: str
    compute_capability: str  # 8.7 of an Orin

    def __str__(self) -> str:
        name = "TensorRT" if self.library == "tensorrt" else self.library
        return f"{name} {self.version} on compute capability {self.compute_capability}"


@dataclass(frozen=True)
class Stamp:
    """What is known of an engine. Sizes are bytes.

    Attributes:
        source: name of the ONNX file that it was built from.
        source_sha256: over that file and its external data, see :func:`source_digest`.
        target: what it was built with and for.
        options: how it was built: profiles, workspace limit, optimization level.
        size: of the engine file.
        sha256: of the engine file.
        scratch: that each profile's execution needs beside the weights; empty if unknown.
        build_seconds: that the build took, a cache of measurements helping or not.
    """

    source: str
    source_sha256: str
    target: Target
    options: dict[str, Any]
    size: int
    sha256: str
    scratch: tuple[int, ...]
    build_seconds: float


@dataclass(frozen=True)
class Place:
    """The files of one artifact's engine."""

    onnx: Path
    engine: Path

    @property
    def stamp(self) -> Path:
        """The engine's stamp."""
        return self.engine.with_name(self.engine.name + ".json")

    @property
    def log(self) -> Path:
        """What TensorRT said while it built the engine."""
        return self.engine.with_suffix(".log")

    @property
    def partial(self) -> Path:
        """The engine while it is written."""
        return self.engine.with_name(self.engine.name + ".partial")


def folder(bundle: Path) -> Path:
    """Where the engines of ``bundle`` lie: beside it, since a sealed bundle does not change."""
    bundle = bundle.absolute()
    return bundle.with_name(bundle.name + ".engines")


def place(onnx: Path) -> Place:
    """The files of the engine of ``onnx``, in a bundle or alone."""
    onnx = onnx.absolute()
    bundle = bundle_of(onnx) or onnx.parent
    name = "-".join(onnx.relative_to(bundle).with_suffix(".engine").parts)
    return Place(onnx, folder(bundle) / name)


def bundle_of(path: Path) -> Path | None:
    """The bundle that ``path`` lies in."""
    return next((p for p in path.absolute().parents if (p / manifest.MANIFEST).is_file()), None)


def source_files(onnx: Path) -> tuple[Path, ...]:
    """The ONNX file and its external data.

    Raises:
        BundleError: there is no such file.
    """
    if not onnx.is_file():
        raise BundleError(f"{onnx}: no such file; export the bundle again or copy it again")
    data = onnx.with_name(onnx.name + manifest.EXTERNAL_DATA)
    for file in (onnx, data):
        links.check(file)
    return (onnx, data) if data.is_file() else (onnx,)


def source_digest(onnx: Path, *, trust_manifest: bool) -> str:
    """sha256 over the names and contents of an ONNX file and its external data.

    ``trust_manifest`` takes the digests that the bundle was sealed with, where there are any,
    instead of reading gigabytes.

    Raises:
        BundleError: a file is missing or not as it was sealed.
    """
    sealed: dict[str, str] = {}
    bundle = bundle_of(onnx)
    if bundle is not None:
        files = manifest.read(bundle)["files"]
        sealed = {file["path"]: file["sha256"] for file in files}
    state = hashlib.sha256()
    for path in source_files(onnx):
        name = path.absolute().relative_to(bundle).as_posix() if bundle else path.name
        known = sealed.get(name)
        found = known if known and trust_manifest else seal.digest(path)
        if known and found != known:
            raise BundleError(f"{path}: is not as it was sealed; copy the bundle again")
        state.update(f"{path.name}\0{found}\n".encode())
    return state.hexdigest()


def write(where: Place, stamp: Stamp) -> None:
    """Write the stamp whole or not at all.

    Raises:
        OSError: the disk is full or the folder forbidden.
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(stamp)}
    partial = where.stamp.with_name(where.stamp.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(where.stamp)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def read(where: Place) -> Stamp:
    """The stamp of a built engine.

    Raises:
        BundleError: there is no engine, no stamp, or one that cannot be read.
    """
    if not where.engine.is_file() or not where.stamp.is_file():
        raise BundleError(
            f"{where.engine}: {'has no stamp' if where.engine.is_file() else 'is not built yet'}; "
            f"run mobileo-jetson build {_bundle_name(where)}"
        )
    try:
        content = json_file.load(where.stamp)
        if content.pop("format") != FORMAT or content.pop("format_version") != FORMAT_VERSION:
            raise ValueError("another format")
        return _parse(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(
            f"{where.stamp}: cannot be read ({type(error).__name__}: {error}); "
            f"run mobileo-jetson build {_bundle_name(where)}"
        ) from error


def _parse(content: Mapping[str, Any]) -> Stamp:
    stamp = Stamp(
        **{
            **content,
            "target": Target(**content["target"]),
            "scratch": tuple(content["scratch"]),
        }
    )
    kinds: tuple[tuple[Any, Any], ...] = (
        (stamp.size, int),
        (stamp.sha256, str),
        (stamp.source, str),
        (stamp.source_sha256, str),
        (stamp.options, dict),
        (stamp.build_seconds, (int, float)),
        *((value, str) for value in asdict(stamp.target).values()),
        *((value, int) for value in stamp.scratch),
    )
    if any(not isinstance(value, kind) for value, kind in kinds):
        raise ValueError("a value is of the wrong type")
    return stamp


def problem(
    where: Place,
    stamp: Stamp,
    target: Target,
    source_sha256: str,
    options: Mapping[str, Any] | None = None,
) -> str | None:
    """Why the engine does not fit ``target`` and its ONNX (and ``options``); None when it does."""
    size = where.engine.stat().st_size
    if size != stamp.size:
        return f"is {size:,} bytes, {stamp.size:,} were written: it is cut short or overwritten"
    if stamp.target != target:
        return f"was built with {stamp.target}, here is {target}"
    if stamp.source_sha256 != source_sha256:
        return f"was built from another {where.onnx.name}"
    if options is not None:
        changed = sorted(
            key for key in {*options, *stamp.options} if options.get(key) != stamp.options.get(key)
        )
        if changed:
            return f"was built with other options ({', '.join(changed)})"
    return None


def check(where: Place, target: Target) -> Stamp:
    """The stamp of an engine that may run here.

    Raises:
        BundleError: there is no engine, or it does not fit; the message says why.
    """
    stamp = read(where)
    found = problem(where, stamp, target, source_digest(where.onnx, trust_manifest=True))
    if found:
        raise BundleError(
            f"{where.engine}: {found}; run mobileo-jetson build {_bundle_name(where)}"
        )
    return stamp


def _bundle_name(where: Place) -> str:
    return str(bundle_of(where.onnx) or where.onnx.parent)
