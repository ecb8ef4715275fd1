"""``golden/index.json``: written in a fixed form, and read with nothing in it believed unseen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export import json_file
from mobileo_export.bundle import links, schema
from mobileo_export.errors import BundleError
from mobileo_export.parity.golden import bounds, store
from mobileo_export.parity.golden.stages import STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "mobileo-golden"
FORMAT_VERSION = 1
FOLDER = "golden"
INDEX = f"{FOLDER}/index.json"
_LINE = 100
_LARGEST_INDEX = 1 << 26
_MOST_NOISE = 1 << 20  # values, drawn one by one


@cache
def index_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the index."""
    return schema.published("mobileo_export.parity.golden", "index.schema.json")


def dumps(value: Any, indent: int = 0) -> str:
    """JSON with sorted keys, whatever fits on one line on one line: equal values, equal text."""
    flat = json.dumps(value, sort_keys=True, allow_nan=False)
    numbers = isinstance(value, list) and not any(isinstance(v, list | dict | str) for v in value)
    if len(flat) + indent <= _LINE or numbers or not isinstance(value, list | dict) or not value:
        return flat
    space, inner = " " * indent, " " * (indent + 1)
    if isinstance(value, list):
        items = [dumps(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(inner + item for item in items) + f"\n{space}]"
    pairs = [f"{json.dumps(key)}: {dumps(value[key], indent + 1)}" for key in sorted(value)]
    return "{\n" + ",\n".join(inner + pair for pair in pairs) + f"\n{space}}}"


@dataclass(frozen=True)
class Golden:
    """A trace whose index fits its schema, its files and itself."""

    folder: Path
    index: dict[str, Any]

    @cached_property
    def _files(self) -> dict[str, NDArray[np.uint8]]:
        names = {entry["file"] for entry in self.index["entries"] if "file" in entry}
        return {name: np.memmap(self.folder / name, np.uint8, "r") for name in names}

    def array(self, entry: int) -> NDArray[Any]:
        """The array of an entry; of a sampled one its stored part."""
        found = self.index["entries"][entry]
        data = self._files[found["file"]] if "file" in found else np.empty(0, np.uint8)
        return store.read(data, found)

    def sampled(self, entry: int, whole: NDArray[Any]) -> NDArray[Any]:
        """The part of ``whole`` that the entry stores; ``whole`` itself if its shape is another."""
        found = self.index["entries"][entry]
        sample = found.get("sample")
        if sample is None or list(whole.shape) != found["shape"]:
            return whole
        return store.AxisSample(**sample).take(whole)


def open_golden(bundle: Path, manifest: Mapping[str, Any]) -> Golden:
    """The trace of a bundle whose ``manifest`` was read.

    Raises:
        BundleError: there is none, or its index cannot be trusted.
    """
    listed = manifest.get("golden")
    if listed is None:
        raise BundleError(
            f"{bundle}: holds no golden trace; add one with "
            f"mobileo-export record {bundle} --checkpoint CHECKPOINT"
        )
    path = bundle / listed["index"]
    if listed["format_version"] != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format version {listed['format_version']}, this release reads "
            f"{FORMAT_VERSION}; record it again"
        )
    index = _read(path)
    sizes = _sizes(bundle, manifest)
    problem = schema.first_problem(index, index_schema(), "the index") or next(
        _problems(index, sizes), None
    )
    if problem:
        raise BundleError(f"{path}: {problem}; record it again or download it again")
    return Golden(path.parent, index)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink() and not links.is_cached(path):
            raise BundleError(f"{path}: is no index of a trace; record it again")
        content = json_file.load(path, constants=False, limit=_LARGEST_INDEX)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error}); record it again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleError(f"{path}: not the index of a golden trace; record it again")
    return content


def _sizes(bundle: Path, manifest: Mapping[str, Any]) -> dict[str, int]:
    """Bytes of the trace's files that are listed and there.

    Raises:
        BundleError: one has not as many as listed; it would be mapped whole.
    """
    sizes = {}
    for file in manifest["files"]:
        folder, _, name = file["path"].rpartition("/")
        path = bundle / file["path"]
        if folder == FOLDER and links.is_plain(path):
            sizes[name] = path.stat().st_size
            if sizes[name] != file["size"]:
                raise BundleError(
                    f"{path}: {sizes[name]} bytes, the manifest lists {file['size']}; "
                    "record it again or download it again"
                )
    return sizes


def _problems(index: dict[str, Any], sizes: dict[str, int]) -> Iterator[str]:
    entries, gates = index["entries"], index["gates"]
    yield from (f"gates.{name} asks nothing" for name in gates if not bounds.asks(gates[name]))
    if any(math.prod(case["shape"]) > _MOST_NOISE for case in index["parts"]["noise"]):
        yield "parts.noise has a shape that no latent has"
    for number, entry in enumerate(entries):
        if problem := store.problem(entry, sizes):
            yield f"entries[{number}] ({entry['name']}) {problem}"
    for run_number, run in enumerate(index["runs"]):
        drawn, answered = run["drawing"] is not None, run["sampling"] is not None
        draws = run["pipeline"] in {"generate", "edit"}
        if (drawn, answered) != (draws, not draws):
            yield f"runs[{run_number}] has settings of another pipeline"
        for call_number, call in enumerate(run["calls"]):
            at = f"runs[{run_number}].calls[{call_number}] ({call['stage']})"
            stage = STAGES[call["stage"]]
            allowed = {*stage.inputs, *stage.optional}
            if not set(stage.inputs) <= call["inputs"].keys() <= allowed:
                yield f"{at} has other inputs than its stage takes"
            if call["outputs"].keys() != stage.outputs.keys():
                yield f"{at} has other outputs than its stage gives"
            if call["values"].keys() != set(stage.values):
                yield f"{at} has other values than its stage takes"
            used = [*call["inputs"].values(), *(o["entry"] for o in call["outputs"].values())]
            if any(entry >= len(entries) for entry in used):
                yield f"{at} refers to an entry that is not there"
            elif any(entries[entry]["storage"] == "sampled" for entry in call["inputs"].values()):
                yield f"{at} takes a sampled entry, which holds a part only"
            named = {name: output["gate"] for name, output in call["outputs"].items()}
            if named != dict(stage.outputs) or not gates.keys() >= set(named.values()):
                yield f"{at} names a gate that is not there or not its own"
