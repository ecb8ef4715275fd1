"""Record what Python gives Core AI's functions, for Swift to give the same.

    python ios_app/Tests/Python/core_ai.py [BUNDLE]

Of the miniature exported with ``--target coreai`` (``BUNDLE``, or anew): the manifest, what Apple's
runtime says of each asset's functions, and sessions of the language model. Each of these says what
was asked of it, which functions it called in which order, and of every array that they were given
the type, shape and sha256. What they gave comes from Apple's runtime (core_ai.safetensors), or of
long texts from :func:`ramp`, which Swift computes too.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from mobileo_export import assets
from mobileo_export.artifacts.aimodel import asset
from mobileo_export.artifacts.aimodel.folder import AssetLanguageModel, open_folder
from mobileo_export.bundle import manifest
from mobileo_export.pipelines import noise
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession
from mobileo_export.runtimes.coreai.runtime import LoadedAsset, _RunningModel

CORPUS = Path(__file__).resolve().parents[1] / "Corpus"
Arrays = dict[str, NDArray[Any]]
Act = dict[str, Any]
SHORT: list[Act] = [
    {"prefill": [1, "image", 3], "image": 5},
    {"step": 7},
    {"extend": [8, 9, 10]},
    {"run": [11, 12, 13, 14, 15, 16, 17, 18]},
    {"step": 19},
]
LONG: list[Act] = [
    {"prefill": list(range(20, 270))},
    {"extend": [1, 2, 3, 4]},
    *({"step": token} for token in range(3)),
    {"prefill": [5]},
    {"step": 6},
    {"run": [1, *["image"] * 16, 2], "image": 6},
]


def ramp(shape: tuple[int, ...], call: int) -> NDArray[np.float32]:
    """Numbers from 0 to 1 that any language computes alike: small whole ones divided by 251."""
    count = int(np.prod(shape))
    values = (np.arange(count) * 7 + call) % 251
    return (values.astype(np.float32) / np.float32(251)).reshape(shape)


class Functions(Protocol):
    """What a session calls, whoever computes it."""

    def run(self, name: str, arrays: Mapping[str, Any]) -> Arrays:
        """Map the named inputs of the function ``name`` to its named outputs."""
        ...


class Ramps:
    """Functions of the signatures of an asset that compute nothing."""

    def __init__(self, model: AssetLanguageModel, width: int, features: int) -> None:
        self._model, self._width, self._features = model, width, features
        self._calls = 0

    def run(self, name: str, arrays: Mapping[str, Any]) -> Arrays:
        """Ramps of the shapes that the function ``name`` gives."""
        graph, self._calls = self._model.decoder[0], self._calls + 1
        length = next(iter(arrays.values())).shape[1]
        new = (graph.layers, 1, self._model.heads, length, self._model.head_dim)
        shapes: dict[str, dict[str, tuple[int, ...]]] = {
            asset.EMBED: {"embeddings": (1, length, self._width)},
            asset.PROJECTOR: {"image_embeddings": (1, self._features, self._width)},
            asset.MAIN: {
                "keys": new,
                "values": new,
                "stacked_hidden_states": (1, graph.stacked, length, self._width),
                "logits": (1, self._model.vocab_size),
            },
        }
        return {key: ramp(shape, self._calls) for key, shape in shapes[name].items()}

    def close(self) -> None:
        """Nothing."""


class Recorder:
    """Writes down what the functions below it are given and give."""

    def __init__(self, inner: Functions, acts: list[Act]) -> None:
        self._inner = inner
        self.acts = [dict(act) for act in acts]
        self.calls: list[dict[str, Any]] = []
        self.kept: Arrays = {}

    def run(self, name: str, arrays: Mapping[str, Any]) -> Arrays:
        """As the functions below do."""
        made = self._inner.run(name, arrays)
        number = len(self.calls)
        self.calls.append(
            {
                "function": name,
                "inputs": {key: described(value) for key, value in sorted(arrays.items())},
                "outputs": {key: [*value.shape] for key, value in sorted(made.items())},
            }
        )
        self.kept |= {f"{number}.{key}": np.ascontiguousarray(v) for key, v in made.items()}
        return made

    def close(self) -> None:
        """Nothing: the asset is closed once."""


def described(array: Any) -> list[Any]:
    """Type, shape and sha256 of the little-endian numbers of an array."""
    packed = np.ascontiguousarray(array)
    return [str(packed.dtype), [*packed.shape], hashlib.sha256(packed.tobytes()).hexdigest()]


def follow(model: AssetLanguageModel, inner: Functions, acts: list[Act]) -> Recorder:
    """Ask all of ``acts`` of a session; each then says what came of it."""
    recorder = Recorder(inner, acts)
    running: Any = _RunningModel(model, recorder)  # type: ignore[arg-type]
    session = CachedLanguageModelSession(running, recorder)
    for act in recorder.acts:
        kind, given = next(item for item in act.items())
        if kind in {"prefill", "run"}:
            ids = [model.image_token_id if i == "image" else i for i in given]
            act[kind] = ids
            inputs: Arrays = {"input_ids": np.array([ids], np.int32)}
            if "image" in act:
                shape: Any = model.inputs[1].shape
                inputs["image_features"] = noise.normal(act["image"], shape)
        if kind == "run":
            made: Arrays = session.run(inputs)
        elif kind == "prefill":
            _, logits = session.prefill(**inputs)
            made = {"logits": logits}
        elif kind == "step":
            made = {"logits": session.step(given)}
        else:  # several tokens in one pass, as Swift reads what is said next
            decoder: Any = session._decoder
            _, logits = decoder.read(running.embed(np.array([given], np.int32)))
            made = {"logits": logits}
        act["made"] = {key: described(value) for key, value in sorted(made.items())}
    return recorder


def check_one_pass(model: AssetLanguageModel, loaded: LoadedAsset) -> None:
    """One pass over several tokens is as good as a step a token, on Apple's runtime."""
    found = []
    for several in (True, False):
        running: Any = _RunningModel(model, loaded)
        session = CachedLanguageModelSession(running, loaded)
        session.prefill(np.array([[1, 2, 3]], np.int32))
        decoder: Any = session._decoder
        tokens = [8, 9, 10, 11]
        if several:
            found.append(decoder.read(running.embed(np.array([tokens], np.int32)))[1])
        else:
            found.append([session.step(token) for token in tokens][-1])
    error = np.linalg.norm(found[0] - found[1]) / np.linalg.norm(found[1])
    assert error < 1e-5, error
    print(f"one pass over four tokens: {error:.1e} of four steps")


