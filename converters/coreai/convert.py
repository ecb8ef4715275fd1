"""Convert one component to a Core AI asset, from the checkpoint's tensors to a checked folder."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import warnings
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.aimodel import asset, program
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.components import Dim
from mobileo_export.compression import storage
from mobileo_export.compression.plan import NONE
from mobileo_export.converters.coreai import naming, storing
from mobileo_export.converters.coreai.functions import AssetFunction, functions
from mobileo_export.errors import ConversionError, first_line
from mobileo_export.processes import debug
from mobileo_export.progress import OnStage, ignore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan

# Sizes to follow a module on, unlike any fixed one and each other, so that none is taken for
# another.
_EXAMPLES = {"N": 11, "T": 5, "P": 7}
_DTYPES = {"float32": "Float32", "int32": "Int32"}


@dataclass(frozen=True)
class AssetResult:
    """What was written.

    Attributes:
        options: of the artifact, as the manifest states them.
        operations: how many of each type.
        graphs: the functions, of an asset that has several.
        preview: that of :meth:`ComponentSpec.preview`.
        compression_map: the table of matrices beside the asset; None where no plan speaks of it.
    """

    options: dict[str, Any]
    operations: dict[str, int]
    graphs: tuple[manifest.Graph, ...]
    preview: dict[str, Any] | None
    compression_map: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain data, which the manifest's entry is made of."""
        return asdict(self)


def convert(
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    output: Path,
    target: str,
    *,
    weights: Weights = "released",
    compression: CompressionPlan = NONE,
    license_text: str = "",
    progress: OnStage = ignore,
) -> AssetResult:
    """Write ``spec`` of ``checkpoint`` as ``output``: an asset, or the language model's folder.

    Args:
        checkpoint: an open Mobile-O checkpoint.
        spec: the component.
        output: where its form for the target lies in the new bundle (``targets.form``).
        target: whose signatures the functions have.
        weights: which copy of the tensors.
        compression: how matrices are stored; what it says nothing of stays float32.
        license_text: of the weights, in one line.
        progress: called with stage, done and total.

    Raises:
        CheckpointError: the component's tensors or the tokenizer are not as they must be.
        ConversionError: a module cannot be converted, or the asset fails its checks.
    """
    model = checkpoint.model
    planned = functions(spec, model, target)
    table = output.with_suffix(storage.MAP) if compression.rules.get(spec.name) else None
    stored: dict[str, Any] = {}
    progress("reading weights", 0, 1)
    try:
        path = output
        if spec.name == "llm":
            output.mkdir()
            tokenizer_files.copy(checkpoint.path, output)
            path = output / asset.LANGUAGE_MODEL
        reference = spec.reference(checkpoint, weights)
        preview = spec.preview(reference, model)
        if table is not None:
            told = storing.store(
                reference,
                spec,
                checkpoint,
                compression,
                lambda done, total: progress("storing", done, total),
            )
            stored = told.stated()
            told.write(table)
        _write(spec, planned, reference, path, progress)
        naming.constants(path)
        _describe(path, spec, license_text)
        operations = _check(path, spec, planned)
        largest = program.read(path).largest
        if largest > asset.LARGEST_ALLOCATION:
            raise ConversionError(
                f"{spec.name}: its largest weight takes {largest:,} bytes, and a phone maps less "
                "than 4 GiB at a time; export this model for another target"
            )
    except BaseException:
        if not debug.enabled():
            shutil.rmtree(output, ignore_errors=True)
            if table is not None:
                table.unlink(missing_ok=True)
        raise
    options = {"minimum_os": asset.MINIMUM_OS, "largest_allocation": largest, **stored}
    relative = path.relative_to(output.parent).as_posix()
    graphs = tuple(_entry(function, relative) for function in planned) if path != output else ()
    beside = None if table is None else table.name
    return AssetResult(options, operations, graphs, preview, beside)


def _write(
    spec: ComponentSpec,
    planned: Sequence[AssetFunction],
    reference: torch.nn.Module,
    path: Path,
    progress: OnStage,
) -> None:
    """Convert the functions of ``reference`` and save them; the program's memory ends with this."""
    converter = _converter()
    for done, function in enumerate(planned):
        progress("tracing", done, len(planned))
        converter.add_exported_program(
            _trace(function, reference),
            input_names=[tensor.name for tensor in function.inputs],
            output_names=[tensor.name for tensor in function.outputs],
            entrypoint_name=function.name,
        )
    progress("lowering", 0, 1)
    with naming.graphs(), contextlib.redirect_stdout(io.StringIO()):
        made = _lower(converter, spec)
    progress("writing", 0, 1)
    _save(made, path)


