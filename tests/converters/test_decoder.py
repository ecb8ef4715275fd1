"""The decoder put together anew, whole and in parts, against the reference that it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export import targets
from mobileo_export.artifacts.onnx.folder import DecoderGraph
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.converters import decoder
from mobileo_export.converters.onnx.graphs import graphs
from mobileo_export.runtimes.cached_decoder import HostDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.reference.llm import LanguageModel


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


@pytest.fixture(scope="module")
def reference(checkpoint: Checkpoint) -> LanguageModel:
    module: Any = COMPONENTS["llm"].reference(checkpoint, "released")
    return module


class TorchEngine:
    """The modules themselves, before torch exports them."""

    def __init__(self, checkpoint: Checkpoint, reference: LanguageModel, size: int | None) -> None:
        specs = graphs(COMPONENTS["llm"], checkpoint.model, "jetson", size)
        self.modules = {spec.name: (spec, spec.build(reference).eval()) for spec in specs}

    def run(self, name: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
        spec, module = self.modules[name]
        given = [torch.from_numpy(arrays[tensor.name]) for tensor in spec.inputs]
        with torch.inference_mode():
            made = module(*given)
        return {t.name: v.numpy() for t, v in zip(spec.outputs, made, strict=True)}

    def close(self) -> None:
        self.modules.clear()


class Layout:
    """What a decoder asks of an opened folder."""

    def __init__(self, checkpoint: Checkpoint, size: int | None) -> None:
        model = checkpoint.model
        parts = decoder.parts(model.llm.num_hidden_layers, model.mcp.num_layers, size)
        self.decoder = tuple(
            DecoderGraph(part.name, part.stop - part.start, part.stacked, part.last)
            for part in parts
        )
        self.context = targets.context(model, "jetson")
        self.heads, self.head_dim = model.llm.num_key_value_heads, model.llm.head_dim
        self.cache_dtype = "float32"


@pytest.mark.parametrize(
    ("layers", "k", "size", "expected"),
    [
        (4, 4, None, [("llm", 0, 4, 4, True)]),
        (4, 2, 4, [("llm", 0, 4, 2, True)]),
        (4, 2, 99, [("llm", 0, 4, 2, True)]),
        (4, 3, 2, [("llm_0", 0, 2, 1, False), ("llm_1", 2, 4, 2, True)]),
        (
            5,
            2,
            2,
            [("llm_0", 0, 2, 0, False), ("llm_1", 2, 4, 1, False), ("llm_2", 4, 5, 1, True)],
        ),
    ],
)
def test_the_decoder_is_cut_into_parts(
    layers: int, k: int, size: int | None, expected: list[tuple[str, int, int, int, bool]]
) -> None:
    found = decoder.parts(layers, k, size)
    assert [(p.name, p.start, p.stop, p.stacked, p.last) for p in found] == expected


@pytest.mark.parametrize("size", [None, 1, 3])
@pytest.mark.parametrize("length", [1, 9, 70])
def test_reading_and_going_on(
    checkpoint: Checkpoint, reference: LanguageModel, size: int | None, length: int
) -> None:
    layout: Any = Layout(checkpoint, size)
    decoder = HostDecoder(layout, TorchEngine(checkpoint, reference, size))
    ids = COMPONENTS["llm"].example_inputs(checkpoint.model, T=length)["input_ids"]
    with torch.inference_mode():
        stacked, logits, past = reference.prefill(torch.from_numpy(ids))
        embeddings = reference.embed(torch.from_numpy(ids)).numpy()
    found = decoder.read(embeddings)
    assert np.allclose(found[0], stacked, rtol=0, atol=2e-5 * float(stacked.abs().max()))
    assert np.allclose(found[1], logits, rtol=0, atol=2e-5 * float(logits.abs().max()))
    with torch.inference_mode():
        for token in (3, 250, 3):
            expected = reference.step(torch.tensor([[token]]), past)
            one = reference.embed(torch.tensor([[token]])).numpy()
            found_logits = decoder.read(one)[1]
            bound = 2e-5 * float(expected.abs().max())
            assert np.allclose(found_logits, expected, rtol=0, atol=bound)
    assert decoder.used == length + 3
    decoder.reset()
    again = decoder.read(embeddings)
    assert np.array_equal(again[0], found[0])


def test_an_empty_slot_counts_for_nothing(checkpoint: Checkpoint, reference: LanguageModel) -> None:
    """Whatever a board's memory holds there, as long as it is finite."""
    engine = TorchEngine(checkpoint, reference, None)
    spec, _ = engine.modules["llm"]
    random = np.random.default_rng(1)
    shapes = {tensor.name: tensor.at(T=4, P=6) for tensor in spec.inputs}
    arrays: dict[str, NDArray[Any]] = {
        name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()
    }
    arrays["position_ids"] = np.arange(2, 6, dtype=np.int32)[None]
    arrays["attention_mask"] = np.triu(np.full((4, 4), -30000, np.float32), 1)[None, None]
    arrays["past_mask"] = np.where(np.arange(6) < 2, 0, -30000).astype(np.float32)[None, None, None]
    first = engine.run("llm", arrays)
    for name in ("past_keys", "past_values"):
        arrays[name] = arrays[name].copy()
        arrays[name][..., 2:, :] = 50.0  # finite, as whatever a prompt before it left there
    second = engine.run("llm", arrays)
    for name, values in first.items():
        assert np.array_equal(values, second[name]), name
    arrays["past_keys"][..., 1, :] += 1  # a filled one does count
    assert not np.allclose(first["logits"], engine.run("llm", arrays)["logits"])
