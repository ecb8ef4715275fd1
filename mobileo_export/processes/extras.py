"""The extras of this package: what each brings, and the words for what is not installed.

Every message that tells somebody to install something of ours takes its words from
:func:`install`: a wheel is installed again with its extras, anything else comes from a clone.
"""

from __future__ import annotations

import json
import shlex
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mobileo_export.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable

DISTRIBUTION = "mobileo-export"
CORE = ""
EXPORT, MLX, RUN, ONNX, COREAI, SERVE = "export", "mlx", "run", "onnx", "coreai", "serve"
# What is imported, by the extra that brings it, as pyproject.toml has them.
MODULES: dict[str, tuple[str, ...]] = {
    CORE: (
        "numpy",
        "safetensors",
        "typer",
        "rich",
        "PIL",
        "tokenizers",
        "huggingface_hub",
        "packaging",
    ),
    EXPORT: (
        "torch",
        "torchvision",
        "coremltools",
        "transformers",
        "diffusers",
        "timm",
        "jinja2",
        *(("mlx",) if sys.platform == "darwin" else ()),
    ),
    MLX: ("mlx",),
    RUN: ("onnxruntime",),
    ONNX: ("onnx", "onnxruntime", "onnxscript", "onnx_ir"),
    COREAI: ("coreai", "coreai_torch"),
    SERVE: ("starlette", "uvicorn"),
}
# What a component's reference is built from.
REFERENCE = ("torch", "torchvision", "transformers", "diffusers", "timm")
PAGES = ("jinja2",)  # what a page to look at is written with
# Of several extras that bring a module the smallest is named first.
_EXTRAS = {
    module: sorted((e for e in MODULES if module in MODULES[e]), key=lambda e: len(MODULES[e]))
    for modules in MODULES.values()
    for module in modules
}
_DISTRIBUTIONS = {"PIL": "pillow", "coreai": "coreai-core"}
# coremltools has no wheels for older Pythons; there the extra is empty, and pip says nothing.
_EXPORT_SINCE = (3, 11)


def install(*extras: str, also: Iterable[str] = ()) -> str:
    """The command that installs extras (the core alone without any), and where it works.

    Args:
        extras: names, each of which may be several with commas between.
        also: packages that no extra brings.
    """
    names = ",".join(filter(None, extras))
    bracket = f"[{names}]" if names else ""
    wheel = _wheel()
    ours = shlex.quote(f"{DISTRIBUTION}{bracket} @ {wheel}") if wheel else _of_clone(bracket)
    place = "" if wheel else f" in a clone of {DISTRIBUTION}"
    what = " ".join([ours, *also])
    command = f"pip install {what}"
    if EXPORT in names.split(",") and sys.version_info < _EXPORT_SINCE:
        here = ".".join(map(str, sys.version_info[:2]))
        return (
            f"python3.12 -m venv .venv && .venv/bin/{command}{place} "
            f"(this is Python {here}; the {EXPORT} extra takes 3.11 to 3.13)"
        )
    return f"{command}{place}"


def _of_clone(bracket: str) -> str:
    return f"'.{bracket}'" if bracket else "."


@cache
def _wheel() -> str | None:
    """Where the wheel came from that is installed here, as pip recorded it; None for a clone."""
    try:
        record = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        content = json.loads(record or "{}")
        return str(content["url"]) if "archive_info" in content else None
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return None


def need(what: str, modules: Iterable[str]) -> None:
    """Find out before the work that ``modules`` are installed; imports none of them.

    Args:
        what: needs them, as the subject of a sentence.
        modules: of :data:`MODULES`.

    Raises:
        MissingDependencyError: some are not; names them, and the extras that bring them.
    """
    lacking = [module for module in modules if find_spec(module) is None]
    if lacking:
        raise MissingDependencyError(f"{what} needs {lacks(lacking)}")


def lacks(modules: Iterable[str]) -> str:
    """The packages of ``modules``, and what installs them: the end of a sentence."""
    names = list(map(_distribution, modules))
    return f"{', '.join(names)}: {install(*bringing(names))}"


def amount(modules: Iterable[str]) -> int:
    """How many modules the extras bring that bring ``modules``."""
    return sum(len(MODULES[extra]) for extra in bringing(map(_distribution, modules)))


def brings(distribution: str) -> str | None:
    """The extra that brings a distribution, :data:`CORE` for the core; None for none of ours."""
    return next(iter(_EXTRAS.get(module_of(distribution), ())), None)


def bringing(distributions: Iterable[str]) -> tuple[str, ...]:
    """The fewest extras that bring all of them, the core and what none of ours brings left out."""
    able = [_EXTRAS.get(module_of(name), [CORE]) for name in distributions]
    needed = {extras[0] for extras in able if len(extras) == 1}
    chosen = (next((e for e in extras if e in needed), extras[0]) for extras in able)
    return tuple(filter(None, dict.fromkeys(chosen)))


def missing(error: BaseException) -> MissingDependencyError | None:
    """``error`` as a package of ours that is not installed; None when it is anything else.

    A module that an installed package lacks is another matter, and not told here.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.partition(".")[0]
    if module not in _EXTRAS or find_spec(module) is not None:
        return None
    extra = _EXTRAS[module][0]
    brought = f"the {extra} extra" if extra else "mobileo-export itself"
    return MissingDependencyError(
        f"{_distribution(module)} is not installed; it comes with {brought}: {install(extra)}"
    )


def module_of(distribution: str) -> str:
    """What is imported of a distribution."""
    named = {name: module for module, name in _DISTRIBUTIONS.items()}
    return named.get(distribution, distribution.replace("-", "_"))


def _distribution(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module.replace("_", "-"))