def _save(made: Any, path: Path) -> None:
    """As the library's ``save_asset``, which reads all it has written to memory for a hash."""
    library: Any = import_module("coreai.authoring.asset")
    saved = library._AIModelAsset._create(path=str(path), metadata=None)
    made._save_bytecode(saved._program_bytecode_path)
    saved.update_metadata(
        updates=lambda stated: setattr(stated, "_producer", library._COREAI_PRODUCER)
    )


def _converter() -> Any:
    with warnings.catch_warnings():  # of a torch that is newer than those its authors tried
        warnings.filterwarnings("ignore", message="coreai-torch has only been validated")
        from coreai_torch import TorchConverter
    return TorchConverter(mode=TorchConverter.Mode.RELEASE)


def _trace(function: AssetFunction, reference: torch.nn.Module) -> Any:
    """The function's module as torch exports it, on tensors without meaning."""
    import torch
    from coreai_torch import get_decomp_table

    symbols: dict[str, Any] = {}
    arguments, varying = [], []
    for tensor in function.inputs:
        shape = [_EXAMPLES[d.name] if isinstance(d, Dim) else d for d in tensor.shape]
        arguments.append(torch.zeros(shape, dtype=getattr(torch, tensor.dtype)))
        for dim in tensor.shape:
            if isinstance(dim, Dim) and dim.name not in symbols:
                symbols[dim.name] = torch.export.Dim(dim.name, min=dim.low, max=dim.high)
        axes = {axis: dim for axis, dim in enumerate(tensor.shape) if isinstance(dim, Dim)}
        varying.append({axis: symbols[dim.name] for axis, dim in axes.items()})
    try:
        with torch.no_grad():
            exported = torch.export.export(
                function.build(reference).eval(),
                tuple(arguments),
                dynamic_shapes=tuple(varying) if symbols else None,
            )
            return exported.run_decompositions(get_decomp_table())
    except Exception as error:  # torch's own are of many types
        raise ConversionError(
            f"{function.name}: torch {torch.__version__} could not export it "
            f"({first_line(error)}); install the tested versions (mobileo-export doctor names "
            "them)"
        ) from error


def _lower(converter: Any, spec: ComponentSpec) -> Any:
    try:
        return converter.to_coreai()
    except Exception as error:  # the library's are of many types
        raise ConversionError(
            f"{spec.name}: coreai-torch could not convert it ({first_line(error)}); "
            "install the tested versions (mobileo-export doctor names them)"
        ) from error


def _describe(path: Path, spec: ComponentSpec, license_text: str) -> None:
    """Metadata for Xcode and apps, keys in order and without the time."""
    from mobileo_export import __version__

    file = path / asset.METADATA
    content = json.loads(file.read_text(encoding="utf-8"))
    content.pop("creationDate", None)
    content |= {
        "author": "mobileo-export",
        "description": f"Mobile-O: {spec.title}",
        "license": license_text,
        "creatorDefinedMetadata": {
            "mobileo_export.component": spec.name,
            "mobileo_export.version": __version__,
        },
    }
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _check(path: Path, spec: ComponentSpec, planned: Sequence[AssetFunction]) -> dict[str, int]:
    """How many operations of each type the asset has, once its signatures are as planned."""
    from coreai.authoring import AIModelAsset

    summary: Any = AIModelAsset.load(path).summary(include_statistics=True)
    _require(summary is not None, spec, "it has no program")
    names = [function.name for function in planned]
    _require(list(summary.function_names) == names, spec, f"functions: {summary.function_names}")
    for function in planned:
        for kind, tensors, found in (
            ("inputs", function.inputs, summary.function_inputs(function.name)),
            ("outputs", function.outputs, summary.function_outputs(function.name)),
        ):
            wanted = [tensor.name for tensor in tensors]
            given = [name for name, _ in found]
            _require(given == wanted, spec, f"{kind} are {given}, expected {wanted}")
            for tensor, (_, text) in zip(tensors, found, strict=True):
                dtype = f"NDArray ({_DTYPES[tensor.dtype]},"
                _require(text.startswith(dtype), spec, f"{tensor.name} is {text}")
    return dict(sorted(summary.operation_distribution))


def _entry(function: AssetFunction, path: str) -> manifest.Graph:
    bounds = {
        dim.name: (dim.low, dim.default, dim.high)
        for tensor in function.inputs
        for dim in tensor.shape
        if isinstance(dim, Dim)
    }
    return manifest.Graph(
        function.name,
        path,
        tuple(map(manifest.signature, function.inputs)),
        tuple(map(manifest.signature, function.outputs)),
        {"default": bounds},
        {},
    )


def _require(condition: bool, spec: ComponentSpec, problem: str) -> None:
    if not condition:
        raise ConversionError(
            f"{spec.name}: the converted asset is not usable: {problem}; "
            "install the tested versions (mobileo-export doctor names them)"
        )
