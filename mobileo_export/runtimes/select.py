"""Choose what executes a component: of a checkpoint its reference, of a bundle its artifact."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export.errors import BundleError, RuntimeUnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint import Weights
    from mobileo_export.components import ComponentSpec, TensorSpec
    from mobileo_export.runtimes.base import Array, Session


def open_session(
    source: str, spec: ComponentSpec, runtime: str = "auto", weights: Weights = "released"
) -> Session:
    """Load ``spec`` from the bundle, checkpoint folder or hub id ``source``.

    ``auto`` takes the reference for a checkpoint, and for a package Core ML where it exists, else
    the evaluator.

    Raises:
        UsageError: ``source`` does not exist, or the runtime does not go with it.
        RuntimeUnavailableError: nothing on this machine executes the artifact.
    """
    from mobileo_export.bundle import manifest

    path = Path(source)
    if (path / manifest.MANIFEST).is_file():
        return _open_artifact(path, spec, runtime)
    from mobileo_export.hub import is_hub_id, resolve

    if runtime not in {"auto", "torch"} and (path.is_dir() or is_hub_id(source)):
        raise UsageError(
            f"{source}: a checkpoint runs on the torch runtime only; "
            f"export it and run the bundle with --runtime {runtime}"
        )
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    opened = resolve(source, None, offline=False, quiet=True)
    return TorchRuntime().load_component(opened.checkpoint, spec.name, weights)


def _open_artifact(bundle: Path, spec: ComponentSpec, runtime: str) -> Session:
    from mobileo_export.bundle import manifest

    entry = manifest.read(bundle)["components"].get(spec.name)
    if entry is None:
        raise BundleError(f"{bundle}: has no {spec.name}; export it again without --only")
    artifact = bundle / entry["artifacts"][0]["path"]
    if runtime == "torch":
        raise UsageError(
            f"{bundle}: the torch runtime runs checkpoints; run the checkpoint it was made from, "
            "or choose --runtime mil"
        )
    if spec.kind != "mlpackage":
        raise RuntimeUnavailableError(
            f"{artifact}: no runtime executes an MLX folder yet; run the checkpoint's {spec.name}"
        )
    session: Session
    if runtime == "coreml" or (runtime == "auto" and platform.system() == "Darwin"):
        from mobileo_export.runtimes.coreml import CoreMLRuntime

        session = CoreMLRuntime().load(artifact)
    else:
        from mobileo_export.runtimes.mil import MilRuntime

        session = MilRuntime().load(artifact)
    return _CheckedSession(session, tuple(map(manifest.tensor_spec, entry["inputs"])))


@dataclass(frozen=True)
class _CheckedSession:
    """A session that refuses what the manifest does not describe, in every runtime's stead."""

    session: Session
    inputs: tuple[TensorSpec, ...]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        from mobileo_export.runtimes.signature import check_inputs

        check_inputs(self.inputs, inputs)
        return self.session.run(inputs)

    def close(self) -> None:
        self.session.close()
