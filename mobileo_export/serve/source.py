"""What is served, opened: the model, and the document that describes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import __version__
from mobileo_export.bundle import manifest
from mobileo_export.components import COMPONENTS
from mobileo_export.pipelines.model import open_model
from mobileo_export.serve.served import ServedModel

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.pipelines.model import Model


def open_served(
    source: str,
    runtime: str = "auto",
    weights: Weights = "released",
    *,
    offline: bool = False,
) -> ServedModel:
    """A bundle, or a checkpoint as its PyTorch reference, ready to be served; nothing is loaded.

    Raises:
        MobileoError: as ``pipelines.model.open_model`` does for all components that are there.
    """
    path = Path(source)
    if (path / manifest.MANIFEST).is_file():
        content = manifest.read(path)
        needs = tuple(content["components"])
        model = open_model(source, runtime, weights, keep=True, needs=needs)
        stated = (path / manifest.MANIFEST).read_bytes()
    else:
        model = open_model(source, runtime, weights, offline=offline, keep=True)
        content = _of_checkpoint(source, model, weights, offline)
        stated = manifest.dumps(content).encode()
    parameters = {name: entry["parameters"] for name, entry in content["components"].items()}
    return ServedModel(model, stated, parameters)


def _of_checkpoint(source: str, model: Model, weights: Weights, offline: bool) -> dict[str, Any]:
    """What the manifest of a checkpoint's bundle would say, as far as it is known before.

    There are no files, tools and artifacts, and no digests of tensors: an export reads those.
    """
    from mobileo_export.checkpoint import hub
    from mobileo_export.checkpoint.license import terms

    found = hub.resolve(source, None, offline, quiet=True)
    config = found.checkpoint.model
    return {
        "format": manifest.FORMAT,
        "schema_version": manifest.SCHEMA_VERSION,
        "generator": {"name": "mobileo-export", "version": __version__},
        "source": asdict(manifest.Source(found.name, found.revision, weights, None)),
        "license": terms(found.checkpoint, found.name).manifest(),
        "model": config.stated(),
        "recipe": asdict(model.recipe),
        "tools": {},
        "components": {
            name: {
                "title": spec.title,
                "parameters": manifest.count_parameters(spec, config),
                "inputs": [*map(manifest.signature, spec.inputs(config))],
                "outputs": [*map(manifest.signature, spec.outputs(config))],
                "artifacts": [],
            }
            for name, spec in COMPONENTS.items()
        },
        "files": [],
    }
