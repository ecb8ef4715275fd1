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
from mobileo_export.artifacts.mlx.packed import GROUP_SIZES
from mobileo_export.artifacts.mlx.plan import BITS
from mobileo_export.components import COMPONENTS
from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.rounded import RoundedMatrices
from mobileo_export.compression.schemes import Scheme, Shape, Stored
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from mobileo_export.checkpoint.model_config import ModelConfig
    from mobileo_export.components import ComponentSpec

SCHEMA_VERSION = 1
GROUP_SIZE = 64  # of the language model, where a plan states none
PRESETS = ("none", "exact", "w8", "small")
EXACT = Scheme("exact")
_SUFFIX = ".weight"
# Bytes; one with a line a matrix of the largest model has some fifty thousand.
_MOST = 1 << 22
_SHOWN = 80  # characters of what a plan says, in messages


@dataclass(frozen=True)
class LanguageModelBits:
    """What a plan says of the language model's folder, or else the defaults; as of ``Options``."""

    bits: int = 8
    group_size: int = GROUP_SIZE
    exceptions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CompressionPlan:
    """A plan that was read.

    Attributes:
        name: of a preset, or the file's.
        rules: by component, schemes by pattern, in order.
        language_model: None where the plan says nothing of it.
        path: of the file; None for a preset, whose patterns are of every size of the model and
            need not all fit.
        plain: whether nothing is stored in another form, as of the preset ``none``.
        rounded: the matrices that lie ready beside it; None where none do.
    """

    name: str
    rules: Mapping[str, Mapping[str, Scheme]]
    language_model: LanguageModelBits | None = None
    path: Path | None = None
    plain: bool = False
    rounded: RoundedMatrices | None = None

    @property
    def components(self) -> tuple[str, ...]:
        """Those that the plan says something of."""
        named = [component for component, rules in self.rules.items() if rules]
        return (*named, *(["llm"] if self.language_model else []))

    def asked(self, component: str, matrix: str) -> Scheme:
        """The scheme that the first fitting pattern has, whatever the matrix's shape."""
        for pattern, scheme in self.rules.get(component, {}).items():
            if fnmatchcase(matrix, pattern):
                return scheme
        return EXACT

    def scheme(self, component: str, matrix: str, shape: Shape) -> Scheme:
        """Of one matrix; ``exact`` where the scheme does not fit ``shape``."""
        asked = self.asked(component, matrix)
        return EXACT if asked.misfit(shape) else asked

    def schemes(self, spec: ComponentSpec, model: ModelConfig) -> dict[str, tuple[Scheme, Shape]]:
        """Of each matrix of ``spec``, by its name; empty where the plan says nothing of it."""
        shapes = matrices(spec, model).items() if self.rules.get(spec.name) else ()
        return {name: (self.scheme(spec.name, name, shape), shape) for name, shape in shapes}

    def made(self, component: str, matrix: str) -> Stored | None:
        """The stored form of a matrix that lies ready beside the plan; None where none does.

        Raises:
            UsageError: it does not go with the plan.
        """
        shape = self.rounded.shape(component, matrix) if self.rounded is not None else None
        if self.rounded is None or shape is None:
            return None
        return self.rounded.made(component, matrix, self.scheme(component, matrix, shape))

    def rounded_for(self, component: str) -> dict[str, Any]:
        """What says that matrices of a component lie ready, and which; nothing where none do."""
        if self.rounded is None or component not in self.rounded.sources:
            return {}
        return {"rounded": self.rounded.sha256}

    def stated(self, component: str) -> list[dict[str, str]]:
        """The rules of one component where keys are sorted: a list, for their order decides."""
        rules = self.rules.get(component, {})
        return [{"matrices": name, "scheme": str(scheme)} for name, scheme in rules.items()]

    def options(self, component: str, otherwise: str = "none") -> dict[str, Any]:
        """What concerns one component: its rules, whatever the plan is called, or ``otherwise``."""
        rules = self.stated(component)
        return {"compression": "plan", "rules": rules} if rules else {"compression": otherwise}

    def content(self) -> dict[str, Any]:
        """As JSON has it, in order."""
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

    def job(self) -> dict[str, Any]:
        """What :func:`of_job` makes it from in another process."""
        path = None if self.path is None else str(self.path.resolve())
        return {"name": self.name, "path": path, "content": self.content()}

    def check(self, model: ModelConfig) -> None:
        """Refuse what would be ignored in silence: told from the checkpoint's headers alone.

        Raises:
            UsageError: a pattern fits no matrix or only such as another took, or its scheme none.
        """
        if self.path is not None:
            for component in self.rules:
                shapes = matrices(COMPONENTS[component], model)
                self._check(component, shapes)
                if self.rounded is not None:
                    self.rounded.check_names(component, shapes)

    def _check(self, component: str, shapes: Mapping[str, Shape]) -> None:
        taken: set[str] = set()
        for pattern, scheme in self.rules[component].items():
            fitting = {name for name in shapes if fnmatchcase(name, pattern)}
            where = f"compression plan {self.name}: {component}: pattern {_shown(pattern)}"
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


