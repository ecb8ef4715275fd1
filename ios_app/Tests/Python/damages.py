"""Damage copies of a recorded bundle, and say what Python's `verify --replay` makes of each.

    python ios_app/Tests/Python/damages.py BUNDLE FOLDER [NAME …]

A copy shares its files with BUNDLE by hard links, but for what is damaged. Where `sealed` the
manifest is made anew, so that only the replay can notice. `rows` are the bounds that Python applied
to what the components compute; what says `engine` is noticed by nothing else. NAMEs choose some.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mobileo_export.bundle import manifest, seal
from mobileo_export.errors import MobileoError
from mobileo_export.json_file import json_ready
from mobileo_export.parity.golden.replay import replay

Index = dict[str, Any]
Damage = Callable[[Index, bytearray], None]


def damages() -> Iterator[tuple[str, bool, Damage]]:
    """Name, whether it is sealed again, and what it does to index and arrays."""
    for stage in ("tokens", "preprocess", "projector", "noise", "guidance", "solver", "unscale",
                  "pixels", "sample"):  # fmt: skip
        yield f"output of {stage}", True, _output(stage)
    for stage, name in (("solver", "velocity"), ("unscale", "latent"), ("guidance", "conditional"),
                        ("pixels", "image"), ("preprocess", "pixels"), ("sample", "logits"),
                        ("projector", "image_features"), ("dit", "timestep"), ("solver", "latent"),
                        ):  # fmt: skip
        yield f"input {name} of {stage}", True, _input(stage, name)
    for stage, name in (("guidance", "guidance"), ("unscale", "scaling_factor"),
                        ("sample", "temperature")):  # fmt: skip
        yield f"value {name} of {stage}", True, _value(stage, name)
    yield "seed", True, _change(lambda index: index["runs"][0]["drawing"].update(seed=8))
    yield "steps", True, _change(lambda index: index["runs"][0]["drawing"].update(steps=4))
    yield "texts", True, _change(lambda index: index["runs"][0].update(texts=["A red bicycle"]))
    yield "limit", True, _change(lambda index: index["runs"][0].update(limit=70))
    yield (
        "answer's text",
        True,
        _change(lambda index: index["runs"][3]["answer"].update(text="I like")),
    )
    yield (
        "answer's tokens",
        True,
        _change(lambda index: index["runs"][3]["answer"].update(token_ids=[40, 297])),
    )
    yield "two steps swapped", True, _change(_swap("solver"))
    yield "two samples swapped", True, _change(_swap("sample"))
    yield (
        "a step removed",
        True,
        _change(lambda index: _calls(index, 0).pop(_first(index, "solver"))),
    )
    for part, key in (("tokenizer", "ids"), ("prompts", "ids"), ("schedules", "sigmas"),
                      ("schedules", "timesteps"), ("noise", "first"), ("uniform", "first"),
                      ):  # fmt: skip
        yield f"{key} of {part}", True, _part(part, key)
    yield (
        "digest of noise",
        True,
        _change(lambda index: index["parts"]["noise"][0].update(sha256="0" * 64)),
    )
    yield "a gate removed", True, _change(lambda index: index["gates"].pop("arithmetic"))
    yield (
        "a gate of another stage",
        True,
        _change(lambda index: _calls(index, 0)[0]["outputs"]["input_ids"].update(gate="images")),
    )
    yield "a gate that asks nothing", True, _change(_asks_nothing)
    yield "no parts", True, _change(lambda index: index["parts"].update(sampling=[]))
    yield "an unknown stage", True, _change(lambda index: _calls(index, 0)[0].update(stage="later"))
    yield (
        "an entry that is not there",
        True,
        _change(lambda index: _calls(index, 0)[0]["outputs"]["input_ids"].update(entry=999)),
    )
    yield (
        "an input too many",
        True,
        _change(lambda index: _calls(index, 0)[0]["inputs"].update(later=0)),
    )
    yield (
        "an entry of another size",
        True,
        _change(lambda index: index["entries"][0].update(size=4)),
    )
    yield (
        "an entry behind the end",
        True,
        _change(lambda index: index["entries"][0].update(offset=10**9)),
    )
    yield "another format", True, _change(lambda index: index.update(format="other"))
    yield "another version", True, _change(lambda index: index.update(format_version=2))
    yield "no runs", True, _change(lambda index: index.update(runs=[]))
    yield "nothing", True, _change(lambda index: None)
    yield "arrays cut short", False, lambda index, data: data.__delitem__(slice(-1000, None))
    yield "a bit of the arrays", False, lambda index, data: data.__setitem__(50000, data[50000] ^ 1)
    yield "the index edited", False, _change(lambda index: index["runs"][0].update(limit=70))
    yield (
        "arrays cut short and sealed",
        True,
        lambda index, data: data.__delitem__(slice(-1000, None)),
    )


def engine_damages() -> Iterator[tuple[str, Damage]]:
    """What is only noticed by running the components: all sealed again."""
    yield "outputs of components", _every_output
    yield "gates that nothing meets", _change(_meets_nothing)
    yield "a velocity that is not finite", _not_finite
    yield "a velocity of another shape", _change(_another_shape)
    yield "weights of the transformer", lambda index, data: None  # see main


def _every_output(index: Index, data: bytearray) -> None:
    for stage in ("vision_encoder", "llm", "llm_step", "mcp", "dit", "vae_decoder"):
        _output(stage)(index, data)


def _meets_nothing(index: Index) -> None:
    for name in ("velocity", "logits", "image"):
        for executor in ("host", "device"):
            index["gates"][name][executor].update(relative_l2=1e-15, psnr=None)


def _not_finite(index: Index, data: bytearray) -> None:
    output = _find(index, "dit")["outputs"]["velocity"]
    output["entry"] = _spoil(index, data, output["entry"])
    start = index["entries"][output["entry"]]["offset"]
    data[start + 400 : start + 404] = np.float32(np.nan).tobytes()


def _another_shape(index: Index) -> None:
    output = _find(index, "dit")["outputs"]["velocity"]
    entry = index["entries"][output["entry"]]
    index["entries"].append(entry | {"shape": entry["shape"][::-1]})
    output["entry"] = len(index["entries"]) - 1


def _asks_nothing(index: Index) -> None:
    gate = index["gates"]["arithmetic"]
    for executor in ("host", "device"):
        gate[executor].update(relative_l2=None, worst_slice=None)


def _calls(index: Index, run: int) -> list[Any]:
    calls: list[Any] = index["runs"][run]["calls"]
    return calls


def _first(index: Index, stage: str) -> int:
    return next(n for n, call in enumerate(_calls(index, 0)) if call["stage"] == stage)


def _find(index: Index, stage: str) -> dict[str, Any]:
    """The last call of a stage, in the first run that has one."""
    for run in index["runs"]:
        found: list[dict[str, Any]] = [c for c in run["calls"] if c["stage"] == stage]
        if found:
            return found[-1]
    raise LookupError(stage)


def _spoil(index: Index, data: bytearray, entry: int) -> int:
    """A new entry with a value changed, so that only one call sees it; its position."""
    found = dict(index["entries"][entry])
    raw = bytes(data[found["offset"] : found["offset"] + found["size"]])
    if found["storage"] == "scaled_uint8" or found["dtype"] == "uint8":
        changed = bytes([raw[0] ^ 0x40]) + raw[1:]
    elif found["dtype"] == "int32":
        changed = (np.frombuffer(raw, "<i4") + 1).astype("<i4").tobytes()
    else:
        values = np.frombuffer(raw, "<f4").copy()
        values[: max(1, len(values) // 50)] += 0.5
        changed = values.tobytes()
    data.extend(bytes(-len(data) % 64))
    index["entries"].append(found | {"offset": len(data), "size": len(changed)})
    data.extend(changed)
    return len(index["entries"]) - 1


def _output(stage: str) -> Damage:
    def damage(index: Index, data: bytearray) -> None:
        output = next(iter(_find(index, stage)["outputs"].values()))
        output["entry"] = _spoil(index, data, output["entry"])

    return damage


def _input(stage: str, name: str) -> Damage:
    def damage(index: Index, data: bytearray) -> None:
        call = _find(index, stage)
        call["inputs"][name] = _spoil(index, data, call["inputs"][name])

    return damage


def _value(stage: str, name: str) -> Damage:
    def change(index: Index) -> None:
        runs = index["runs"] if stage != "sample" else index["runs"][3:]
        _find({"runs": runs}, stage)["values"][name] = 3.5

    return _change(change)


def _part(part: str, key: str) -> Damage:
    def change(index: Index) -> None:
        index["parts"][part][1][key][0] += 1

    return _change(change)


def _change(change: Callable[[Index], Any]) -> Damage:
    return lambda index, data: (change(index), None)[1]


def _swap(stage: str) -> Callable[[Index], None]:
    def change(index: Index) -> None:
        run = next(r for r in index["runs"] if sum(c["stage"] == stage for c in r["calls"]) > 1)
        places = [n for n, call in enumerate(run["calls"]) if call["stage"] == stage][:2]
        first, second = (run["calls"][n] for n in places)
        run["calls"][places[0]], run["calls"][places[1]] = second, first

    return change


def copy(bundle: Path, target: Path, *, sealed: bool, damage: Damage) -> None:
    """The bundle in ``target``, damaged."""
    shutil.copytree(bundle, target, copy_function=os.link)
    index = json.loads((bundle / "golden/index.json").read_text(encoding="utf-8"))
    data = bytearray((bundle / "golden/arrays.bin").read_bytes())
    damage(index, data)
    _replace(target / "golden/index.json", json.dumps(index).encode())
    _replace(target / "golden/arrays.bin", bytes(data))
    if sealed:
        _seal(bundle, target, "golden/")


def _damage_weights(bundle: Path, target: Path) -> None:
    """Every hundredth byte of the transformer's weights, in the middle of the file, is another."""
    (weights,) = target.glob("transformer.mlpackage/**/*.bin")
    data = bytearray(weights.read_bytes())
    middle = len(data) // 2
    for place in range(middle, middle + 40_000, 400):
        data[place + 2] ^= 0x40
    _replace(weights, bytes(data))
    _seal(bundle, target, "transformer.mlpackage/")


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _seal(bundle: Path, target: Path, below: str) -> None:
    content = manifest.read(bundle)
    for file in content["files"]:
        if file["path"].startswith(below):
            path = target / file["path"]
            file |= {"size": path.stat().st_size, "sha256": seal.digest(path)}
    _replace(target / manifest.MANIFEST, manifest.dumps(content).encode())


