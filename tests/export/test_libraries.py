"""What a worker imports before it forks: else each of its children would, or nobody is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export import components, targets
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.export import plan
from mobileo_export.export import run as export


@pytest.mark.parametrize("target", targets.TARGETS)
def test_a_worker_imports_what_its_components_take(tiny_checkpoint: Path, target: str) -> None:
    options = export.Options(components.select(None), target)
    specs = {spec.name: spec for spec in options.components}
    estimates = plan.estimates(Checkpoint.open(tiny_checkpoint), options)
    heavy = [each for each in estimates if each.imported]
    assert heavy
    together = export._libraries(heavy, specs, target)
    assert len(together) == len(set(together))
    for each in heavy:
        alone = export._libraries([each], specs, target)
        assert alone  # the progress shows an import
        assert set(specs[each.component].libraries) <= set(alone) <= set(together)
        others = {name for other in specs.values() for name in other.libraries}
        assert set(alone) & others == set(specs[each.component].libraries)
