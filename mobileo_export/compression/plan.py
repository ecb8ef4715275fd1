"""A compression plan: which matrix of which component is stored by which scheme.

A plan is a JSON file; the presets are such files too::

    {
      "schema_version": 1,
      "components": {
        "dit": {"patch_embed.*": "half", "*.conv_depth": "exact", "*": "int8"},
        "llm": {"bits": 6, "group_size": 64, "exceptions": {"lm_head": 8}}
      },
      "rounded": {"sha256": "…", "sources": {"dit": "…"}}
    }

Of a component, the first pattern that fits a matrix says its scheme. A matrix is called as its
tensor in the checkpoint, without the component's prefix and ``.weight``. What no pattern fits, what
is too small to be worth it and whatever is no matrix (biases, norms, tables) is ``exact``.

With ``rounded``, matrices lie ready in the file of the plan's name that ends in ``.safetensors``:
``compress-plan --calibrate`` puts them there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import json_file
from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.rounded import RoundedMatrices
from mobileo_export.compression.schemes import Scheme, Shape, Stored
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec

SCHEMA_VERSION = 1
PRESETS = ("none", "exact", "w8", "small")  # `none` stores nothing in another form
EXACT = Scheme("exact")
_SUFFIX = ".weight"


@dataclass(frozen=True)
class LanguageModelBits:
    """What a plan says of the language model's folder; attributes as of ``Options``."""

    bits: int
    group_size: int = 64
    exceptions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CompressionPlan:
    """A plan that was read.

    Attributes:
        name: of a preset, or the file's.
        rules: by component, schemes by pattern, in order.
        language_model: None where the plan says nothing of it.
        rounded: the matrices that lie ready beside it; None where none do.
    """

    name: str
    rules: Mapping[str, Mapping[str, Scheme]]
    language_model: LanguageModelBits | None = None
    rounded: RoundedMatrices | None = None

    def scheme(self, component: str, matrix: str, shape: Shape) -> Scheme:
        """Of one matrix; ``exact`` where the scheme does not fit ``shape``."""
        for pattern, scheme in self.rules.get(component, {}).items():
            if fnmatchcase(matrix, pattern):
                return EXACT if scheme.misfit(shape) else scheme
        return EXACT

    def made(self, component: str, matrix: str) -> Stored | None:
        """The stored form of a matrix that lies ready beside the plan; None where none does.

        Raises:
            UsageError: it does not go with the plan.
        """
        shape = self.rounded.shape(component, matrix) if self.rounded is not None else None
        if self.rounded is None or shape is None:
            return None
        return self.rounded.made(component, matrix, self.scheme(component, matrix, shape))

    def content(self) -> dict[str, Any]:
        """As JSON has it."""
        components: dict[str, Any] = {
            component: {pattern: str(scheme) for pattern, scheme in rules.items()}
            for component, rules in self.rules.items()
        }
        if self.language_model is not None:
            components["llm"] = {
                "bits": self.language_model.bits,
                "group_size": self.language_model.group_size,
                "exceptions": dict(self.language_model.exceptions),
            }
        rounded = {} if self.rounded is None else {"rounded": self.rounded.content()}
        return {"schema_version": SCHEMA_VERSION, "components": components, **rounded}

    def check(self, model: ModelConfig, components: tuple[ComponentSpec, ...]) -> None:
        """Refuse what would be ignored in silence: told from the checkpoint's headers alone.

        Raises:
            UsageError: a pattern fits no matrix or only such as another took, or its scheme none.
        """
        for spec in components:
            rules = dict(self.rules.get(spec.name, {}))
            shapes = matrices(spec, model)
            if self.rounded is not None:
                self.rounded.check_names(spec.name, shapes)
            taken: set[str] = set()
            for pattern, scheme in rules.items():
                fitting = {name for name in shapes if fnmatchcase(name, pattern)}
                where = f"compression plan {self.name}: {spec.name}: pattern {pattern!r}"
                if not fitting:
                    example = next(iter(shapes), "")
                    raise UsageError(
                        f"{where} fits no matrix; they are called such as {example!r} and "
                        f"have {LEAST_ELEMENTS:,} elements or more"
                    )
                left = sorted(fitting - taken)
                if not left:
                    raise UsageError(
                        f"{where} fits only what patterns before it took; put it first, or drop it"
                    )
                reasons = [scheme.misfit(shapes[name]) for name in left]
                if all(reasons):
                    raise UsageError(f"{where}: {scheme} fits none of them: {reasons[0]}")
                taken |= fitting


