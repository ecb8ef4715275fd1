"""The recording that Swift's Core AI engine is held to is what the session here gives functions."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

SWIFT = Path(__file__).resolve().parents[2] / "ios_app" / "Tests"
sys.path.insert(0, str(SWIFT / "Python"))

import core_ai  # noqa: E402

from mobileo_export import assets  # noqa: E402
from mobileo_export.artifacts.aimodel import asset  # noqa: E402
from mobileo_export.artifacts.aimodel.folder import AssetLanguageModel, open_folder  # noqa: E402
from mobileo_export.checkpoint import safetensors_file  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

CORPUS: dict[str, Any] = json.loads((SWIFT / "Corpus" / "core_ai.json").read_text("utf-8"))
SESSIONS = {session["name"]: session for session in CORPUS["sessions"]}
ACTS = {"recorded": core_ai.SHORT, "ramps": core_ai.LONG}


class Recorded:
    """Functions that give what Apple's runtime gave, one call after the other."""

    def __init__(self) -> None:
        header = safetensors_file.read_header(SWIFT / "Corpus" / "core_ai.safetensors")
        self._arrays = {name: safetensors_file.read(info) for name, info in header.items()}
        self._calls = 0

    def run(self, name: str, arrays: Mapping[str, Any]) -> core_ai.Arrays:
        """What the next call gave."""
        prefix = f"{self._calls}."
        self._calls += 1
        return {k.removeprefix(prefix): v for k, v in self._arrays.items() if k.startswith(prefix)}

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def model(tmp_path: Path) -> AssetLanguageModel:
    """The language model of the corpus's manifest, with an asset that holds nothing."""
    program = b"ML\xefR"
    files = {
        "manifest.json": json.dumps(CORPUS["manifest"]).encode(),
        f"llm/{asset.LANGUAGE_MODEL}/{asset.PROGRAM}": program,
        f"llm/{asset.LANGUAGE_MODEL}/{asset.HASH}": hashlib.sha256(program).digest(),
        f"llm/{asset.LANGUAGE_MODEL}/{asset.METADATA}": b"{}",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for source in Path(assets.miniature()).glob("*.json"):
        shutil.copy(source, tmp_path / "llm")
    return open_folder(tmp_path / "llm")


@pytest.mark.parametrize("name", SESSIONS)
def test_the_session_gives_what_the_corpus_says(name: str, model: AssetLanguageModel) -> None:
    llm = CORPUS["manifest"]["components"]["llm"]
    width, features = llm["outputs"][0]["shape"][3], llm["inputs"][1]["shape"][1]
    inner = Recorded() if name == "recorded" else core_ai.Ramps(model, width, features)
    recorder = core_ai.follow(model, inner, ACTS[name])
    assert recorder.calls == SESSIONS[name]["calls"]
    assert recorder.acts == SESSIONS[name]["acts"]