def functions(path: Path) -> dict[str, Any]:
    """What Apple's runtime says of an asset: type and sizes of each array, -1 for what varies."""
    loaded = LoadedAsset(path)
    found = {}
    for name, function in sorted(loaded._functions.items()):
        says = function.desc
        assert not says.state_names
        found[name] = {
            "inputs": {n: _value(says.input_descriptor(n)) for n in says.input_names},
            "outputs": {n: _value(says.output_descriptor(n)) for n in says.output_names},
        }
    loaded.close()
    return found


def _value(described: Any) -> list[Any]:
    return [described.dtype, [*described.shape]]


def stated(bundle: Path) -> dict[str, Any]:
    """The manifest without what nobody reads here."""
    content = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for component in content["components"].values():
        for artifact in component["artifacts"]:
            artifact["operations"] = {}
            for graph in artifact.get("graphs", ()):
                graph["operations"] = {}
    return dict(content)


def record(bundle: Path) -> None:
    """Write the corpus of the coreai bundle ``bundle``."""
    model = open_folder(bundle / "llm")
    loaded = LoadedAsset(model.asset)
    check_one_pass(model, loaded)
    entry = manifest.read(bundle)["components"]["llm"]
    width = entry["outputs"][0]["shape"][3]
    short = follow(model, loaded, SHORT)
    long = follow(model, Ramps(model, width, entry["inputs"][1]["shape"][1]), LONG)
    loaded.close()
    sessions = [
        {"name": name, "acts": recorder.acts, "calls": recorder.calls}
        for name, recorder in (("recorded", short), ("ramps", long))
    ]
    paths = sorted(bundle.rglob(f"*{asset.SUFFIX}"))
    content = {
        "manifest": stated(bundle),
        "assets": {path.relative_to(bundle).as_posix(): functions(path) for path in paths},
        "sessions": sessions,
    }
    text = json.dumps(content, separators=(",", ":"))
    (CORPUS / "core_ai.json").write_text(text + "\n", encoding="utf-8")
    save_file(short.kept, CORPUS / "core_ai.safetensors")


def main() -> None:
    """Export the miniature, unless a bundle of it is named, and record."""
    if len(sys.argv) > 1:
        record(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle"
        command = ["mobileo-export", "export", str(assets.miniature()), "--target", "coreai"]
        subprocess.run([*command, "--output", str(bundle), "--quiet"], check=True)
        record(bundle)


if __name__ == "__main__":
    main()
