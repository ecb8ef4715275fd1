"""One component under study: what each choice costs it, and how it stands in a plan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from mobileo_export.compression.schemes import Scheme, Stored, compress
from mobileo_export.progress import OnStage, ignore
from mobileo_export.sensitivity import choices, importance, language_model
from mobileo_export.sensitivity.calibrate import calibrated
from mobileo_export.sensitivity.choices import Choice
from mobileo_export.sensitivity.judged import JudgedComponent

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint, Weights
    from mobileo_export.components import ComponentSpec
    from mobileo_export.sensitivity.sample import Call
    from mobileo_export.sensitivity.work import Work

WHOLE = ""  # what the only choice of the language model is called
# What everybody does, to compare with: one scheme for all matrices, another where it does not fit.
UNIFORM = {
    8: ("int8", "palette8"),
    6: ("palette6 rows 16", "palette6"),
    4: ("palette4 rows 16", "palette4"),
}
NOTHING: Mapping[str, Stored] = {}
_SAVED = 10.0  # seconds of work that may be lost


@dataclass(frozen=True)
class Stand:
    """How a component stands when it is stored in some way.

    Attributes:
        bits: of its matrices, or of the language model's folder.
        error: squared, relative to what the component makes, measured; None if it was not.
    """

    bits: int
    error: float | None


@dataclass
class Study:
    """One component of a checkpoint and the calls that it is judged on.

    ``folders`` has the bytes of the language model's folder by bits.
    """

    checkpoint: Checkpoint
    weights: Weights
    spec: ComponentSpec
    calls: Sequence[Call]
    work: Work
    folders: Mapping[int, int]
    told: OnStage = ignore

    @cached_property
    def judged(self) -> JudgedComponent:
        """Its reference, built when it is needed first."""
        return JudgedComponent(self.checkpoint.path, self.spec, self.weights, self.work.folder)

    def digest(self) -> str:
        """sha256 of the component's tensors."""
        names = self.spec.tensors(self.checkpoint.model)
        return self.checkpoint.digest(names, self.weights)

    def close(self) -> None:
        """Give its memory back, until it is needed again."""
        self.__dict__.pop("judged", None)

    @cached_property
    def table(self) -> dict[str, list[Choice]]:
        """The choices of each matrix, as far as they are known from an earlier run."""
        name = self.spec.name
        if name == language_model.NAME:
            return choices.from_json(self.work.json(name, self._language_model))
        found = self.work.load(name) or {}
        missing = [matrix for matrix in self.matrices if matrix not in found]
        if missing:
            self._compare(missing, found)
        return choices.from_json(found)

    @cached_property
    def matrices(self) -> list[str]:
        """The names of its matrices."""
        names: list[str] = self.work.json(
            f"{self.spec.name}.matrices", lambda: list(self.judged.parameters)
        )
        return names

    def _language_model(self) -> dict[str, Any]:
        model, told = self.checkpoint.model, self.told
        made = language_model.choices(self.judged, model, self.calls, self.folders, told)
        return choices.as_json({WHOLE: made})

    def _compare(self, missing: Sequence[str], found: dict[str, Any]) -> None:
        path = self.work.folder / f"{self.spec.name}.importance"
        if path.is_file():
            weighed = importance.Importance(path, self.judged, "r+")
        else:
            weighed = importance.measure(self.judged, self.calls, path, self.told)
        saved = time.monotonic()
        for done, matrix in enumerate(missing):
            self.told("comparing schemes", done, len(missing))
            made = choices.of_matrix(self.judged, weighed, matrix)
            found |= choices.as_json({matrix: made})
            if time.monotonic() - saved > _SAVED:
                self.work.save(self.spec.name, found)
                saved = time.monotonic()
        self.work.save(self.spec.name, found)
        importance.forget(path)

    def rounded(self, chosen: Mapping[str, Choice]) -> dict[str, Stored]:
        """What calibration makes of matrices that were ``chosen`` to have few bits."""
        if self.spec.name == language_model.NAME:
            return {}
        key = json.dumps({matrix: choice.name for matrix, choice in chosen.items()})
        schemes = {matrix: Scheme.parse(choice.name) for matrix, choice in chosen.items()}

        def kept(matrix: str) -> Stored | None:
            return self.work.load_stored(f"{self.spec.name}.{matrix}", key, schemes[matrix])

        def keep(matrix: str, stored: Stored) -> None:
            self.work.save_stored(f"{self.spec.name}.{matrix}", key, stored)

        return calibrated(self.judged, self.calls, schemes, kept, keep, self.told)

    def stand(self, chosen: Mapping[str, Choice], rounded: Mapping[str, Stored] = NOTHING) -> Stand:
        """With each matrix stored as it was ``chosen``, or as it was ``rounded``."""
        if self.spec.name == language_model.NAME:
            return Stand(chosen[WHOLE].bits, chosen[WHOLE].error)
        schemes = {matrix: choice.name for matrix, choice in chosen.items()}
        stated, name = [schemes, sorted(rounded)], f"{self.spec.name}.planned"
        found = self.work.load(name)
        if found is None or found[0] != stated:
            self.told("measuring", 0, 1)
            stand = self._stand(schemes.__getitem__, rounded)
            found = [stated, [stand.bits, stand.error]]
            self.work.save(name, found)
        return Stand(*found[1])

    def uniform(self) -> dict[int, Stand]:
        """With the same bits everywhere, by bits; the language model's that it has."""
        if self.spec.name == language_model.NAME:
            return {int(c.name): Stand(c.bits, c.error) for c in self.table[WHOLE]}

        found = self.work.load(f"{self.spec.name}.uniform") or {}
        for done, (bits, names) in enumerate(UNIFORM.items()):
            if str(bits) not in found:
                self.told("uniform bits", done, len(UNIFORM))
                stand = self._stand(partial(self._fitting, names))
                found[str(bits)] = [stand.bits, stand.error]
                self.work.save(f"{self.spec.name}.uniform", found)
        return {int(bits): Stand(*numbers) for bits, numbers in found.items()}

    def _fitting(self, names: Sequence[str], matrix: str) -> str:
        shape = self.judged.shapes[matrix]
        return next(name for name in names if not Scheme.parse(name).misfit(shape))

    def _stand(
        self, scheme: Callable[[str], str], rounded: Mapping[str, Stored] = NOTHING
    ) -> Stand:
        bits = 0
        for matrix in self.matrices:
            stored = rounded.get(matrix)
            if stored is None:
                stored = compress(self.judged.values(matrix), Scheme.parse(scheme(matrix)))
            self.judged.put(matrix, stored.expanded())
            bits += stored.bits
        return Stand(bits, float(f"{self.judged.error(self.calls):.6g}"))
