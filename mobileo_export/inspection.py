"""What a checkpoint, a bundle or a package is, as plain data for a table or for JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mobileo_export import components
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.errors import BundleError, CheckpointError, UsageError
from mobileo_export.layout import is_buffer
from mobileo_export.safetensors_io import TensorInfo

_ARRAY_DTYPES = {65568: "float32", 65552: "float16", 65600: "float64", 131104: "int32"}


def inspect(path: Path) -> dict[str, Any]:
    """Describe whatever lies at ``path``; ``kind`` is checkpoint, bundle or package.

    Raises:
        UsageError: nothing is there.
        CheckpointError, BundleError: it cannot be read as what it looks like.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.suffix == ".mlpackage":
        return inspect_package(path)
    if (path / manifest.MANIFEST).is_file():
        return inspect_bundle(path)
    return inspect_checkpoint(Checkpoint.open(path))


def inspect_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """Components, dimensions, nested copies (compared) and what is wrong with a checkpoint."""
    model = checkpoint.model
    warnings = list(model.warnings)
    try:
        components.check_foreign(checkpoint)
    except CheckpointError as error:
        warnings.append(str(error))
    parts = []
    for spec in components.COMPONENTS.values():
        try:
            spec.check(checkpoint)
        except CheckpointError as error:
            warnings.append(str(error))
        found = [t for n, t in checkpoint.top_level.items() if n.startswith(spec.prefixes)]
        parts.append(
            {
                "component": spec.name,
                "title": spec.title,
                "tensors": len(found),
                "parameters": _parameters(found),
                "bytes": sum(info.nbytes for info in found),
                "dtypes": dict(sorted(Counter(info.dtype for info in found).items())),
                "inputs": [manifest.signature(tensor) for tensor in spec.inputs(model)],
                "outputs": [manifest.signature(tensor) for tensor in spec.outputs(model)],
            }
        )
    unused = [
        info
        for name, info in checkpoint.top_level.items()
        if name.startswith(components.TRAINING_ONLY)
    ]
    nested = checkpoint.compare_nested()
    return {
        "kind": "checkpoint",
        "path": str(checkpoint.path),
        "files": {file.name: file.stat().st_size for file in checkpoint.files},
        "tensors": len(checkpoint.top_level) + len(checkpoint.nested),
        "parameters": _parameters(checkpoint.top_level.values()),
        "model": {**asdict(model), "warnings": []},
        "components": parts,
        "training_only": {"tensors": len(unused), "bytes": sum(info.nbytes for info in unused)},
        "nested_copies": manifest.nested_entry(nested),
        "warnings": warnings,
    }


def inspect_bundle(path: Path) -> dict[str, Any]:
    """What a bundle's manifest says, with the sizes of its artifacts; contents are not hashed."""
    content = manifest.read(path)
    files = content["files"]
    sizes = [(file["path"], file["size"]) for file in files]
    parts, warnings = [], []
    for name in (name for name in components.COMPONENTS if name in content["components"]):
        entry = content["components"][name]
        for artifact in entry["artifacts"]:
            prefix = artifact["path"]
            if not (path / prefix).exists():
                warnings.append(f"{prefix} is listed but missing; see mobileo-export verify")
            parts.append(
                {
                    "component": name,
                    "title": entry["title"],
                    "parameters": entry["parameters"],
                    "bytes": manifest.artifact_bytes(sizes, prefix),
                    "inputs": entry["inputs"],
                    "outputs": entry["outputs"],
                    **artifact,
                }
            )
    missing = sorted(components.COMPONENTS.keys() - content["components"].keys())
    if missing:
        warnings.append(f"made with --only: has no {', '.join(missing)}")
    return {
        "kind": "bundle",
        "path": str(path),
        "schema_version": content["schema_version"],
        "generator": content["generator"],
        "source": content["source"],
        "tools": content["tools"],
        "license": content["license"],
        "components": parts,
        "files": len(files),
        "bytes": sum(f["size"] for f in files),
        "warnings": warnings,
    }


def inspect_package(path: Path) -> dict[str, Any]:
    """Signature, operations, weights and versions of a Core ML package (ML Program).

    Raises:
        BundleError: the package is damaged or is not an ML Program.
    """
    from mobileo_export.runtimes.mil.dtypes import BY_CODE
    from mobileo_export.runtimes.mil.package import open_package

    model = open_package(path).parse()
    if model.WhichOneof("Type") != "mlProgram":
        raise BundleError(
            f"{path}: not an ML Program; convert it again with coremltools 6 or newer"
        )
    operations: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    parameters = 0
    for function in model.mlProgram.functions.values():
        for block in function.block_specializations.values():
            for operation in block.operations:
                operations[operation.type] += 1
                value = operation.attributes["val"] if operation.type == "const" else None
                if value is not None and value.WhichOneof("value") == "blobFileValue":
                    tensor = value.type.tensorType
                    known = BY_CODE.get(tensor.dataType)
                    dtype = f"type {tensor.dataType}"
                    if known is not None:
                        dtype = known.storage if known.kind == "float" else known.name
                    size = math.prod(d.constant.size for d in tensor.dimensions)
                    weights[dtype] += size
                    parameters += size
    metadata = model.description.metadata
    return {
        "kind": "package",
        "path": str(path),
        "specification_version": model.specificationVersion,
        "title": metadata.shortDescription,
        "license": metadata.license,
        "versions": dict(sorted(metadata.userDefined.items())),
        "functions": sorted(model.mlProgram.functions),
        "inputs": [_feature(feature) for feature in model.description.input],
        "outputs": [_feature(feature) for feature in model.description.output],
        "parameters": parameters,
        "weights": dict(sorted(weights.items())),
        "operations": dict(operations.most_common()),
        "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        "warnings": [],
    }


def _parameters(tensors: Iterable[TensorInfo]) -> int:
    return sum(info.size for info in tensors if not is_buffer(info.name))


def _feature(feature: Any) -> dict[str, Any]:
    array = feature.type.multiArrayType
    ranges = array.shapeRange.sizeRanges
    shape: list[Any] = list(array.shape)
    for axis, bounds in enumerate(ranges):
        if bounds.lowerBound != bounds.upperBound and axis < len(shape):
            shape[axis] = {
                "name": "?",
                "min": bounds.lowerBound,
                "max": bounds.upperBound,
                "default": shape[axis],
            }
    return {
        "name": feature.name,
        "dtype": _ARRAY_DTYPES.get(array.dataType, str(array.dataType)),
        "shape": shape,
        "description": feature.shortDescription,
    }
