"""A jetson bundle of small graphs, made without torch: enough to plan, build and verify."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import recipe
from mobileo_export.artifacts.engine import stamp
from mobileo_export.bundle import manifest, seal
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.license import NONE, Terms
from mobileo_export.components import COMPONENTS, Dim, TensorSpec
from mobileo_export.jetson import engines as plan
from mobileo_export.pipelines import answer, generate
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model
from tests.runtimes.tensorrt import fake_tensorrt, graphs
from tests.runtimes.tensorrt.fake_cuda import FakeCuda

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTH = Dim("N", 1, 9, 3)


def write(folder: Path, checkpoint: Path) -> Path:
    """Two components of one graph each: ``mcp`` with external weights, ``dit`` without."""
    folder.mkdir(parents=True)
    graphs.matmul(folder / "connector.onnx")
    graphs.scale(folder / "transformer.onnx")
    x = TensorSpec("x", (1, LENGTH, 64), "")
    small = TensorSpec("x", (1, LENGTH, 4), "")
    count = TensorSpec("count", (1,), "", "int32")
    components = {
        "mcp": _entry("mcp", "connector.onnx", (x,), (TensorSpec("y", (1, LENGTH, 64), ""),)),
        "dit": _entry(
            "dit", "transformer.onnx", (small, count), (TensorSpec("y", (1, LENGTH, 4), ""),)
        ),
    }
    opened = Checkpoint.open(checkpoint)
    content = manifest.Manifest(
        generator={"name": "mobileo-export", "version": "0"},
        source=manifest.Source(None, None, "released", None),
        license=Terms(NONE, NONE).manifest(),
        model=opened.model.stated(),
        recipe=asdict(recipe.build(opened.model, tokenizer_files.special_ids(checkpoint))),
        tools={},
        components=components,
        files=(),
    )
    return reseal(folder, content.to_json())


def reseal(folder: Path, text: str | None = None) -> Path:
    """Seal the folder as it is now."""
    import json

    path = folder / manifest.MANIFEST
    content: dict[str, Any] = json.loads(text or path.read_text(encoding="utf-8"))
    content["files"] = [asdict(entry) for entry in seal.entries(folder)]
    path.write_text(manifest.dumps(content), encoding="utf-8")
    manifest.read(folder)  # it fits the schema
    return folder


def _entry(
    name: str, path: str, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> manifest.ComponentEntry:
    takes = tuple(map(manifest.signature, inputs))
    gives = tuple(map(manifest.signature, outputs))
    graph = manifest.Graph(name, path, takes, gives, {"default": {"N": (1, 3, 9)}}, {"Mul": 1})
    artifact = manifest.Artifact(
        target="jetson",
        kind="onnx",
        path=path,
        function=None,
        weight_precision="float32",
        compute_precision="float32",
        shapes="range",
        compute_units="gpu",
        operation_map=None,
        options={},
        operations={"Mul": 1},
        graphs=(graph,),
    )
    return manifest.ComponentEntry(COMPONENTS[name].title, 1, "0" * 64, takes, gives, (artifact,))


def engines(
    bundle: Path, cuda: FakeCuda, version: str = fake_tensorrt.VERSION
) -> list[stamp.Place]:
    """Fake engines of every graph of any jetson bundle, as ``build`` would have left them."""
    places = []
    for planned in plan.engines(bundle):
        shapes = [
            {name: tuple(three) for name, three in profile["shapes"].items()}
            for profile in planned.profiles
        ]
        options = {"profiles": list(planned.profiles), "level": 3, "tf32": False}
        where = planned.where
        places.append(fake_tensorrt.write_engine(where.onnx, shapes, cuda, version, options))
    return places


def works(bundle: Path, runtime: str, photo: NDArray[np.uint8]) -> tuple[Any, ...]:
    """One of everything that the pipelines make: a drawing, an edit, an answer, two turns."""
    with open_model(str(bundle), runtime) as model:
        drawing = Drawing.of(model.recipe, 3, seed=5)
        how = answer.Sampling.of(model.recipe, max_new_tokens=6)
        chat = answer.Chat(model, how)
        return (
            generate.generate(model, "a red circle", drawing).image,
            generate.edit(model, photo, "make it blue", drawing).image,
            answer.ask(model, photo, "what is it?", how).token_ids,
            chat.send("hello").token_ids,
            chat.send("and again").token_ids,
        )
