"""Options and the two sides of the comparison; each component runs once, when first asked for.

A plugin, because pytest reads options from the conftest of a folder that it is given, but not from
that of a package: ``pytest -p mobileo_export.parity_tests.plugin --pyargs …``.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.errors import MobileoError
from mobileo_export.runtimes import registry
from mobileo_export.runtimes.coreml import COMPUTE_UNITS

if TYPE_CHECKING:
    from mobileo_export.parity.references import References
    from mobileo_export.parity.results import ComponentResult

FULL_SIZE = 20_000_000
MARKERS = (
    "full_size: executes the artifacts of a full-size bundle: minutes to an hour",
    "macos: runs Core ML itself",
    "gpu: asks Core ML for the GPU or the Neural Engine",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options of ``mobileo-export verify``."""
    group = parser.getgroup("parity", "a bundle against its checkpoint")
    group.addoption("--bundle", help="the bundle; without it the miniature is exported")
    group.addoption("--checkpoint", help="what it was made from: a folder, a hub id, or miniature")
    group.addoption("--runtime", choices=registry.OF_BUNDLES, default=registry.AUTO)
    group.addoption(
        "--compute-units", choices=COMPUTE_UNITS, help="those of the manifest by default"
    )
    group.addoption("--steps", type=int, help="of the pictures drawn on both sides; 20 by default")
    group.addoption("--mutations", action="store_true", help="damage a full-size bundle, too")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse, before any test, what cannot run."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if bool(config.getoption("--bundle", None)) != bool(config.getoption("--checkpoint", None)):
        raise pytest.UsageError("--bundle and --checkpoint go together")
    if config.getoption("--bundle", None):
        _check(config)


def _check(config: pytest.Config) -> None:
    """Everything that can be known before a test runs."""
    from mobileo_export.parity import findings

    option = config.getoption
    bundle, runtime = Path(option("--bundle")), option("--runtime")
    try:
        content = manifest.read(bundle)
        findings.check(
            bundle, content, None, runtime, option("--compute-units"), steps=option("--steps")
        )
    except MobileoError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a full-size bundle, ``-m 'not full_size'`` leaves what executes nothing."""
    bundle = config.getoption("--bundle", None)
    if bundle is None or not is_full_size(manifest.read(Path(bundle))):
        return
    for item in items:
        if "parity" in getattr(item, "fixturenames", ()) and "sealed" not in item.name:
            item.add_marker("full_size")


def is_full_size(content: dict[str, Any]) -> bool:
    """Whether a bundle is more than a toy: 20 million parameters in all."""
    parameters = (int(entry["parameters"]) for entry in content["components"].values())
    return sum(parameters) > FULL_SIZE


class Parity:
    """A bundle, its checkpoint, and what was found so far."""

    def __init__(
        self, bundle: Path, checkpoint: str, runtime: str, compute_units: str | None
    ) -> None:
        from mobileo_export.cli import sources
        from mobileo_export.parity import compare

        self.bundle = bundle
        self.content: dict[str, Any] = manifest.read(bundle)
        self.kinds = compare.runtimes(bundle, self.content, None, runtime, compute_units)
        self.checkpoint = sources.of_bundle(self.content, checkpoint, offline=False, quiet=True)
        self.runtime = runtime
        self.compute_units = compute_units
        self._results: dict[str, tuple[ComponentResult, ...]] = {}

    @cached_property
    def references(self) -> References:
        """What the checkpoint computes, each call made once."""
        from mobileo_export.parity.compare import check_weights
        from mobileo_export.parity.references import References

        return References(self.checkpoint, check_weights(self.content, self.checkpoint))

    def results(self, component: str) -> tuple[ComponentResult, ...]:
        """What was found of a component, one result a gate; skips where the bundle has none."""
        from mobileo_export.components import COMPONENTS
        from mobileo_export.parity import compare

        if component not in self.content["components"]:
            pytest.skip(f"{self.bundle} has no {component}")
        if component not in self._results:
            spec = COMPONENTS[component]
            compare.check_origin(self.bundle, self.content, self.checkpoint, spec)
            self._results[component] = compare.compare_component(
                self.bundle,
                self.content,
                spec,
                self.references,
                self.kinds[component],
                self.compute_units,
            )
        return self._results[component]


@pytest.fixture(scope="session")
def parity(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parity:
    """The bundle and the checkpoint of the options; the miniature and an export of it without."""
    option = request.config.getoption
    bundle, checkpoint = option("--bundle", None), option("--checkpoint", None)
    if bundle is None:
        bundle, checkpoint = _demo(tmp_path_factory.mktemp("parity"))
    runtime, units = option("--runtime", "auto"), option("--compute-units", None)
    return Parity(Path(bundle), str(checkpoint), runtime, units)


def _demo(folder: Path) -> tuple[Path, str]:
    """The bundle of the shipped miniature: half a minute."""
    from mobileo_export import assets, components
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.export import run as export

    options = export.Options(components.select(None), source_name=assets.MINIATURE)
    bundle = folder / "bundle"
    export.export(Checkpoint.open(assets.miniature()), bundle, options, log=folder / "export.log")
    return bundle, assets.MINIATURE