NONE = CompressionPlan("none", {}, plain=True)
EXACTLY = CompressionPlan("exact", {})


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


def load(name: str, target: str | None = None) -> CompressionPlan:
    """The plan of a preset's name, for a target that has its own, or of a file.

    Raises:
        UsageError: it is neither, or not a plan.
    """
    for plan in (NONE, EXACTLY):
        if name == plan.name:
            return plan
    if name in PRESETS:
        presets = resources.files("mobileo_export.compression") / "presets"
        own = presets / str(target) / f"{name}.json"
        file = own if own.is_file() else presets / f"{name}.json"
        return parse(name, json_file.parse(file.read_bytes()))
    path = Path(name)
    try:
        content = json_file.load(path, constants=False, limit=_MOST)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"--compression {name}: no such file, and no preset; those are {', '.join(PRESETS)}"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"compression plan {name}: cannot be read: {error}") from error
    return parse(path.name, content, path)


def of_job(stated: Mapping[str, Any]) -> CompressionPlan:
    """The plan whose :meth:`CompressionPlan.job` this is."""
    if stated["name"] == NONE.name and stated["path"] is None:
        return NONE
    path = None if stated["path"] is None else Path(stated["path"])
    return parse(stated["name"], stated["content"], path)


def parse(name: str, content: Any, path: Path | None = None) -> CompressionPlan:
    """The plan that ``content`` is, as JSON gives it; rounded matrices lie beside ``path``.

    Raises:
        UsageError: it is none, or names a component, a scheme or a key that does not exist.
    """
    where = f"compression plan {name}"
    top = _object(where, content, {"schema_version", "components", "rounded"})
    if top.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{where}: schema_version is {_shown(top.get('schema_version'))}, read is "
            f"{SCHEMA_VERSION}"
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
                raise UsageError(
                    f"{at}: {_shown(pattern)} is {_shown(scheme)}, not the name of a scheme"
                )
            try:
                rules[component][pattern] = Scheme.parse(scheme)
            except UsageError as error:
                raise UsageError(f"{at}: {_shown(pattern)}: {error}") from None
    rounded = None
    if "rounded" in top:
        rounded = _rounded(f"{where}: rounded", top["rounded"], path)
    return CompressionPlan(name, rules, language_model, path, rounded=rounded)


def _rounded(where: str, stated: Any, path: Path | None) -> RoundedMatrices:
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
    bits: Any = found.get("bits")
    group_size: Any = found.get("group_size", GROUP_SIZE)
    for what, number, allowed in (
        ("bits", bits, BITS),
        ("group_size", group_size, GROUP_SIZES),
        *((f"bits of {_shown(pattern)}", n, BITS) for pattern, n in exceptions.items()),
    ):
        if type(number) is not int or number not in allowed:
            listed = ", ".join(map(str, allowed))
            raise UsageError(f"{where}: {what} is {_shown(number)}; MLX has {listed}")
    return LanguageModelBits(bits, group_size, exceptions)


def _object(where: str, value: Any, keys: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: is {type(value).__name__}, not an object")
    unknown = next((key for key in value if keys is not None and key not in keys), None)
    if unknown is not None:
        raise UsageError(f"{where}: {_shown(unknown)} is none of {', '.join(sorted(keys or ()))}")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
