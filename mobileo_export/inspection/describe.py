"""What a checkpoint, a bundle or a package is, as plain data for a table or for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import components, json_file
from mobileo_export.bundle import manifest, resident
from mobileo_export.checkpoint import license, tokenizer_files
from mobileo_export.checkpoint.expected_tensors import is_buffer
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.safetensors_file import TensorInfo
from mobileo_export.compression import plan
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.pipelines.needs import NEEDS

if TYPE_CHECKING:
    from mobileo_export.artifacts.mlpackage.signature import Feature


def inspect(path: Path) -> dict[str, Any]:
    """Describe whatever lies at ``path``; ``kind`` is checkpoint, bundle or package.

    Raises:
        UsageError: nothing is there, or a folder of a bundle.
        CheckpointError, BundleError: it cannot be read as what it looks like.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.suffix == ".mlpackage":
        return inspect_package(path)
    if (path / manifest.MANIFEST).is_file():
        return inspect_bundle(path)
    bundle = path.absolute().parent
    if (bundle / manifest.MANIFEST).is_file():
        raise UsageError(f"{path}: is a part of the bundle {bundle}; inspect that")
    return inspect_checkpoint(Checkpoint.open(path))


def inspect_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """Components, dimensions, nested copies (compared) and what is wrong with a checkpoint."""
    model = checkpoint.model
    warnings = list(model.warnings)
    try:
        warnings += tokenizer_files.check(checkpoint.path, checkpoint.model.llm.vocab_size)
    except CheckpointError as error:
        warnings.append(str(error))
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
        "license": license.terms(checkpoint).manifest(),
        "model": {**model.stated(), "warnings": []},
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
    parts, warnings = [], list(content["model"]["warnings"])
    preset = _preset(content)
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
                    **_planned(path, artifact, preset, warnings),
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
        "resident": [asdict(item) for item in resident.of(content, NEEDS)],
        "budgets": [asdict(item) for item in resident.BUDGETS],
        "files": len(files),
        "bytes": sum(f["size"] for f in files),
        "warnings": warnings,
    }


def _planned(
    bundle: Path, artifact: Mapping[str, Any], preset: str | None, warnings: list[str]
) -> dict[str, Any]:
    """What a compression plan made of an artifact: every matrix of it."""
    if "rules" not in artifact["options"]:
        return {}
    if not artifact.get("compression_map"):  # an MLX folder says itself how each is stored
        return {"preset": preset}
    table = bundle / artifact["compression_map"]
    try:
        matrices = json_file.load(table)["matrices"]
    except (OSError, ValueError, KeyError, TypeError):
        warnings.append(f"{table.name} cannot be read; see mobileo-export verify")
        matrices = {}
    return {"preset": preset, "matrices": matrices}


def _preset(content: Mapping[str, Any]) -> str | None:
    """The preset whose rules all packages have, where they have any."""
    rules = {
        name: entry["artifacts"][0]["options"]["rules"]
        for name, entry in content["components"].items()
        if "rules" in entry["artifacts"][0]["options"]
    }
    targets = (entry["artifacts"][0]["target"] for entry in content["components"].values())
    target = next(targets, None)
    presets = (plan.load(name, target) for name in plan.PRESETS)
    fitting = (p for p in presets if all(p.stated(name) == rules[name] for name in rules))
    return next((preset.name for preset in fitting), None) if rules else None


def inspect_package(path: Path) -> dict[str, Any]:
    """Signatures, operations, weights and versions of a Core ML package (ML Program).

    It is read as the evaluator reads it. ``inputs``, ``states`` and ``outputs`` are those of the
    default function; ``signatures`` has them of each.

    Raises:
        BundleError: the package is damaged or is not an ML Program.
    """
    from mobileo_export.artifacts.mlpackage import weights
    from mobileo_export.artifacts.mlpackage.decode import decode
    from mobileo_export.artifacts.mlpackage.limits import Limits
    from mobileo_export.artifacts.mlpackage.package import open_package
    from mobileo_export.artifacts.mlpackage.signature import describe
    from mobileo_export.artifacts.mlpackage.verify import verify

    program = decode(open_package(path), Limits())
    verify(program)
    signatures = {}
    for name, function in program.functions.items():
        found = describe(program, function)
        sides = {"inputs": found.inputs, "states": found.states, "outputs": found.outputs}
        signatures[name] = {side: list(map(_feature, of)) for side, of in sides.items()}
    operations = Counter(
        op.kind for function in program.functions.values() for op in function.block.walk()
    )
    counted = weights.count(program)
    metadata = program.description.metadata
    return {
        "kind": "package",
        "path": str(path),
        "specification_version": program.specification,
        "title": metadata.shortDescription,
        "license": metadata.license,
        "versions": dict(sorted(metadata.userDefined.items())),
        "functions": sorted(signatures),
        "default_function": program.default,
        **signatures[program.default],
        "signatures": signatures,
        "parameters": counted.total(),
        "weights": dict(sorted(counted.items())),
        "operations": dict(operations.most_common()),
        "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        "warnings": [],
    }


def _parameters(tensors: Iterable[TensorInfo]) -> int:
    return sum(info.size for info in tensors if not is_buffer(info.name))


def _feature(feature: Feature) -> dict[str, Any]:
    shape = []
    for axis, size in enumerate(feature.sizes):
        choices = [sizes[axis] for sizes in feature.shapes if axis < len(sizes)]
        low, high = (min(choices), max(choices)) if choices else size
        default = feature.default[axis] if feature.default else None
        flexible = {"name": "?", "min": low, "max": high, "default": default}
        shape.append(low if low == high else flexible)
    return {
        "name": feature.name,
        "dtype": feature.dtype,
        "shape": shape,
        "shapes": [list(sizes) for sizes in feature.shapes],
        "image": feature.image,
        "optional": feature.optional,
        "description": feature.description,
    }
