"""The manifest: what a bundle says of itself. The interface between exporter, checker and app.

``manifest.schema.json`` beside this file is its published form. Deterministic: no clock, no path.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.bundle import links, schema
from mobileo_export.checkpoint import recognise
from mobileo_export.checkpoint.expected_tensors import is_buffer
from mobileo_export.components import ComponentSpec, Dim, TensorSpec
from mobileo_export.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mobileo_export.checkpoint.folder import NestedCopies
    from mobileo_export.checkpoint.model_config import ModelConfig

SCHEMA_VERSION = 2  # 1 is read too, see :func:`_upgrade`
MANIFEST, FORMAT = recognise.MANIFEST, recognise.FORMAT
EXTERNAL_DATA = ".data"  # after the name of an ONNX file: where its weights lie


@dataclass(frozen=True)
class FileEntry:
    """One file of the bundle; ``path`` is relative, with forward slashes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Graph:
    """One ONNX graph of an artifact; docs/jetson-artifacts.md has the signatures.

    ``path`` is relative to the bundle, and its weights lie in ``path`` + ``.data``. ``profiles``
    gives, by the name of a use, bounds for each varying dimension as (min, typical, max): what
    TensorRT makes an optimization profile of.
    """

    name: str
    path: str
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    profiles: dict[str, dict[str, tuple[int, int, int]]]
    operations: dict[str, int]
    precision: tuple[dict[str, Any], ...] = ()  # float32 islands of a float16 graph


@dataclass(frozen=True)
class Artifact:
    """One converted form of a component. Variants of a component differ in target or precision."""

    target: str  # ios, jetson, coreai
    kind: str  # mlpackage, mlx, onnx, aimodel
    path: str
    function: str | None  # entry of an ML Program
    weight_precision: str  # float32, float16, 8-bit, 6-bit, …
    compute_precision: str  # float32, float16
    shapes: str  # fixed, range, enumerated
    compute_units: str  # all, cpu_and_gpu: what the app should ask Core ML for; gpu: other runtimes
    operation_map: str | None
    options: dict[str, Any]
    operations: dict[str, int]  # how many of each type, constants included
    graphs: tuple[Graph, ...] = ()  # of ONNX, or functions of an asset that has several
    key: str | None = (
        None  # of all that it was made from, see :mod:`mobileo_export.export.fingerprint`
    )
    # Left out where no compression plan says anything of the component: how each matrix is stored,
    # and what to ask Core ML for where ``compute_units`` fail.
    compression_map: str | None = None
    fallback_compute_units: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ComponentEntry:
    """One component: its signature, where its numbers came from, and its artifacts."""

    title: str
    parameters: int
    tensors_sha256: str  # over names, shapes and bytes of the checkpoint tensors it was made from
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    artifacts: tuple[Artifact, ...]
    preview: dict[str, Any] | None = None  # of the decoder; left out where there is none


@dataclass(frozen=True)
class Source:
    """Which checkpoint, and which of its two sets of weights."""

    name: str | None  # hub id, None for a local folder
    revision: str | None  # commit of a hub repository
    weights: str  # released, post-trained
    nested_copies: dict[str, Any] | None  # see :func:`nested_entry`


@dataclass(frozen=True)
class Manifest:
    """The whole manifest; ``files`` lists every file but the manifest itself."""

    generator: dict[str, str]
    source: Source
    license: dict[str, str]
    model: dict[str, Any]
    recipe: dict[str, Any]
    tools: dict[str, str]
    components: dict[str, ComponentEntry]
    files: tuple[FileEntry, ...]
    format: str = FORMAT
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The manifest's text: sorted keys, so that equal contents are equal bytes."""
        return dumps(self.content())

    def content(self) -> dict[str, Any]:
        """The manifest as :func:`read` returns it."""
        content = asdict(self)
        for entry in content["components"].values():
            if entry["preview"] is None:
                del entry["preview"]
            for artifact in entry["artifacts"]:
                for name in ("compression_map", "fallback_compute_units"):
                    if artifact[name] is None:
                        del artifact[name]
        return content


def dumps(content: Mapping[str, Any]) -> str:
    """The text of a manifest that :func:`read` returned, changed or not."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def signature(tensor: TensorSpec) -> dict[str, Any]:
    """A tensor as the manifest states it: a varying dimension is an object with its bounds."""
    shape = [
        {"name": dim.name, "min": dim.low, "max": dim.high, "default": dim.default}
        if isinstance(dim, Dim)
        else dim
        for dim in tensor.shape
    ]
    return {**asdict(tensor), "shape": shape}


def tensor_spec(entry: Mapping[str, Any]) -> TensorSpec:
    """The inverse of :func:`signature`, of a manifest that fits the schema."""
    shape = tuple(
        Dim(dim["name"], dim["min"], dim["max"], dim["default"]) if isinstance(dim, dict) else dim
        for dim in entry["shape"]
    )
    return TensorSpec(**{**entry, "shape": shape})


def count_parameters(spec: ComponentSpec, model: ModelConfig) -> int:
    """Learned numbers of a component; stored buffers such as BatchNorm statistics do not count."""
    tensors = spec.tensors(model).items()
    return sum(math.prod(shape) for name, shape in tensors if not is_buffer(name))


def component_entry(
    spec: ComponentSpec,
    model: ModelConfig,
    tensors_sha256: str,
    artifacts: tuple[Artifact, ...],
    inputs: tuple[TensorSpec, ...] | None = None,
    outputs: tuple[TensorSpec, ...] | None = None,
    preview: dict[str, Any] | None = None,
) -> ComponentEntry:
    """The entry of a component of ``model``; its signature is the registry's if none is given."""
    return ComponentEntry(
        title=spec.title,
        parameters=count_parameters(spec, model),
        tensors_sha256=tensors_sha256,
        inputs=tuple(map(signature, spec.inputs(model) if inputs is None else inputs)),
        outputs=tuple(map(signature, spec.outputs(model) if outputs is None else outputs)),
        artifacts=artifacts,
        preview=preview,
    )


