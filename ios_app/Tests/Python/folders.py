"""Write MLX folders of every quantization, whole and damaged, that Python and Swift judge alike.

    python ios_app/Tests/Python/folders.py

Exports the miniature's language model anew with each set of options and keeps what a reader looks
at before the weights: manifest, `config.json`, names and shapes of the tensors. A case changes one
of them; `refused` is a part of Python's error that Swift's must hold too, or null.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from mobileo_export import assets
from mobileo_export.artifacts.mlx.folder import MLXFolder, open_folder
from mobileo_export.checkpoint import safetensors_file
from mobileo_export.errors import BundleError

CORPUS = Path(__file__).resolve().parents[1] / "Corpus" / "folders.json"
OPTIONS: dict[str, tuple[str, ...]] = {
    "8-bit": (),
    "4-bit": ("--llm-bits", "4", "--llm-group-size", "32"),
    "6-bit": ("--llm-bits", "6"),
    "5-bit": ("--llm-bits", "5", "--llm-exception", "lm_head=6"),
    "mixed": (
        *("--llm-bits", "4", "--llm-exception", "lm_head=8"),
        *("--llm-exception", "model.layers.*.self_attn.o_proj=16"),
        *("--llm-exception", "model.layers.2.mlp.*=8"),
    ),
    "float16": ("--llm-bits", "16"),
    "float16, one quantized": ("--llm-bits", "16", "--llm-exception", "lm_head=8"),
}
QUERY = "language_model.model.layers.0.self_attn.q_proj"
HEAD = "language_model.lm_head"
PROJECTOR = "multi_modal_projector.linear_0"
_WIDTHS = {"F16": 2, "F32": 4, "BF16": 2, "U32": 4, "U8": 1}
Case = dict[str, Any]


def build(root: Path, folder: dict[str, Any], case: Case) -> Path:
    """Make the folder of a case in the empty bundle ``root``, its tensors all zero; where it is."""
    found = root / "llm"
    found.mkdir()
    for source in Path(assets.miniature()).iterdir():
        if source.suffix in {".json", ".txt"}:
            shutil.copy(source, found)
    config = _changed(folder["config"], case.get("config", {}))
    (found / "config.json").write_text(case.get("text", json.dumps(config)), encoding="utf-8")
    manifest = folder["manifest"]
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


def judge(folder: Path) -> str | None:
    """What Python says against a folder."""
    try:
        open_folder(folder)
    except BundleError as error:
        return str(error)
    return None


def facts(folder: MLXFolder) -> dict[str, Any]:
    """What Swift's plan has to find: every parameter's shape, bits and group size; 16 is plain."""
    return {
        "states": folder.num_layers,
        "image_token": folder.image_token_id,
        "features": [*folder.inputs[1].shape[1:]],
        "tied": folder.llm.tie_word_embeddings,
        "parameters": {
            tensor.target: [[*tensor.shape], tensor.bits, tensor.group_size * (tensor.bits < 16)]
            for tensor in folder.tensors
        },
    }


def cases() -> Iterator[Case]:
    """Names, the folder that is changed, the changes, and what the error holds."""
    for folder in OPTIONS:
        yield {"name": f"{folder}, whole", "folder": folder, "refused": None}
        for other in OPTIONS:
            if other != folder:
                name = f"{folder} with the configuration of {other}"
                yield {"name": name, "folder": folder, "config_of": other, "refused": "tensor "}
    for config, refused in _CONFIGURATIONS:
        (field, value), *_ = config.items()
        yield {"name": f"{field} is {value!r}", "config": config, "refused": refused}
    for text in ("", "[]", "{", "null"):
        yield {"name": f"config.json is {text!r}", "text": text, "refused": "config.json"}
    for name in ("config.json", "model.safetensors"):
        yield {"name": f"no {name}", "remove": [name], "refused": name}
    yield {"name": "weights cut short", "cut": 2, "refused": "model.safetensors"}
    for tensors, refused in _TENSORS:
        (tensor, entry), *_ = tensors.items()
        yield {"name": f"{tensor} is {entry}", "tensors": tensors, "refused": refused}
    for path, value, refused in _MANIFESTS:
        yield {"name": f"{path} is {value!r}", "manifest": {path: value}, "refused": refused}
    tied = {"config": {"tie_word_embeddings": True}, "manifest": {_TIED: True}}
    left = {f"{HEAD}.{part}": None for part in ("weight", "scales", "biases")}
    yield {"name": "tied, whole", **tied, "tensors": left, "refused": None}
    yield {"name": "tied, with a head", **tied, "refused": f"tensor {HEAD}."}
    yield {"name": "no head", "tensors": left, "refused": f"tensor {HEAD}.weight is missing"}
    plain = {"config": {"quantization": {"bits": 8, "group_size": 64, HEAD: False}}}
    yield {
        "name": "a plain layer",
        **plain,
        "tensors": {**left, f"{HEAD}.weight": ["F16", [512, 128]]},
        "refused": None,
    }
    yield {
        "name": "a plain layer that is packed",
        **plain,
        "refused": f"tensor {HEAD}.weight is U32",
    }


_TIED = "model.llm.tie_word_embeddings"
_BITS = {"bits": 8, "group_size": 64}
_CONFIGURATIONS: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"hidden_size": 256}, "tensor "),
    ({"hidden_size": "128"}, "hidden_size"),
    ({"hidden_size": None}, "hidden_size"),
    ({"hidden_size": 0}, "hidden_size"),
    ({"hidden_size": 128.5}, "hidden_size"),
    ({"intermediate_size": 1 << 31}, "intermediate_size"),
    ({"num_hidden_layers": 1 << 30}, "1073741824"),
    ({"num_hidden_layers": 3}, "layers.3."),
    ({"num_attention_heads": 7}, "7 attention heads"),
    ({"num_attention_heads": 8}, "tensor "),
    ({"num_attention_heads": 2, "num_key_value_heads": 1}, "num_attention_heads 2"),
    ({"num_key_value_heads": 0}, "num_key_value_heads"),
    ({"num_key_value_heads": 3}, "3"),
    ({"vocab_size": True}, "vocab_size"),
    ({"vocab_size": 513}, "tensor "),
    ({"max_position_embeddings": 4096}, "max_position_embeddings 4096"),
    ({"rms_norm_eps": 1e-5}, "rms_norm_eps 1e-05"),
    ({"rms_norm_eps": "small"}, "rms_norm_eps"),
    ({"rope_theta": 10000}, "rope_theta 10000"),
    ({"rope_theta": 1000000}, None),
    ({"rope_theta": -1}, "rope_theta"),
    ({"tie_word_embeddings": "no"}, "tie_word_embeddings"),
    ({"image_token_index": 3}, "image_token_index 3"),
    ({"mm_hidden_size": 64}, "64"),
    ({"hidden_act": "gelu"}, "not a Qwen2"),
    ({"rope_scaling": {"type": "yarn"}}, "not a Qwen2"),
    ({"rope_scaling": {}}, "not a Qwen2"),
    ({"quantization": []}, "quantization"),
    ({"quantization": {"bits": 3, "group_size": 64}}, "quantization"),
    ({"quantization": {"bits": 4, "group_size": 64}}, "tensor "),
    ({"quantization": {"bits": 8, "group_size": 32}}, "tensor "),
    ({"quantization": {"bits": 8, "group_size": 48}}, "quantization"),
    ({"quantization": {**_BITS, QUERY: False}}, QUERY),
    ({"quantization": {**_BITS, QUERY: {"bits": 4, "group_size": 64}}}, QUERY),
    ({"quantization": {**_BITS, QUERY: _BITS}}, None),
    ({"quantization": {**_BITS, QUERY: True}}, QUERY),
    ({"quantization": {**_BITS, QUERY: 8}}, QUERY),
    ({"quantization": {**_BITS, QUERY: {"bits": 8}}}, QUERY),
    ({"quantization": {**_BITS, "mode": "affine"}}, "mode"),
    ({"quantization": {**_BITS, "x": False}}, "quantization of x"),
    ({"quantization": {**_BITS, PROJECTOR: {"bits": 8, "group_size": 128}}}, "tensor "),
)
_TENSORS: tuple[tuple[dict[str, Any], str], ...] = (
    ({f"{QUERY}.scales": None}, f"tensor {QUERY}.scales is missing"),
    ({f"{QUERY}.biases": None}, f"tensor {QUERY}.biases is missing"),
    ({f"{QUERY}.bias": None}, f"tensor {QUERY}.bias is missing"),
    ({f"{QUERY}.weight": None}, f"tensor {QUERY}.weight is missing"),
    ({f"{QUERY}.weight": ["U32", [4, 4]]}, f"tensor {QUERY}.weight is U32 [4, 4]"),
    ({f"{QUERY}.weight": ["F16", [128, 32]]}, f"tensor {QUERY}.weight is F16 [128, 32]"),
    ({f"{QUERY}.scales": ["BF16", [128, 2]]}, f"tensor {QUERY}.scales is BF16 [128, 2]"),
    ({f"{QUERY}.scales": ["F16", [2, 128]]}, f"tensor {QUERY}.scales is F16 [2, 128]"),
    ({f"{QUERY}.bias": ["F32", [128]]}, f"tensor {QUERY}.bias is F32 [128]"),
    ({f"{QUERY}.bias": ["F16", [1, 128]]}, f"tensor {QUERY}.bias is F16 [1, 128]"),
    ({f"{PROJECTOR}.bias": None}, f"tensor {PROJECTOR}.bias is missing"),
    ({"language_model.model.norm.weight": None}, "tensor language_model.model.norm.weight"),
    ({"language_model.model.layers.4.mlp.up_proj.weight": ["F16", [1]]}, "layers.4.mlp.up_proj"),
    ({"virus": ["F16", [3]]}, "tensor virus is unexpected"),
    ({"language_model.model.norm.bias": ["F16", [128]]}, "norm.bias is unexpected"),
    ({"language_model.model.norm.scales": ["F16", [128]]}, "norm.scales is unexpected"),
)
_LLM = "components.llm"
_MANIFESTS: tuple[tuple[str, Any, str], ...] = (
    ("model.llm.hidden_size", 64, "hidden_size 128"),
    ("model.llm.rope_theta", 5.0, "rope_theta 1000000"),
    (_TIED, True, "tie_word_embeddings"),
    (f"{_LLM}.outputs.0.shape.1", 5, "signature"),
    (f"{_LLM}.outputs.0.name", "states", "signature"),
    (f"{_LLM}.outputs.1.name", "scores", "signature"),
    (f"{_LLM}.inputs.0.name", "ids", "signature"),
    (f"{_LLM}.inputs.1.shape.2", 64, "manifest.json"),
    ("format", "other", "manifest"),
)


def _changed(entries: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``entries`` with new values; None takes one away."""
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}


