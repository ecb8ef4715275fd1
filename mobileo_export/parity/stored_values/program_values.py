"""A Core AI asset's constants against the checkpoint: each tensor has to be in it, to the bit.

The program names no module, so that the question is asked from the checkpoint's side: of every
tensor, is it there as it is, or the other way round as a product may take it, or (a batch norm)
multiplied into the convolution before it, to the rounding of that. Small constants stand among the
program's attributes, where a search for their bytes finds them, and the epsilons of norms, of which
one that no norm has is named. That a matrix lies the other way round than its product takes it, or
a norm has another's epsilon, is for the outputs to show.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.aimodel import program
from mobileo_export.parity.results import StoredValues
from mobileo_export.parity.stored_values import folding, parameters, program_parts
from mobileo_export.parity.stored_values.compressed_asset import stored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.artifacts.aimodel.program import AssetProgram, Blob
    from mobileo_export.compression.schemes import Scheme
    from mobileo_export.parity.stored_values.expected import ConstantRecipe
    from mobileo_export.parity.stored_values.program_parts import Standing
    from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

_COUNTERS = ".num_batches_tracked"
_FUSION = "layer_weights"  # of the projector, whose softmax is computed as it is converted
_TABLE = "scale_shift_table"
_EPSILONS = ("eps", "variance_epsilon")  # of torch's, diffusers' and timm's norms, and of Qwen2's
_DESCRIBED = 3


def check(
    asset: Path,
    modules: ReferenceModules,
    progress: Callable[[int, int], None] = lambda done, total: None,
    compressed: Mapping[str, Scheme] | None = None,
) -> StoredValues:
    """Look for every tensor of the checkpoint in ``asset``, one in memory at a time.

    ``compressed`` says how matrices are stored that a plan compresses, by their names in the state
    of the reference.

    Raises:
        BundleError: its program cannot be read.
        CheckpointError: the checkpoint's tensors cannot be read.
    """
    census = _AssetCensus(program.read(asset), modules)
    schemes = compressed or {}
    recipes = tuple(_recipes(modules, schemes))
    total = len(recipes) + len(schemes)
    for done, recipe in enumerate(recipes):
        progress(done, total)
        census.look_for(recipe)
    for done, (name, scheme) in enumerate(schemes.items(), len(recipes)):
        progress(done, total)
        census.look_for_parts(name, scheme)
    progress(total, total)
    census.look_at_places(schemes)
    for epsilon, path in _epsilons(modules).items():
        census.look_for_epsilon(epsilon, path)
    return census.result()


def _recipes(modules: ReferenceModules, compressed: Container[str]) -> Iterator[ConstantRecipe]:
    """What the checkpoint's tensors become: those of a fold together, any other by itself.

    Nothing is multiplied into a compressed matrix, which is none of them.
    """
    folded: set[str] = set()
    for path, owner in modules.root.named_modules():
        if hasattr(owner, "running_var"):
            fold = folding.find(modules.root, path)
            if fold is not None and fold.weight not in compressed:
                for recipe in fold.recipes():
                    folded.update(recipe.names)
                    yield recipe
    sizes = {name: tensor.numel() for name, tensor in modules.root.state_dict().items()}
    for name in modules.names:
        if name in folded or name in compressed or name.endswith(_COUNTERS):
            continue
        if name.rpartition(".")[2] in {_FUSION, "temperature"}:
            if name.endswith(_FUSION):
                yield parameters.fusion(name.removesuffix(_FUSION), sizes[name])
            continue
        yield parameters.as_is("weight", name, sizes[name])


def _epsilons(modules: ReferenceModules) -> dict[float, str]:
    """Every epsilon of a norm that no convolution takes in, with the first module that has it."""
    found: dict[float, str] = {}
    for path, owner in modules.root.named_modules():
        for name in _EPSILONS if not hasattr(owner, "running_var") else ():
            epsilon = getattr(owner, name, None)
            if isinstance(epsilon, float):
                found.setdefault(epsilon, path)
    return found


@dataclass
class _AssetCensus:
    """What was found so far."""

    held: AssetProgram
    modules: ReferenceModules
    used: set[Blob] = field(default_factory=set)
    compared: int = 0
    wrong: list[str] = field(default_factory=list)
    missing: list[ConstantRecipe] = field(default_factory=list)
    unlike: int = 0
    standing: dict[str, list[tuple[str, Standing]]] = field(default_factory=dict)
    epsilons: int = 0
    lost: list[str] = field(default_factory=list)

    def look_for(self, recipe: ConstantRecipe) -> None:
        """Count one constant; zeros and a softmax over one value may be left out."""
        expected = recipe.make(self.modules.read)
        values = np.ascontiguousarray(expected.values, np.float32)
        if not values.any() or (recipe.role == "fusion" and values.size == 1):
            return
        self.compared += 1
        if expected.slack is not None:
            found = self._near(values, expected.allows)
        else:
            forms = tuple(self._forms(recipe.names[0], values))
            found = any(map(self._exactly, forms)) or any(map(self._repeated, forms))
        if not found:
            self.missing.append(recipe)

    def look_for_parts(self, name: str, scheme: Scheme) -> None:
        """Count one compressed matrix: each part of its form has to be there, wherever."""
        self.compared += 1
        problems, standing = [], []
        for part in program_parts.of(stored(self.modules, name, scheme)):
            found = program_parts.find(self.held, part)
            if isinstance(found, str):
                problems.append(found)
                continue
            self.used.update(found.blobs[:1])
            standing.append((part.name, found))
        if problems:
            self._unlike(name, scheme, problems)
        else:
            self.standing[name] = standing

    def look_at_places(self, schemes: Mapping[str, Scheme]) -> None:
        """See that no part of what was found whole stands in another matrix's place."""
        wrong: dict[str, list[str]] = {}
        for name, part in program_parts.misplaced(self.standing):
            wrong.setdefault(name, []).append(f"its {part} stand in another matrix's place")
        for name, problems in wrong.items():
            self._unlike(name, schemes[name], problems)

    def _unlike(self, name: str, scheme: Scheme, problems: list[str]) -> None:
        self.unlike += 1
        of = f"{self.modules.names[name]} as {scheme}"
        self.wrong.append(f"{name}: not what {of} is: {'; '.join(problems)}")

    def look_for_epsilon(self, epsilon: float, path: str) -> None:
        """Count one setting."""
        self.epsilons += 1
        if struct.pack("<f", epsilon) not in self.held.inline:
            self.lost.append(f"{path}: no norm has its epsilon, {epsilon:g}")

    def result(self) -> StoredValues:
        """All of it; each constant that is missing named, with what lies there instead."""
        for recipe in self.missing:
            self.wrong.append(self._problem(recipe))
        self.wrong += self.lost
        left = [blob for blob in self.held.blobs if blob not in self.used]
        every = sum(blob.size for blob in self.held.blobs)
        traced = sum(blob.size for blob in self.used)
        return StoredValues(
            compared=self.compared,
            equal=self.compared - len(self.missing) - self.unlike,
            not_traced=tuple(f"{blob.size:,} bytes at {blob.offset:,}" for blob in left),
            traced_share=traced / every if every else 1.0,
            settings=self.epsilons,
            settings_equal=self.epsilons - len(self.lost),
            wrong=tuple(self.wrong),
        )

    def _exactly(self, values: NDArray[np.float32]) -> bool:
        wanted = values.reshape(-1)
        for blob in self.held.by_size.get(values.nbytes, ()):
            if np.array_equal(self.held.values(blob).view(np.uint32), wanted.view(np.uint32)):
                self.used.add(blob)
                return True
        small = wanted[:1] if (wanted == wanted[0]).all() else wanted  # one number stands for all
        return small.nbytes <= len(self.held.inline) and small.tobytes() in self.held.inline

    def _repeated(self, values: NDArray[np.float32]) -> bool:
        """Whether a matrix is there for each row of a picture, as the library stores some."""
        wanted = values.reshape(-1).view(np.uint32)
        for size, blobs in self.held.by_size.items():
            if values.ndim != 2 or size <= values.nbytes or size % values.nbytes:
                continue
            for blob in blobs:
                rows = self.held.values(blob).view(np.uint32).reshape(-1, wanted.size)
                if all(np.array_equal(row, wanted) for row in rows):
                    self.used.add(blob)
                    return True
        return False

    def _forms(self, name: str, values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """What a tensor is stored as."""
        yield values
        if values.ndim == 2:
            yield np.ascontiguousarray(values.T)
        if name.endswith(_TABLE):  # is added to a product, to whose bias it may be added first
            biases = (n for n in self.modules.names if n.endswith(".bias"))
            for bias in map(self.modules.read, biases):
                if bias.shape == values.shape[1:]:
                    yield values + bias

    def _near(self, values: NDArray[np.float32], allows: Callable[[NDArray[Any]], bool]) -> bool:
        for blob in self.held.by_size.get(values.nbytes, ()):
            if allows(self.held.values(blob)):
                self.used.add(blob)
                return True
        for phase in range(values.itemsize):
            data = self.held.inline[phase:]
            numbers = np.frombuffer(data, np.float32, len(data) // values.itemsize)
            starts = np.flatnonzero(np.isclose(numbers, values.reshape(-1)[0], rtol=1e-5))
            for start in starts:
                part = numbers[start : start + values.size]
                if part.size == values.size and allows(part):
                    return True
        return False

    def _problem(self, recipe: ConstantRecipe) -> str:
        of = " and ".join(self.modules.names[name] for name in recipe.names[:2])
        said = f"{recipe.names[0]}: no constant holds what {of} becomes"
        expected = np.asarray(recipe.make(self.modules.read).values, np.float32)
        left = [b for b in self.held.by_size.get(expected.nbytes, ()) if b not in self.used]
        if len(self.wrong) >= _DESCRIBED or not left:
            return said
        from mobileo_export.parity.explain import tensors

        forms = [expected] if expected.ndim != 2 else [expected, expected.T]
        pairs = [
            (np.array(self.held.values(blob)).reshape(f.shape), f) for blob in left for f in forms
        ]
        with np.errstate(invalid="ignore", over="ignore"):
            nearest = min(pairs, key=lambda pair: float(np.abs(pair[0] - pair[1]).sum()))
        answer = tensors.difference(*nearest)
        return said if answer is None else f"{said}: {answer.kind}: {answer.detail}"
