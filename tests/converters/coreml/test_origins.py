"""Every operation can be traced back to the torch module that made it."""

from __future__ import annotations

import json

import pytest
import torch

from mobileo_export.components import COMPONENTS
from mobileo_export.converters.coreml.origins import Origin, Origins

from .conftest import PACKAGES, Converted


def operations(converted: Converted, name: str) -> dict[str, dict[str, str]]:
    content = json.loads(converted.results[name].operation_map.read_text())
    assert content["schema_version"] == 1
    found: dict[str, dict[str, str]] = content["operations"]
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_the_map_covers_the_package_and_names_real_modules(name: str, converted: Converted) -> None:
    import coremltools as ct

    protobuf = ct.utils.load_spec(str(converted.results[name].package))
    block = protobuf.mlProgram.functions["main"].block_specializations["CoreML8"]
    saved = {
        o.outputs[0].name: o.type
        for o in block.operations
        if o.type != "const" and not o.type.startswith("constexpr_")
    }
    mapped = operations(converted, name)
    assert {output: entry["operation"] for output, entry in mapped.items()} == saved
    reference = COMPONENTS[name].reference(converted.checkpoint, "released")
    modules = {path: type(module).__name__ for path, module in reference.named_modules()}
    for entry in mapped.values():
        assert modules[entry["module"]] == entry["module_type"]


def test_operations_are_placed_exactly(converted: Converted) -> None:
    dit = operations(converted, "dit")
    linear_attention = {e["module"] for e in dit.values() if e["operation"] == "matmul"}
    layers = converted.checkpoint.model.diffusion.dit.num_layers
    assert linear_attention == {f"transformer.transformer_blocks.{i}.attn1" for i in range(layers)}
    sinusoid = {e["module"] for e in dit.values() if e["operation"] in {"sin", "cos"}}
    assert sinusoid == {"transformer.time_embed.emb.time_proj"}
    # A linear layer belongs to the module that holds its weight.
    reference = COMPONENTS["dit"].reference(converted.checkpoint, "released")
    for entry in dit.values():
        if entry["operation"] == "linear":
            assert isinstance(reference.get_submodule(entry["module"]), torch.nn.Linear)


def test_lists_and_uncalled_parents_are_looked_through() -> None:
    module = torch.nn.Module()
    module.tower = torch.nn.Module()  # never called itself
    module.tower.blocks = torch.nn.ModuleList([torch.nn.Linear(1, 1), torch.nn.SiLU()])
    origins = Origins(module)
    assert origins.resolve(["1"], ["SiLU"]) == Origin("tower.blocks.1", "SiLU")
    # The class decides between modules of one name; an unknown step ends at what is known.
    assert origins.resolve(["0"], ["SiLU"]) == Origin("", "Module")
