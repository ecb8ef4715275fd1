"""Plans that people can read say what was chosen, no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export import assets, components
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.compression.plan import CompressionPlan, matrices
from mobileo_export.compression.schemes import Scheme
from mobileo_export.sensitivity.writing import rules

MODEL = Checkpoint.open(assets.miniature()).model
PACKAGES = components.select("vision_encoder,mcp,dit,vae_decoder")


@pytest.mark.parametrize("spec", PACKAGES, ids=lambda spec: spec.name)
@given(data=st.data())
def test_rules_give_each_matrix_its_scheme(
    spec: components.ComponentSpec, data: st.DataObject
) -> None:
    shapes = matrices(spec, MODEL)
    names = st.sampled_from(["exact", "half", "int8", "palette4"])
    usual = data.draw(names)
    others = data.draw(st.dictionaries(st.sampled_from(sorted(shapes)), names))
    schemes = {name: others.get(name, usual) for name in shapes}
    plan = CompressionPlan(
        "some", {spec.name: {p: Scheme.parse(s) for p, s in rules(schemes).items()}}, path=Path("p")
    )
    plan.check(MODEL)
    for name, shape in shapes.items():
        assert str(plan.scheme(spec.name, name, shape)) == schemes[name]


def test_what_is_stored_alike_has_one_line() -> None:
    spec = components.COMPONENTS["dit"]
    schemes = {
        name: "int8" if name.endswith("conv_depth") else "palette4"
        for name in matrices(spec, MODEL)
    }
    schemes["transformer_blocks.3.ff.conv_depth"] = "exact"
    assert rules(schemes) == {
        "transformer_blocks.3.ff.conv_depth": "exact",
        "transformer_blocks.*.ff.conv_depth": "int8",
        "*": "palette4",
    }


def test_all_exact_has_none() -> None:
    assert rules({"a.weight": "exact", "b": "exact"}) == {}
