"""Write the MLX folders of components, whole and damaged, that Python and Swift judge alike.

    python ios_app/Tests/Python/component_folders.py

As ``folders`` does for the language model's, of the miniature exported with ``--target mlx``.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import folders as language_models

from mobileo_export import assets
from mobileo_export.artifacts.mlx.component_folder import ComponentFolder, open_component
from mobileo_export.artifacts.mlx.models import MODELS
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import BundleError

CORPUS = Path(__file__).resolve().parents[1] / "Corpus" / "components.json"
OPTIONS: dict[str, tuple[str, ...]] = {
    "mlx": (),
    "small": ("--compression", "small"),
    "float32": ("--precision", "float32"),
}
Case = dict[str, Any]
Folder = dict[str, Any]
_at, _WIDTHS = language_models._at, language_models._WIDTHS


def build(root: Path, manifest: dict[str, Any], folder: Folder, case: Case) -> Path:
    """Make the folder of a case in the empty bundle ``root``, its tensors all zero; where it is."""
    found = root / str(folder["path"])
    found.mkdir()
    config = _changed(folder["config"], case.get("config", {}))
    (found / "config.json").write_text(case.get("text", json.dumps(config)), encoding="utf-8")
    for path, value in case.get("manifest", {}).items():
        manifest = _at(manifest, path.split("."), value)
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    header, end = {}, 0
    for name, (dtype, shape) in _changed(folder["tensors"], case.get("tensors", {})).items():
        size = _WIDTHS[dtype] * prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with (found / "model.safetensors").open("wb") as weights:
        weights.write(struct.pack("<Q", len(text)) + text)
        weights.truncate(8 + len(text) + end - case.get("cut", 0))
    for name in case.get("remove", []):
        (found / name).unlink()
    return found


def _changed(entries: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``entries`` with new values; None takes one away, and stays where it was."""
    kept = {key: value for key, value in entries.items() if key not in changes}
    return kept | {key: value for key, value in changes.items() if value is not None}


def parameters(folder: ComponentFolder) -> dict[str, Any]:
    """What Swift's plan has to find: every tensor's shape, bits and group size; 16 is plain."""
    return {
        tensor.target: [[*tensor.shape], tensor.bits, tensor.group_size * (tensor.bits < 16)]
        for tensor in folder.planned.tensors
    }


def cases(folders: dict[str, Folder]) -> Iterator[Case]:
    """Names, the folder that is changed, the changes, and what the error holds; None for none."""
    for folder in folders:
        yield {"name": f"{folder}, whole", "folder": folder, "refused": None}
    for name, folder, changes, refused in _CASES:
        yield {"name": name, "folder": folder, **changes, "refused": refused}
    for component in MODELS:
        at = f"{component}, mlx"
        config = folders[at]["config"]
        for field in sorted(config.keys() - {"model_type", "torch_dtype", "quantization"}):
            for value in (None, -1, "x", 1 << 40):
                changes = {"config": {field: value}}
                yield {
                    **changes, "name": f"{at}: {field} is {value!r}", "folder": at,
                    "refused": field,
                }  # fmt: skip
        first, last = (list(folders[at]["tensors"])[place] for place in (0, -1))
        for name in (first, last):
            yield {
                "name": f"{at}: no {name}", "folder": at, "tensors": {name: None},
                "refused": "is missing",
            }  # fmt: skip
            yield {
                "name": f"{at}: {name} is another", "folder": at,
                "tensors": {name: ["F16", [3, 5]]}, "refused": f"tensor {name} is F16 [3, 5]",
            }  # fmt: skip
        for name, changes, refused in _EACH:
            yield {"name": f"{at}: {name}", "folder": at, **changes, "refused": refused}
        output = f"components.{component}.outputs.0.name"
        yield {
            "name": f"{at}: {output}", "folder": at, "manifest": {output: "x"},
            "refused": "signature",
        }  # fmt: skip


