"""The format as docs/golden.md states it, read by code that shares nothing with the project."""

from __future__ import annotations

import array
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

CODES = {"float32": "f", "int32": "i", "uint8": "B"}


class Reader:
    """A golden trace in 40 lines of the standard library."""

    def __init__(self, folder: Path) -> None:
        self.index: dict[str, Any] = json.loads((folder / "index.json").read_text())
        names = {e["file"] for e in self.index["entries"] if "file" in e}
        self.files = {name: (folder / name).read_bytes() for name in names}

    def values(self, number: int) -> list[float]:
        entry = self.index["entries"][number]
        if entry["storage"] == "constant":
            return [entry["value"]] * math.prod(entry["shape"])
        raw = self.files[entry["file"]][entry["offset"] : entry["offset"] + entry["size"]]
        assert len(raw) == entry["size"]
        if entry["storage"] == "scaled_uint8":
            scale = array.array("f", [entry["scale"]])[0]
            return list(array.array("f", [byte * scale for byte in raw]))
        numbers = array.array(CODES[entry["dtype"]], raw)
        if sys.byteorder == "big":
            numbers.byteswap()
        return list(numbers)

    def stored_count(self, number: int) -> int:
        entry = self.index["entries"][number]
        shape = list(entry["shape"])
        if "sample" in entry:
            axis, start, stride = (entry["sample"][k] for k in ("axis", "start", "stride"))
            shape[axis] = len(range(start, shape[axis], stride))
        return math.prod(shape)


@pytest.fixture(scope="module")
def reader(recorded: Path) -> Reader:
    return Reader(recorded / "golden")


def every_call(reader: Reader, stage: str) -> list[dict[str, Any]]:
    runs = reader.index["runs"]
    return [call for run in runs for call in run["calls"] if call["stage"] == stage]


def close(reader: Reader, found: list[float], expected: list[float]) -> bool:
    """Within a fifth of the bound that the trace itself gives for arithmetic."""
    bound = reader.index["gates"]["arithmetic"]["host"]["relative_l2"]
    return math.dist(found, expected) <= bound / 5 * math.hypot(*expected)


def test_every_entry_is_within_its_file_and_as_long_as_its_shape(reader: Reader) -> None:
    storages = set()
    for number, entry in enumerate(reader.index["entries"]):
        assert len(reader.values(number)) == reader.stored_count(number), entry["name"]
        assert entry.get("offset", 0) % 64 == 0
        storages.add(entry["storage"])
    assert storages == {"raw", "constant", "sampled", "scaled_uint8"}


def test_no_array_is_stored_twice(reader: Reader) -> None:
    seen = [
        (e["dtype"], tuple(e["shape"]), tuple(reader.values(n)))
        for n, e in enumerate(reader.index["entries"])
    ]
    assert len(set(seen)) == len(seen)


def test_guidance_can_be_recomputed_from_both_branches(reader: Reader) -> None:
    found = every_call(reader, "guidance")
    assert len(found) == 2 * 3
    for call in found:
        c, u = (reader.values(call["inputs"][k]) for k in ("conditional", "unconditional"))
        assert not close(reader, c, u)
        g = call["values"]["guidance"]
        expected = [b + g * (a - b) for a, b in zip(c, u, strict=True)]
        assert close(reader, reader.values(call["outputs"]["velocity"]["entry"]), expected)


def test_the_solver_can_be_recomputed_step_by_step(reader: Reader) -> None:
    orders = []
    for call in every_call(reader, "solver"):
        given = {name: reader.values(entry) for name, entry in call["inputs"].items()}
        before, sigma, after = (call["values"][f"{k}sigma"] for k in ("earlier_", "", "next_"))
        x0 = [x - sigma * v for x, v in zip(given["latent"], given["velocity"], strict=True)]
        estimate = x0
        if before is not None and after > 0:
            h, h_before = snr(after) - snr(sigma), snr(sigma) - snr(before)
            pairs = zip(given["earlier_latent"], given["earlier_velocity"], strict=True)
            earlier = [x - before * v for x, v in pairs]
            estimate = [a + (a - b) * h / (2 * h_before) for a, b in zip(x0, earlier, strict=True)]
        orders.append(1 if estimate is x0 else 2)
        factor = (1 - after) * math.expm1(snr(sigma) - snr(after)) if after else -1.0
        expected = [
            after / sigma * x - factor * e for x, e in zip(given["latent"], estimate, strict=True)
        ]
        assert close(reader, reader.values(call["outputs"]["next_latent"]["entry"]), expected)
    assert orders == [1, 2, 1] * 2


def snr(sigma: float) -> float:
    """Half of the logarithm of the signal-to-noise ratio."""
    return math.log(1 - sigma) - math.log(sigma)


def test_a_trace_is_whole_from_pixels_to_pixels(reader: Reader) -> None:
    """What one call gives is what the next takes: the same entries, not copies of them."""
    (edit,) = (run for run in reader.index["runs"] if run["name"] == "edit")
    (tokens, preprocess, vision, projector, llm, *rest) = edit["calls"]
    assert tokens["outputs"]["input_ids"]["entry"] == llm["inputs"]["input_ids"]
    assert preprocess["outputs"]["images"]["entry"] == vision["inputs"]["images"]
    features = vision["outputs"]["image_features"]["entry"]
    assert features == projector["inputs"]["image_features"] == llm["inputs"]["image_features"]
    named = [(call["stage"], call["step"], call["branch"]) for call in rest]
    branches = ("conditional", "unconditional")
    drawing: list[tuple[str, int | None, str | None]]
    drawing = [*(("mcp", None, branch) for branch in branches), ("noise", None, None)]
    for step in range(3):
        drawing += [("dit", step, branch) for branch in branches]
        drawing += [("guidance", step, None), ("solver", step, None)]
    drawing += [(stage, None, None) for stage in ("unscale", "vae_decoder", "pixels", "preprocess")]
    assert named == drawing
    unscale, decoder, pixels = rest[-4:-1]
    assert unscale["outputs"]["scaled"]["entry"] == decoder["inputs"]["latent"]
    image = reader.values(pixels["inputs"]["image"])
    levels = [round(255 * min(1, max(0, x / 2 + 0.5))) for x in image]
    plane = len(levels) // 3
    interleaved = [levels[c * plane + i] for i in range(plane) for c in range(3)]
    found = reader.values(pixels["outputs"]["pixels"]["entry"])
    assert max(abs(a - b) for a, b in zip(found, interleaved, strict=True)) <= 1


def test_an_answer_can_be_followed_token_by_token(reader: Reader) -> None:
    for run in reader.index["runs"][2:]:
        steps = [call for call in run["calls"] if call["stage"] in {"llm_step", "sample"}]
        samples = [call for call in steps if call["stage"] == "sample"]
        chosen = [reader.values(c["outputs"]["token_id"]["entry"])[0] for c in samples]
        assert chosen[: len(run["answer"]["token_ids"])] == run["answer"]["token_ids"]
        for call in steps:
            if call["stage"] == "llm_step":
                fed = reader.values(call["inputs"]["token_id"])[0]
                assert fed == chosen[call["step"] - 1]
        if run["pipeline"] == "ask":
            logits = [reader.values(call["inputs"]["logits"]) for call in samples]
            assert chosen == [scores.index(max(scores)) for scores in logits]