def _at(content: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    key, *rest = path
    if isinstance(content, list):
        at = int(key)
        return [*content[:at], _at(content[at], rest, value), *content[at + 1 :]]
    return {**content, key: _at(content.get(key), rest, value)}


def _exported(options: tuple[str, ...], into: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "mobileo_export", "export", assets.MINIATURE, "--only", "llm"]
    subprocess.run([*command, "--quiet", "--output", str(into), *options], check=True)
    manifest = json.loads((into / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = manifest["files"][:1]
    stored = safetensors_file.read_header(into / "llm" / "model.safetensors")
    return {
        "manifest": manifest,
        "config": json.loads((into / "llm" / "config.json").read_text(encoding="utf-8")),
        "tensors": {name: [info.dtype, [*info.shape]] for name, info in stored.items()},
        "facts": facts(open_folder(into / "llm")),
    }


def written() -> dict[str, Any]:
    """The corpus, with Python's verdict looked at.

    Raises:
        AssertionError: Python does not judge a case as it is said to.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        folders = {
            name: _exported(options, root / str(place))
            for place, (name, options) in enumerate(OPTIONS.items())
        }
    found = []
    for changes in cases():
        case = {"folder": "8-bit", **changes}
        if "config_of" in case:
            other = folders[case.pop("config_of")]
            case["config"] = {"quantization": other["config"].get("quantization")}
        found.append(case)
        with tempfile.TemporaryDirectory() as scratch:
            check(Path(scratch), folders, case)
    return {"folders": folders, "cases": found}


def check(root: Path, folders: dict[str, Any], case: Case) -> None:
    """Look whether Python judges a case as it is said to, in the empty folder ``root``."""
    error = judge(build(root, folders[case["folder"]], case))
    expected = case["refused"]
    assert (error is None) == (expected is None), f"{case['name']}: {error}"
    assert expected is None or expected in str(error), f"{case['name']}: {error}"


def main() -> None:
    """Write the corpus, a folder or a case a line."""
    corpus = written()
    folders = [f"{json.dumps(name)}: {_line(folder)}" for name, folder in corpus["folders"].items()]
    judged = [_line(case) for case in corpus["cases"]]
    parts = ['{"folders": {', ",\n".join(folders), '},\n"cases": [', ",\n".join(judged), "]}", ""]
    CORPUS.write_text("\n".join(parts), encoding="utf-8")
    print(f"{CORPUS}: {len(judged)} cases")


def _line(entry: Any) -> str:
    return json.dumps(entry, ensure_ascii=False)


if __name__ == "__main__":
    main()