def matrices(spec: ComponentSpec, model: ModelConfig) -> dict[str, Shape]:
    """The matrices of a component that a plan speaks of: name → shape ``[out, in, ...]``."""
    found = {}
    for name, shape in spec.tensors(model).items():
        if name.endswith(_SUFFIX) and len(shape) >= 2 and math.prod(shape) >= LEAST_ELEMENTS:
            found[matrix_name(name, spec.prefixes)] = shape
    return found


def matrix_name(tensor: str, prefixes: tuple[str, ...]) -> str:
    """What a plan calls the checkpoint's ``tensor``."""
    prefix = max((p for p in prefixes if tensor.startswith(p)), key=len, default="")
    return tensor.removeprefix(prefix).removesuffix(_SUFFIX)


def load(name: str) -> CompressionPlan:
    """The plan of a preset's name or of a file.

    Raises:
        UsageError: it is neither, or not a plan.
    """
    if name in PRESETS:
        if name in ("none", "exact"):
            return CompressionPlan(name, {})
        file = resources.files("mobileo_export.compression") / "presets" / f"{name}.json"
        return parse(name, json_file.parse(file.read_bytes()))
    path = Path(name)
    try:
        content = json_file.load(path, constants=False)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"--compression {name}: no such file, and no preset; those are {', '.join(PRESETS)}"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"compression plan {name}: cannot be read: {error}") from error
    return parse(path.name, content, path)


def parse(name: str, content: Any, path: Path | None = None) -> CompressionPlan:
    """The plan that ``content`` is, as JSON gives it; rounded matrices lie beside ``path``.

    Raises:
        UsageError: it is none, or names a component, a scheme or a key that does not exist.
    """
    from mobileo_export.components import COMPONENTS

    where = f"compression plan {name}"
    top = _object(where, content, {"schema_version", "components", "rounded"})
    if top.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{where}: schema_version is {top.get('schema_version')!r}, read is {SCHEMA_VERSION}"
        )
    components = _object(f"{where}: components", top.get("components"), set(COMPONENTS))
    rules: dict[str, dict[str, Scheme]] = {}
    language_model = None
    for component, stated in components.items():
        at = f"{where}: {component}"
        if component == "llm":
            language_model = _language_model(at, stated)
            continue
        rules[component] = {}
        for pattern, scheme in _object(at, stated, None).items():
            if not isinstance(scheme, str):
                raise UsageError(f"{at}: {pattern!r} is {scheme!r}, not the name of a scheme")
            try:
                rules[component][pattern] = Scheme.parse(scheme)
            except UsageError as error:
                raise UsageError(f"{at}: {pattern!r}: {error}") from None
    rounded = None
    if "rounded" in top:
        rounded = _rounded(f"{where}: rounded", top["rounded"], path)
    return CompressionPlan(name, rules, language_model, rounded=rounded)


def _rounded(where: str, stated: Any, path: Path | None) -> RoundedMatrices:
    from mobileo_export.components import COMPONENTS

    found = _object(where, stated, {"sha256", "sources"})
    sources = _object(f"{where}: sources", found.get("sources"), set(COMPONENTS))
    if not all(isinstance(text, str) for text in (found.get("sha256"), *sources.values())):
        raise UsageError(f"{where}: a sha256 is missing, or no text")
    if path is None:
        raise UsageError(f"{where}: goes with a file; name one")
    return RoundedMatrices.open(beside(path), found)


def beside(path: Path) -> Path:
    """The file with what was rounded for the plan in ``path``."""
    return path.with_suffix(".safetensors")


def _language_model(where: str, stated: Any) -> LanguageModelBits:
    found = _object(where, stated, {"bits", "group_size", "exceptions"})
    exceptions = _object(f"{where}: exceptions", found.get("exceptions", {}), None)
    numbers = {"bits": found.get("bits"), "group_size": found.get("group_size", 64), **exceptions}
    for key, number in numbers.items():
        if type(number) is not int:
            raise UsageError(f"{where}: {key} is {number!r}, not a whole number")
    return LanguageModelBits(numbers["bits"], numbers["group_size"], exceptions)


def _object(where: str, value: Any, keys: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: is {type(value).__name__}, not an object")
    unknown = next((key for key in value if keys is not None and key not in keys), None)
    if unknown is not None:
        raise UsageError(f"{where}: {unknown!r} is none of {', '.join(sorted(keys or ()))}")
    return value