def judge(bundle: Path) -> tuple[int, list[dict[str, Any]] | None]:
    """The exit code of ``verify --replay``, and what it measured, if it came so far."""
    try:
        if seal.verify(bundle, manifest.read(bundle)):
            return 1, None
        found = replay(bundle)
    except MobileoError as error:
        return error.exit_code, None
    return int(not found.ok), list(_rows(json_ready(found.as_json())["comparison"]))


def _rows(comparison: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for component in comparison["components"]:
        for case in component["cases"]:
            for output in case["outputs"]:
                place = {
                    "component": component["gate"]["component"],
                    "call": case["name"],
                    "output": output["name"],
                }
                worst = (output["metrics"] or {}).get("worst") or [None]
                slice_ = worst[0] and {k: worst[0][k] for k in ("family", "index")}
                if output["problem"]:
                    yield place | {"problem": output["problem"]}
                yield from (place | row | {"slice": slice_} for row in output["rows"])


def main() -> None:
    """Write the copies, and their verdicts."""
    bundle, folder = map(Path, sys.argv[1:3])
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    verdicts = []
    made = [(name, sealed, damage, False) for name, sealed, damage in damages()]
    made += [(name, True, damage, True) for name, damage in engine_damages()]
    for number, (name, sealed, damage, engine) in enumerate(made):
        if sys.argv[3:] and name not in sys.argv[3:]:
            continue
        target = folder / str(number)
        copy(bundle, target, sealed=sealed, damage=damage)
        if name == "weights of the transformer":
            _damage_weights(target, target)
        code, rows = judge(target)
        verdict = {"name": name, "folder": str(number), "exit": code, "engine": engine}
        print(verdict, flush=True)
        verdicts.append(verdict | {"rows": rows})
    (folder / "verdicts.json").write_text(json.dumps(verdicts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