_EACH: tuple[tuple[str, Case, str | None], ...] = (
    ("another tensor", {"tensors": {"virus": ["F16", [3]]}}, "tensor virus is unexpected"),
    ("another field", {"config": {"extra": 1}}, "says extra"),
    ("no type", {"config": {"model_type": None}}, "model_type"),
    ("an unknown type", {"config": {"model_type": "qwen2"}}, "model_type"),
    ("no dtype", {"config": {"torch_dtype": None}}, "torch_dtype"),
    ("another dtype", {"config": {"torch_dtype": "bfloat16"}}, "torch_dtype"),
    ("weights cut short", {"cut": 2}, "model.safetensors"),
    ("no weights", {"remove": ["model.safetensors"]}, "model.safetensors"),
    ("no configuration", {"remove": ["config.json"]}, "config.json"),
    ("an empty configuration", {"text": ""}, "config.json"),
    ("a list", {"text": "[]"}, "config.json"),
    ("nothing to quantize", {"config": {"quantization": []}}, "quantization"),
    ("3 bits", {"config": {"quantization": {"bits": 3, "group_size": 64}}}, "quantization"),
)
_QUERY = "transformer_blocks.0.attn1.to_q"
_BITS = {"bits": 8, "group_size": 64}
_SEALED = "model.diffusion.dit.num_layers"
_CASES: tuple[tuple[str, str, Case, str | None], ...] = (
    ("every matrix packed", "dit, mlx", {"config": {"quantization": _BITS}}, "patch_embed.proj"),
    ("scales gone", "dit, mlx", {"tensors": {f"{_QUERY}.scales": None}}, f"{_QUERY}.scales"),
    (
        "wide scales",
        "dit, mlx",
        {"tensors": {f"{_QUERY}.scales": ["F32", [128, 2]]}},
        f"tensor {_QUERY}.scales is F32 [128, 2]",
    ),
    ("nothing is packed", "dit, mlx", {"config": {"quantization": None}}, "tensor "),
    (
        "quantization of what is none",
        "dit, mlx",
        {"config": {"quantization": {**_BITS, "patch_embed.proj": False, "table": False}}},
        "quantization of table",
    ),
    ("halves for float32", "dit, float32", {"config": {"torch_dtype": "float16"}}, "tensor "),
    ("float32 for halves", "vae_decoder, mlx", {"config": {"torch_dtype": "float32"}}, "tensor "),
    ("fewer blocks", "dit, mlx", {"config": {"num_layers": 3}}, "num_layers 3"),
    (
        "fewer blocks in both",
        "dit, float32",
        {"config": {"num_layers": 3}, "manifest": {_SEALED: 3}},
        "is unexpected",
    ),
    (
        "blocks without end",
        "dit, mlx",
        {"config": {"num_layers": 1 << 23}, "manifest": {_SEALED: 1 << 23}},
        "tensors",
    ),
)


def judge(folder: Path) -> str | None:
    """What Python says against a folder."""
    try:
        open_component(folder)
    except BundleError as error:
        return str(error)
    return None


def check(root: Path, corpus: dict[str, Any], case: Case) -> None:
    """Look whether Python judges a case as it is said to, in the empty folder ``root``."""
    error = judge(build(root, corpus["manifest"], corpus["folders"][case["folder"]], case))
    expected = case["refused"]
    assert (error is None) == (expected is None), f"{case['name']}: {error}"
    assert expected is None or expected in str(error), f"{case['name']}: {error}"


def _exported(options: tuple[str, ...], into: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "mobileo_export", "export", assets.MINIATURE]
    arguments = ["--target", "mlx", "--quiet", "--output", str(into), *options]
    subprocess.run([*command, *arguments], check=True)
    manifest = json.loads((into / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = manifest["files"][:1]
    return manifest  # type: ignore[no-any-return]


def written() -> dict[str, Any]:
    """The corpus, with Python's verdict looked at.

    Raises:
        AssertionError: Python does not judge a case as it is said to.
    """
    corpus: dict[str, Any] = {"folders": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for name, options in OPTIONS.items():
            bundle = Path(scratch) / name
            manifest = _exported(options, bundle)
            corpus.setdefault("manifest", manifest)
            for component in MODELS:
                path = manifest["components"][component]["artifacts"][0]["path"]
                stored = safetensors_file.read_header(bundle / path / "model.safetensors")
                config = (bundle / path / "config.json").read_text(encoding="utf-8")
                corpus["folders"][f"{component}, {name}"] = {
                    "component": component,
                    "path": path,
                    "config": json.loads(config),
                    "tensors": {name: [info.dtype, [*info.shape]] for name, info in stored.items()},
                    "parameters": parameters(open_component(bundle / path)),
                }
    corpus["cases"] = list(cases(corpus["folders"]))
    for case in corpus["cases"]:
        with tempfile.TemporaryDirectory() as scratch:
            check(Path(scratch), corpus, case)
    return corpus


def main() -> None:
    """Write the corpus, a folder or a case a line."""
    corpus = written()
    folders = [f"{json.dumps(name)}: {_line(folder)}" for name, folder in corpus["folders"].items()]
    judged = [_line(case) for case in corpus["cases"]]
    head = f'{{"manifest": {_line(corpus["manifest"])},\n"folders": {{'
    parts = [head, ",\n".join(folders), '},\n"cases": [', ",\n".join(judged), "]}", ""]
    CORPUS.write_text("\n".join(parts), encoding="utf-8")
    print(f"{CORPUS}: {len(judged)} cases")


def _line(entry: Any) -> str:
    return json.dumps(entry, ensure_ascii=False)


if __name__ == "__main__":
    main()
