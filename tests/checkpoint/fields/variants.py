"""The tiny checkpoint with one field changed, and what the table says that must come of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mobileo_export import recipe
from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.fields import FILES
from mobileo_export.checkpoint.folder import NESTED, Checkpoint, read_json
from mobileo_export.checkpoint.model_config import ModelConfig
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import CheckpointError
from tests.checkpoint.fields.values import DORMANT

if TYPE_CHECKING:
    from pathlib import Path

Outcome = Literal["same", "changed", "warned", "refused"]


@dataclass(frozen=True)
class Reading:
    """What is made of a checkpoint: every artifact follows from these and the tensors."""

    model: ModelConfig
    recipe: recipe.Recipe
    config: dict[str, Any]


class Variants:
    """Changes single fields in a folder of their own that shares the tensors of ``source``."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        opened = Checkpoint.open(source)
        nested = {NESTED + name: info for name, info in opened.nested.items()}
        self._tensors = {**opened.top_level, **nested}
        self._kept: dict[str, str | None] = {}
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        self.base = read(self.open())

    def path(self, file: str) -> Path:
        """Where a file of the tables lies."""
        return self.folder / "diffusion" / file if "/" in file else self.folder / file

    def raw(self, file: str) -> dict[str, Any]:
        """The fields of a file, as any JSON parser gives them."""
        path = self.path(file)
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content

    def change(self, file: str, changes: dict[str, Any]) -> Checkpoint:
        """The checkpoint with fields replaced, added or (``...``) removed in one file."""
        self.restore()
        path = self.path(file)
        self._kept[file] = path.read_text() if path.exists() else None
        content = {**self.raw(file), **changes}
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))
        return self.open()

    def model(self, file: str, **changes: Any) -> ModelConfig:
        """The model with such fields, or CheckpointError."""
        return self.change(file, changes).model

    def restore(self) -> None:
        """Undo the changes."""
        for file, text in self._kept.items():
            if text is None:
                self.path(file).unlink()
            else:
                self.path(file).write_text(text)
        self._kept.clear()

    def open(self) -> Checkpoint:
        """The checkpoint as the folder is now."""
        return Checkpoint(self.folder, read_json(self.folder / "config.json"), self._tensors)

    def outcome(self, file: str, name: str, value: Any) -> Outcome:
        """What comes of another value; a refusal or a warning must name the field and the file."""
        self.change(file, {name: value})
        found, refusal = self.attempt()
        if found is None:
            assert name in refusal, f"{refusal} does not name {name}"
            assert file.rpartition("/")[2] in refusal, f"{refusal} does not name {file}"
            return "refused"
        if found == self.base:
            return "same"
        new = set(found.model.warnings) - set(self.base.model.warnings)
        if new:
            assert any(name in line for line in new), f"{new} do not name {name}"
            return "warned"
        return "changed"

    def attempt(self) -> tuple[Reading | None, str]:
        """What is made of the folder as it is now, or the refusal."""
        try:
            return read(self.open()), ""
        except CheckpointError as error:
            return None, str(error)


def read(checkpoint: Checkpoint) -> Reading:
    """Everything that depends on the configuration; raises CheckpointError."""
    for spec in COMPONENTS.values():
        spec.check(checkpoint)
    tokens = tokenizer_files.special_ids(checkpoint.path)
    marks = {key: checkpoint.config.get(key) for key in ("mm_vision_tower", "mobileo_export")}
    return Reading(checkpoint.model, recipe.build(checkpoint.model, tokens), marks)


def allowed(file: str, name: str) -> set[Outcome]:
    """What may come of another legal value of a field, by its row."""
    if name in DORMANT:
        return {"same"}
    outcomes: dict[str, set[Outcome]] = {
        "honored": {"changed", "warned", "refused"},
        "irrelevant": {"same"},
        "overruled": {"warned"},
        "only": {"refused"},
    }
    return outcomes[FILES[file][name].use]
