"""Damage copies of a recorded bundle, and say what Python's `verify --replay` makes of each.

    python ios_app/Tests/Python/damages.py BUNDLE FOLDER

A copy shares its files with BUNDLE by hard links, but for what is damaged. Where `sealed` the
manifest is made anew, so that only the replay can notice.
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
    for name, written in (("index.json", json.dumps(index).encode()), ("arrays.bin", bytes(data))):
        (target / "golden" / name).unlink()
        (target / "golden" / name).write_bytes(written)
    if sealed:
        content = manifest.read(bundle)
        for file in content["files"]:
            if file["path"].startswith("golden/"):
                path = target / file["path"]
                file |= {"size": path.stat().st_size, "sha256": seal.digest(path)}
        (target / manifest.MANIFEST).unlink()
        (target / manifest.MANIFEST).write_text(manifest.dumps(content), encoding="utf-8")


def judge(bundle: Path) -> int:
    """The exit code of ``mobileo-export verify --replay``."""
    try:
        if seal.verify(bundle, manifest.read(bundle)):
            return 1
        return int(not replay(bundle).ok)
    except MobileoError as error:
        return error.exit_code


def main() -> None:
    """Write the copies, and their verdicts."""
    bundle, folder = map(Path, sys.argv[1:3])
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    verdicts = []
    for number, (name, sealed, damage) in enumerate(damages()):
        copy(bundle, folder / str(number), sealed=sealed, damage=damage)
        verdicts.append({"name": name, "folder": str(number), "exit": judge(folder / str(number))})
        print(verdicts[-1], flush=True)
    (folder / "verdicts.json").write_text(json.dumps(verdicts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
