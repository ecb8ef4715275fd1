"""What changed from one bundle to another: files, tensors, graphs, recipe, figures, versions.

Contents are compared where this release knows how to read them (Core ML packages, MLX folders); of
other artifacts the files are. One tensor is in memory at a time, in pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mobileo_export import json_file
from mobileo_export.bundle import links, manifest, seal
from mobileo_export.errors import BundleError, MobileoError
from mobileo_export.inspection import difference_fields
from mobileo_export.inspection.difference_fields import ChangedField
from mobileo_export.inspection.difference_graph import GraphChange
from mobileo_export.inspection.difference_tensors import TensorChange
from mobileo_export.progress import OnStage, ignore

PARITY = "parity.json"
# Told elsewhere: file by file, operation by operation.
_LEFT_OUT = ("files", "components.*.artifacts.*.operations", "components.*.artifacts.*.graphs")


@dataclass(frozen=True)
class FileChange:
    """One file that differs; a size is None where there is no such file."""

    path: str
    old_size: int | None
    new_size: int | None

    @property
    def kind(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        if self.old_size is None:
            return "added"
        return "removed" if self.new_size is None else "changed"


@dataclass(frozen=True)
class ArtifactChange:
    """Two artifacts of one component whose files differ.

    Attributes:
        component: which.
        path: of the artifact in the bundles.
        tensors: that differ, the most different first.
        tensors_equal: how many are equal to the bit.
        operations: (old, new) counts by type, of types whose counts differ.
        graph: operations added, removed, rewired or set otherwise.
        note: why the contents were not compared; None when they were.
    """

    component: str
    path: str
    tensors: tuple[TensorChange, ...] = ()
    tensors_equal: int = 0
    operations: Mapping[str, tuple[int, int]] | None = None
    graph: tuple[GraphChange, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Difference:
    """Everything that differs from the bundle ``old`` to the bundle ``new``.

    ``broken`` lists, for each side, what is not as it was sealed; contents are compared as they
    are.
    """

    old: Path
    new: Path
    broken: tuple[tuple[seal.Problem, ...], tuple[seal.Problem, ...]]
    components: tuple[tuple[str, ...], tuple[str, ...]]  # only in old, only in new
    files: tuple[FileChange, ...]
    fields: tuple[ChangedField, ...]
    artifacts: tuple[ArtifactChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs, and both are as sealed."""
        return not (any(self.broken) or any(self.components) or self.files or self.fields)


def compare(old: Path, new: Path, progress: OnStage = ignore) -> Difference:
    """Compare two bundles; files that no longer fit their seal are compared as they are.

    Raises:
        BundleError: a manifest cannot be read, or cannot be trusted with paths.
    """
    folders, contents = (old, new), (manifest.read(old), manifest.read(new))
    states = []
    for side, (folder, content) in enumerate(zip(folders, contents, strict=True)):
        progress(f"hashing {'old' if not side else 'new'}", 0, 1)
        states.append(_state(folder, content))
        progress(f"hashing {'old' if not side else 'new'}", 1, 1)
    (old_files, old_broken), (new_files, new_broken) = states
    components = [content["components"] for content in contents]
    both = [name for name in components[0] if name in components[1]]
    # What came or went as a whole is named, not told field by field.
    shown = [
        {**content, "components": {name: part[name] for name in both}}
        for content, part in zip(contents, components, strict=True)
    ]
    artifacts = []
    for done, name in enumerate(both):
        progress(f"comparing {name}", done, len(both))
        entries = [part[name]["artifacts"] for part in components]
        artifacts += _artifacts(folders, name, entries, (old_files, new_files))
    progress("compared", len(both), len(both))
    return Difference(
        old,
        new,
        (old_broken, new_broken),
        (
            tuple(sorted(components[0].keys() - components[1].keys())),
            tuple(sorted(components[1].keys() - components[0].keys())),
        ),
        tuple(_files(old_files, new_files)),
        (
            *difference_fields.compare(shown[0], shown[1], _LEFT_OUT),
            *_figures(old, new, old_files, new_files),
        ),
        tuple(artifacts),
    )


@dataclass(frozen=True)
class _State:
    """Size of a file as it is; ``sha256`` is None when the seal does not vouch for it."""

    size: int
    sha256: str | None
    place: Path

    @cached_property
    def digest(self) -> str:
        """What nobody vouches for is hashed when it is asked for."""
        return seal.digest(self.place) if self.sha256 is None else self.sha256


_Files = dict[str, _State]


