"""Choose what executes a component: of a checkpoint its reference, of a bundle its artifact."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.processes import collecting
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mobileo_export.checkpoint.folder import Weights
    from mobileo_export.components import ComponentSpec, TensorSpec
    from mobileo_export.runtimes.base import Array, Runtime, Session

# Runtimes by the kind of artifact that they execute, in the order in which they are offered.
RUNTIMES = registry.BY_KIND


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
    from mobileo_export.checkpoint.hub import is_name
    from mobileo_export.checkpoint.hub import resolve as resolve_checkpoint

    if runtime not in {"auto", "torch"} and (path.is_dir() or is_name(source)):
        raise UsageError(
            f"{source}: a checkpoint runs on the torch runtime only; "
            f"export it and run the bundle with --runtime {runtime}"
        )
    registry.check_available([registry.REFERENCE])
    from mobileo_export.runtimes.torch_reference import TorchRuntime

    opened = resolve_checkpoint(source, None, offline=False, quiet=True)
    return TorchRuntime().load_component(opened.checkpoint, spec.name, weights)


def _installed(module: str) -> bool:
    return find_spec(module) is not None


def resolve(
    kind: str,
    runtime: str,
    parameters: int,
    *,
    only: bool = True,
    precision: str = "float32",
    has: Callable[[str], bool] = _installed,
) -> str:
    """The runtime that executes an artifact of ``kind`` when ``runtime`` is asked for.

    ``auto`` is Core ML and MLX on a Mac. Elsewhere packages go to the evaluator, and the language
    model to MLX when it is tiny and MLX is installed, else to ``mlx-dequantized``. ONNX goes to
    ONNX Runtime, or if it is float16 to its emulation: TensorRT needs engines made on the board.

    Args:
        kind: a key of :data:`RUNTIMES`.
        runtime: ``auto`` or a name of :data:`RUNTIMES`.
        parameters: of the component.
        only: see :func:`open_session`.
        precision: what the artifact computes in.
        has: whether a module is there.

    Raises:
        UsageError: the runtime does not execute this kind of artifact, and nothing else is asked.
    """
    if runtime in RUNTIMES[kind]:
        return runtime
    if runtime != "auto" and (only or not any(runtime in names for names in RUNTIMES.values())):
        raise UsageError(
            f"the {runtime} runtime does not execute {KINDS[kind]}; "
            f"choose --runtime {' or '.join(RUNTIMES[kind])}"
        )
    mac = bool(sys.platform == "darwin")
    return registry.automatic(kind, registry.Asked(mac, parameters, precision, has))


def choose(
    entries: Mapping[str, Mapping[str, Any]], runtime: str = registry.AUTO, *, only: bool = False
) -> dict[str, str]:
    """What executes components, usable here or not.

    Where packages are missing, it is what takes the fewest to install: a message names these.

    Args:
        entries: of a manifest, by component.
        runtime: ``auto`` or a name of :data:`RUNTIMES`.
        only: see :func:`open_session`.

    Raises:
        as :func:`resolve`.
    """

    def with_(has: Callable[[str], bool]) -> dict[str, str]:
        found = {}
        for name, entry in entries.items():
            kind, precision = (entry["artifacts"][0][key] for key in ("kind", "compute_precision"))
            found[name] = resolve(
                kind, runtime, entry["parameters"], only=only, precision=precision, has=has
            )
        return found

    ways = (with_(_installed), with_(lambda module: True))
    return min(ways, key=lambda way: registry.to_install(way.values()))


def load_artifact(path: Path, runtime: str, compute_units: str | None = None) -> Session:
    """Load the artifact ``path`` on a runtime of :data:`RUNTIMES`.

    ``compute_units`` are for one that is told them; None leaves them to it.
    """
    with collecting.paused():  # the first artifact imports what executes it
        chosen = registry.load(runtime)
        told = registry.ENTRIES[runtime].units and compute_units is not None
        loaded: Runtime = chosen(compute_units) if told else chosen()
        return loaded.load(path)


def assign(
    bundle: Path,
    content: Mapping[str, Any],
    runtime: str = registry.AUTO,
    names: Iterable[str] | None = None,
    *,
    here: bool = True,
) -> dict[str, str]:
    """What executes each component that takes part, known to be usable on this machine.

    A named runtime that executes some of the artifacts leaves the others to ``auto``; one that
    executes none of them would be ignored in silence, and is refused.

    Args:
        bundle: for messages.
        content: its manifest.
        runtime: ``auto`` or a name of :data:`RUNTIMES`.
        names: the components that take part, in the bundle or not; None for all of the bundle.
        here: False where not all of them need be usable.

    Raises:
        UsageError: the runtime executes none of the artifacts.
        RuntimeUnavailableError: a runtime cannot run here.
    """
    from mobileo_export.components import COMPONENTS

    entries = content["components"]
    wanted = set(entries if names is None else names)
    chosen = [name for name in COMPONENTS if name in wanted and name in entries]
    if chosen and runtime != registry.AUTO:
        kinds = dict.fromkeys(entries[name]["artifacts"][0]["kind"] for name in chosen)
        able = [one for kind in kinds for one in RUNTIMES[kind]]
        if runtime not in able:
            what = " or ".join(KINDS[kind] for kind in kinds)
            raise UsageError(
                f"{bundle}: the {runtime} runtime does not execute {what}; "
                f"choose --runtime {' or '.join(able)}"
            )
    assigned = choose({name: entries[name] for name in chosen}, runtime)
    if here:
        registry.check_available(assigned.values())
    return assigned


def _open_artifact(bundle: Path, spec: ComponentSpec, runtime: str, only: bool) -> Session:
    from mobileo_export.bundle import manifest

    entry: dict[str, Any] | None = manifest.read(bundle)["components"].get(spec.name)
    if entry is None:
        raise BundleError(f"{bundle}: has no {spec.name}; export it again without --only")
    artifact = entry["artifacts"][0]
    kind = artifact["kind"]
    if runtime == "torch":
        raise UsageError(
            f"{bundle}: the torch runtime runs checkpoints; run the checkpoint it was made from, "
            f"or choose --runtime {RUNTIMES[kind][0]}"
        )
    chosen = choose({spec.name: entry}, runtime, only=only)[spec.name]
    if only:  # among others it was asked before, see :func:`assign`
        registry.check_available([chosen])
    session = load_artifact(bundle / artifact["path"], chosen)
    if spec.name == "llm":  # checks what it is given itself, in prefill too
        return session
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
