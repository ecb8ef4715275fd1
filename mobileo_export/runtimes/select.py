"""Choose what executes a component: of a checkpoint its reference, of a bundle its artifact."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import BundleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint import Weights
    from mobileo_export.components import ComponentSpec, TensorSpec
    from mobileo_export.runtimes.base import Array, LanguageModelSession, Session

# Runtimes by the kind of artifact that they execute, in the order in which they are offered.
RUNTIMES: dict[str, tuple[str, ...]] = {
    "mlpackage": ("mil", "coreml"),
    "mlx": ("mlx-dequantized", "mlx"),
}
# MLX's kernels on a Linux CPU are for correctness: with 633 million parameters of 8 bits they take
# seconds a token where torch takes a tenth of one. Below this many parameters nobody notices.
TINY_PARAMETERS = 20_000_000


def open_session(
    source: str,
    spec: ComponentSpec,
    runtime: str = "auto",
    weights: Weights = "released",
    *,
    only: bool = True,
) -> Session:
    """Load ``spec`` from the bundle, checkpoint folder or hub id ``source``.

    Args:
        source: a bundle, a checkpoint folder or a hub id.
        spec: the component. Of ``llm`` the session is a :class:`base.LanguageModelSession`.
        runtime: ``auto`` takes the reference for a checkpoint, and for an artifact what
            :func:`resolve` says.
        weights: of a checkpoint.
        only: False when several components are opened: a named runtime that cannot execute this
            one's artifact then leaves it to ``auto``.

    Raises:
        UsageError: ``source`` does not exist, or the runtime does not go with it.
        BundleError: the bundle lacks the component, or its artifact is damaged.
        RuntimeUnavailableError: nothing on this machine executes the artifact.
    """
    from mobileo_export.bundle import manifest

    path = Path(source)
    if (path / manifest.MANIFEST).is_file():
        return _open_artifact(path, spec, runtime, only)
    from mobileo_export.hub import is_hub_id
    from mobileo_export.hub import resolve as resolve_checkpoint

    if runtime not in {"auto", "torch"} and (path.is_dir() or is_hub_id(source)):
        raise UsageError(
            f"{source}: a checkpoint runs on the torch runtime only; "
            f"export it and run the bundle with --runtime {runtime}"
        )
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    opened = resolve_checkpoint(source, None, offline=False, quiet=True)
    return TorchRuntime().load_component(opened.checkpoint, spec.name, weights)


def resolve(kind: str, runtime: str, parameters: int, *, only: bool = True) -> str:
    """The runtime that executes an artifact of ``kind`` when ``runtime`` is asked for.

    ``auto`` is Core ML and MLX on a Mac. Elsewhere packages go to the evaluator, and the language
    model to MLX when it is tiny and MLX is installed, else to ``mlx-dequantized``.

    Args:
        kind: ``mlpackage`` or ``mlx``.
        runtime: ``auto`` or a name of :data:`RUNTIMES`.
        parameters: of the component.
        only: see :func:`open_session`.

    Raises:
        UsageError: the runtime does not execute this kind of artifact, and nothing else is asked.
    """
    if runtime in RUNTIMES[kind]:
        return runtime
    if runtime != "auto" and (only or not any(runtime in names for names in RUNTIMES.values())):
        what = "a Core ML package" if kind == "mlpackage" else "an MLX folder"
        raise UsageError(
            f"the {runtime} runtime does not execute {what}; "
            f"choose --runtime {' or '.join(RUNTIMES[kind])}"
        )
    mac = bool(sys.platform == "darwin")
    if kind == "mlpackage":
        return "coreml" if mac else "mil"
    installed = find_spec("mlx") is not None
    return "mlx" if installed and (mac or parameters <= TINY_PARAMETERS) else "mlx-dequantized"


def load_artifact(path: Path, runtime: str) -> Session:
    """Load the artifact ``path`` on a runtime of :data:`RUNTIMES`."""
    if runtime == "coreml":
        from mobileo_export.runtimes.coreml import CoreMLRuntime

        return CoreMLRuntime().load(path)
    if runtime == "mil":
        from mobileo_export.runtimes.mil import MilRuntime

        return MilRuntime().load(path)
    if runtime == "mlx":
        from mobileo_export.runtimes.mlx import MLXRuntime

        return MLXRuntime().load(path)
    from mobileo_export.runtimes.mlx_dequantized import MLXDequantizedRuntime

    return MLXDequantizedRuntime().load(path)


def _open_artifact(bundle: Path, spec: ComponentSpec, runtime: str, only: bool) -> Session:
    from mobileo_export.bundle import manifest

    entry: dict[str, Any] | None = manifest.read(bundle)["components"].get(spec.name)
    if entry is None:
        raise BundleError(f"{bundle}: has no {spec.name}; export it again without --only")
    artifact = bundle / entry["artifacts"][0]["path"]
    if runtime == "torch":
        raise UsageError(
            f"{bundle}: the torch runtime runs checkpoints; run the checkpoint it was made from, "
            f"or choose --runtime {RUNTIMES[spec.kind][0]}"
        )
    chosen = resolve(spec.kind, runtime, entry["parameters"], only=only)
    session = load_artifact(artifact, chosen)
    if spec.kind == "mlx":  # checks what it is given itself, in prefill too
        return session
    return _CheckedSession(session, tuple(map(manifest.tensor_spec, entry["inputs"])))


def open_language_model(
    source: str, runtime: str = "auto", weights: Weights = "released"
) -> LanguageModelSession:
    """:func:`open_session` of ``llm`` among other components, typed as what it is."""
    from mobileo_export.components import COMPONENTS
    from mobileo_export.runtimes.base import LanguageModelSession

    session = open_session(source, COMPONENTS["llm"], runtime, weights, only=False)
    assert isinstance(session, LanguageModelSession)
    return session


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