def artifact_of(entry: Mapping[str, Any]) -> Artifact:
    """The inverse of ``asdict``, of an entry that fits the schema."""
    graphs = tuple(
        Graph(
            **{
                **graph,
                "inputs": tuple(graph["inputs"]),
                "outputs": tuple(graph["outputs"]),
                "profiles": {
                    use: {name: tuple(bounds) for name, bounds in profile.items()}
                    for use, profile in graph["profiles"].items()
                },
                "precision": tuple(graph["precision"]),
            }
        )
        for graph in entry.get("graphs", ())
    )
    found = Artifact(**{**entry, "graphs": graphs})
    units = found.fallback_compute_units
    return found if units is None else replace(found, fallback_compute_units=tuple(units))


def artifact_bytes(files: Iterable[tuple[str, int]], path: str) -> int:
    """Bytes of the artifact ``path`` among (path, size) pairs: file, external data or folder."""
    return sum(
        size
        for name, size in files
        if name in {path, path + EXTERNAL_DATA} or name.startswith(path + "/")
    )


def nested_entry(nested: NestedCopies | None) -> dict[str, Any] | None:
    """The comparison as JSON can hold it: a difference without bound is None."""
    if nested is None:
        return None
    entry = asdict(nested)
    if not math.isfinite(nested.largest_difference):
        entry["largest_difference"] = None
    return entry


def read(bundle: Path) -> dict[str, Any]:
    """The manifest of ``bundle`` as plain data that fits the schema, of this release's version.

    Raises:
        BundleError: there is none, it is not ours, it is of another schema version, or damaged.
    """
    path = bundle / MANIFEST
    links.check(path)
    try:
        content = json_file.load(path, constants=False)
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{bundle}: not a bundle, it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error}); export again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BundleError(f"{path}: not the manifest of a Mobile-O bundle")
    version = content.get("schema_version")
    if type(version) is not int or version not in {1, SCHEMA_VERSION}:
        raise BundleError(
            f"{path}: schema_version {version!r}, this release reads 1 and "
            f"{SCHEMA_VERSION}; export again, or use the release that wrote it"
        )
    problem = _upgrade(content) if version == 1 else None
    problem = problem or schema.first_problem(content) or _misfit(content)
    if problem:
        raise BundleError(f"{path}: {problem}; export again or download it again")
    return dict(content)


def _misfit(content: Mapping[str, Any]) -> str | None:
    """What the schema cannot say: a preview has a number for each channel of a latent."""
    for name, entry in content["components"].items():
        shape = entry["inputs"][0]["shape"]
        for index, row in enumerate(entry["preview"]["matrix"] if "preview" in entry else ()):
            if len(shape) != 4 or len(row) != shape[1]:
                return (
                    f"components.{name}.preview.matrix[{index}] has {len(row)} numbers, not one "
                    f"for each channel of {entry['inputs'][0]['name']}"
                )
    return None


def _upgrade(content: dict[str, Any]) -> str | None:
    """Give version 1, whatever it holds, the form of version 2; what is wrong with it, if known.

    Its artifacts did not state their kind: for ``jetson`` all were graphs, for ``ios`` the language
    model was an MLX folder and everything else a package.
    """
    content["schema_version"] = SCHEMA_VERSION
    components = content.get("components")
    for name, entry in components.items() if isinstance(components, dict) else ():
        artifacts = entry.get("artifacts") if isinstance(entry, dict) else None
        for index, artifact in enumerate(artifacts if isinstance(artifacts, list) else ()):
            if not isinstance(artifact, dict):
                continue
            if "kind" in artifact:
                return f"components.{name}.artifacts[{index}].kind is unknown"
            of_ios = "mlx" if name == "llm" else "mlpackage"
            artifact["kind"] = "onnx" if artifact.get("target") == "jetson" else of_ios
    return None


def weights_text(artifact: Mapping[str, Any]) -> str:
    """The precision of an artifact's weights, and the bits they are stored in where it says so."""
    options = artifact.get("options", {})
    bits = options.get("average_bits") or options.get("bits_per_weight")
    return f"{artifact['weight_precision']}{f' in {bits:.1f} bits' if bits else ''}"
