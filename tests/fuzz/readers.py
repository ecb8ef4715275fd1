"""Every door that hostile files come in by: what is called on a damaged input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.folder import Checkpoint, Weights

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True)
class Inputs:
    """Of one case: ``folder`` is damaged, ``intact`` is the corpus, ``output`` may be written."""

    folder: Path
    intact: Path
    output: Path
    random: Random


def safetensors(inputs: Inputs) -> None:
    """A file: its header, then every tensor."""
    from mobileo_export.checkpoint import safetensors_file

    for info in safetensors_file.read_header(inputs.folder / "model.safetensors").values():
        np.asarray(safetensors_file.raw(info)).sum()
        if info.dtype in safetensors_file.FLOAT_DTYPES:
            safetensors_file.read(info)


def checkpoint(inputs: Inputs) -> None:
    """All that is read of one before an export, and a reference."""
    from mobileo_export import components
    from mobileo_export.converters.options import Options
    from mobileo_export.export import plan
    from mobileo_export.inspection import describe

    checkpoint = Checkpoint.open(inputs.folder)
    describe.inspect_checkpoint(checkpoint)
    kinds: tuple[Weights, ...] = ("released", "post-trained")
    for weights in kinds:
        plan.plan(checkpoint, Options(components.select(None), weights=weights))
    for spec in components.COMPONENTS.values():
        checkpoint.digest(spec.tensors(checkpoint.model), "released")
    if inputs.random.random() < 0.2:
        components.COMPONENTS["mcp"].reference(checkpoint, "released")


def tokenizer(inputs: Inputs) -> None:
    """Ids of special tokens, a text to ids and back."""
    from mobileo_export.checkpoint import tokenizer_files
    from mobileo_export.pipelines.tokens import Tokenizer

    tokenizer_files.special_ids(inputs.folder)
    tokenizer = Tokenizer(inputs.folder)
    tokenizer.decode(tokenizer.encode_text("a small house <|im_end|> by the sea 🏠"))


def bundle(inputs: Inputs) -> None:
    """Manifest, recipe, seal, difference, an artifact opened."""
    from mobileo_export import recipe
    from mobileo_export.bundle import manifest, seal
    from mobileo_export.components import COMPONENTS
    from mobileo_export.inspection import describe, difference
    from mobileo_export.runtimes import select

    content = manifest.read(inputs.folder)
    recipe.from_manifest(content["recipe"])
    describe.inspect_bundle(inputs.folder)
    for entry in content["components"].values():
        for tensor in (*entry["inputs"], *entry["outputs"]):
            manifest.tensor_spec(tensor)
    if inputs.random.random() < 0.5:
        seal.verify(inputs.folder, content)
    if inputs.random.random() < 0.5:
        difference.compare(inputs.intact / "bundle", inputs.folder)
    spec = COMPONENTS[inputs.random.choice(("mcp", "llm"))]
    select.open_session(str(inputs.folder), spec).close()


def golden(inputs: Inputs) -> None:
    """Every array of a trace, and the small parts made anew."""
    from mobileo_export.bundle import manifest
    from mobileo_export.parity.golden import index, parts

    trace = index.open_golden(inputs.folder, manifest.read(inputs.folder))
    for number in range(len(trace.index["entries"])):
        trace.array(number)
    list(parts.check(trace.index["parts"], _model(inputs.intact / "bundle")))


@cache
def _model(bundle: Path) -> Any:
    from mobileo_export.pipelines.model import open_model

    return open_model(str(bundle)).__enter__()


def graph(name: str) -> Callable[[Inputs], object]:
    """The package ``name`` and its operation map; sometimes executed."""
    return lambda inputs: _run_graph(inputs, inputs.folder / name)


def _run_graph(inputs: Inputs, package: Path) -> None:
    from mobileo_export.inspection import describe
    from mobileo_export.parity.stored_values import package_graph
    from mobileo_export.runtimes.mil import Limits, MilRuntime

    describe.inspect_package(package)
    package_graph.load(package, package.with_suffix(".operations.json"))
    session = MilRuntime(limits=Limits(1 << 26, 1000)).load(package)
    if inputs.random.random() < 0.4:
        arrays = {
            feature.name: np.ones([min(low + 2, high or low + 2) for low, high in feature.sizes],
                                  feature.dtype)
            for feature in session.signature.inputs
            if sum(low for low, _ in feature.sizes) < 4096
        }  # fmt: skip
        session.run(arrays)


def mlx(inputs: Inputs) -> None:
    """A folder: every tensor."""
    from mobileo_export.artifacts.mlx.folder import open_folder

    folder = open_folder(inputs.folder / "llm")
    folder.check_values()
    for tensor in folder.tensors:
        folder.read(tensor.source)


@cache
def _base(checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(checkpoint)


def adapter(pickles: bool) -> Callable[[Inputs], object]:
    """An adapter matched with its base; sometimes merged."""

    def use(inputs: Inputs) -> object:
        from mobileo_export.merging import merge

        base = _base(inputs.intact / "checkpoint")
        options = merge.MergeOptions(allow_pickle=pickles)
        act = merge.merge if inputs.random.random() < 0.2 else merge.preview
        return act(base, inputs.folder, inputs.output / "merged", options)

    return use


def arrays(inputs: Inputs) -> None:
    """What ``run`` takes."""
    from mobileo_export.cli.run import read_npz
    from mobileo_export.components import COMPONENTS
    from mobileo_export.runtimes.signature import check_inputs

    for path in sorted(inputs.folder.glob("*.npz")):
        model = _base(inputs.intact / "checkpoint").model
        check_inputs(COMPONENTS["llm"].inputs(model), read_npz(path))


def photograph(inputs: Inputs) -> None:
    """What ``ask`` and ``edit`` take."""
    from mobileo_export.pipelines import images

    for path in sorted(inputs.folder.iterdir()):
        images.prepare(images.read(path), _preprocessing())


def _preprocessing() -> Any:
    from mobileo_export.recipe import Preprocessing

    return Preprocessing(64, 4)