def _state(folder: Path, content: dict[str, Any]) -> tuple[_Files, tuple[seal.Problem, ...]]:
    """Size and digest of every file as it is, and what the seal has against them."""
    files: _Files = {
        item["path"]: _State(item["size"], item["sha256"], folder / item["path"])
        for item in content["files"]
    }
    problems = seal.verify(folder, content)
    for problem in problems:
        path = folder / problem.path
        if problem.kind == "missing":
            del files[problem.path]
        elif problem.kind == "not a file" or not links.is_plain(path):
            files[problem.path] = _State(0, "not a file", path)
        else:
            files[problem.path] = _State(path.stat().st_size, None, path)
    return files, tuple(problems)


def _files(old: _Files, new: _Files) -> list[FileChange]:
    return [
        FileChange(
            path,
            old[path].size if path in old else None,
            new[path].size if path in new else None,
        )
        for path in sorted(old.keys() | new.keys())
        if not _same(old.get(path), new.get(path))
    ]


def _same(old: _State | None, new: _State | None) -> bool:
    """Equal contents; hashed only where the sizes leave it open."""
    if old is None or new is None:
        return old is new
    return old.size == new.size and old.digest == new.digest


def _artifacts(
    folders: tuple[Path, Path], component: str, entries: list[Any], files: tuple[_Files, _Files]
) -> list[ArtifactChange]:
    """Artifacts are paired by their target, then by their order."""
    changes = []
    targets = dict.fromkeys(entry["target"] for entry in entries[0])
    for target in targets:
        sides = [[entry for entry in side if entry["target"] == target] for side in entries]
        for pair in zip(*sides, strict=False):
            paths = (pair[0]["path"], pair[1]["path"])
            if _files(*map(_below, files, paths)):
                changes.append(_artifact(folders, component, pair))
    return changes


def _below(files: _Files, path: str) -> _Files:
    """The files of an artifact: a folder's, or one with its external data."""
    inside = {name[len(path) :]: state for name, state in files.items() if name.startswith(path)}
    return {rest: state for rest, state in inside.items() if rest[:1] in {"", "/", "."}}


def _artifact(
    folders: tuple[Path, Path], component: str, pair: tuple[dict[str, Any], dict[str, Any]]
) -> ArtifactChange:
    path = pair[0]["path"]
    places = tuple(folder / entry["path"] for folder, entry in zip(folders, pair, strict=True))
    try:
        kinds = {entry["kind"] for entry in pair}
        if kinds == {"mlpackage"}:
            maps = tuple(
                folder / entry["operation_map"] if entry["operation_map"] else None
                for folder, entry in zip(folders, pair, strict=True)
            )
            return _packages(component, path, places, maps)
        if kinds == {"mlx"} and all((place / "model.safetensors").is_file() for place in places):
            return _mlx_folders(component, path, places)
    except MobileoError as error:
        return ArtifactChange(component, path, note=f"contents not compared: {error}")
    note = f"only the files of {Path(path).suffix or 'these'} artifacts are compared"
    return ArtifactChange(component, path, note=note)


def _packages(
    component: str, path: str, places: tuple[Path, ...], maps: tuple[Path | None, ...]
) -> ArtifactChange:
    from mobileo_export.inspection import difference_graph, difference_tensors

    old, new = (
        difference_graph.load(place, origins) for place, origins in zip(places, maps, strict=True)
    )
    graph, pairs = difference_graph.compare(old, new)
    tensors, equal = difference_tensors.of_constants(pairs)
    operations = {
        kind: (old.counts.get(kind, 0), new.counts.get(kind, 0))
        for kind in sorted(old.counts.keys() | new.counts.keys())
        if old.counts.get(kind, 0) != new.counts.get(kind, 0)
    }
    return ArtifactChange(component, path, tensors, equal, operations, graph)


def _mlx_folders(component: str, path: str, places: tuple[Path, ...]) -> ArtifactChange:
    from mobileo_export.inspection import difference_tensors

    tensors, equal = difference_tensors.of_mlx_folders(places[0], places[1])
    return ArtifactChange(component, path, tensors, equal)


def _figures(
    old: Path, new: Path, old_files: _Files, new_files: _Files
) -> tuple[ChangedField, ...]:
    """The parity figures that were recorded into the bundles."""
    if _same(old_files.get(PARITY), new_files.get(PARITY)):
        return ()
    sides = []
    for folder, files in ((old, old_files), (new, new_files)):
        content: Any = {}
        if PARITY in files:
            try:
                content = json_file.load(folder / PARITY, constants=False)
            except (OSError, ValueError) as error:
                raise BundleError(
                    f"{folder / PARITY}: cannot be read as JSON ({error}); record it again"
                ) from error
        sides.append(content)
    return difference_fields.compare({PARITY: sides[0]}, {PARITY: sides[1]}, ())
