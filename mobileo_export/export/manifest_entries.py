"""What the manifest of a bundle states of an export: its artifacts, tools and source."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__, recipe, targets
from mobileo_export.bundle import card, manifest
from mobileo_export.checkpoint.license import terms
from mobileo_export.components import Dim
from mobileo_export.converters import registry
from mobileo_export.errors import MissingDependencyError
from mobileo_export.export import resume
from mobileo_export.pipelines.needs import NEEDS
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mobileo_export.checkpoint.folder import Checkpoint, NestedCopies
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.checkpoint.tokenizer_files import SpecialTokens
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.options import Options

NOTICE_FILE = "NOTICE.txt"


def of_bundle(
    checkpoint: Checkpoint,
    tokens: SpecialTokens,
    options: Options,
    folder: Path,
    records: Mapping[str, resume.Record],
    nested: NestedCopies | None,
) -> manifest.Manifest:
    """Write notice and card of the bundle in ``folder``, whose artifacts ``records`` describe.

    Returns:
        Its manifest, which is not written yet.
    """
    stated = terms(checkpoint, options.source_name)
    (folder / NOTICE_FILE).write_text(stated.notice(), encoding="utf-8")
    bare = _manifest(checkpoint, tokens, options, folder, records, nested)
    (folder / card.CARD).write_text(card.text(bare.content(), NEEDS), encoding="utf-8")
    files = (*bare.files, resume.file_entry(folder, card.CARD))
    return replace(bare, files=resume.in_order(files))


def _manifest(
    checkpoint: Checkpoint,
    tokens: SpecialTokens,
    options: Options,
    folder: Path,
    records: Mapping[str, resume.Record],
    nested: NestedCopies | None,
) -> manifest.Manifest:
    """The manifest, of which only the card is missing among the files."""
    model = checkpoint.model
    return manifest.Manifest(
        generator={"name": "mobileo-export", "version": __version__},
        source=manifest.Source(
            options.source_name,
            options.source_revision,
            options.weights,
            manifest.nested_entry(nested),
        ),
        license=terms(checkpoint, options.source_name).manifest(),
        model=model.stated(),
        recipe=asdict(recipe.build(model, tokens)),
        tools=tool_versions(options.components, options.target),
        components={
            spec.name: manifest.component_entry(
                spec,
                model,
                records[spec.name].tensors_sha256,
                (records[spec.name].artifact,),
                targets.inputs(spec, model, options.target),
                targets.outputs(spec, model, options.target),
                records[spec.name].preview,
            )
            for spec in options.components
        },
        files=resume.files(folder, records.values(), NOTICE_FILE),
    )


def artifact(
    spec: ComponentSpec, model: ModelConfig, options: Options, result: Mapping[str, Any]
) -> manifest.Artifact:
    """What the manifest states of a converted component; ``result`` is its converter's."""
    found = targets.form(spec, options.target)
    flexible = any(
        isinstance(dim, Dim)
        for tensor in targets.inputs(spec, model, options.target)
        for dim in tensor.shape
    )
    stated = manifest.Artifact(
        target=options.target,
        kind=found.kind,
        path=found.path,
        function=None,
        weight_precision="float32",
        compute_precision="float32",
        shapes="range" if flexible else "fixed",
        compute_units="gpu",
        operation_map=None,
        options={},
        operations={},
    )
    return registry.of(spec, options.target).describe(stated, spec, options, result)


def tool_versions(components: Iterable[ComponentSpec], target: str) -> dict[str, str]:
    """The versions of the packages that convert ``components`` for ``target``; imports nothing.

    Raises:
        MissingDependencyError: some are not installed.
    """
    versions: dict[str, str] = {}
    missing = []
    for name in sorted(set().union(*(registry.of(spec, target).tools for spec in components))):
        try:
            versions[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            missing.append(name.replace("-", "_"))
    if missing:
        raise MissingDependencyError(f"exporting needs {extras.lacks(missing)}")
    return versions
