"""Adapters and training states in pickles: never executed, and read as any other."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.merging import adapter as module
from mobileo_export.merging.merge import MergeOptions, merge
from tests.merging.refusals import check_refused

from ..surgery import load
from .adapters import CONNECTOR, EMBEDDINGS, PREFIX, RANK, WEIGHTS, K, Q, factors, random
from .adapters import write as write_adapter

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


BIN, STATES = "adapter_model.bin", "checkpoint-{0}/global_step{0}/mp_rank_00_model_states.pt"


class Hostile:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def write_pickle(path: Path, content: Any) -> None:
    torch = pytest.importorskip("torch")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def as_torch(values: dict[str, Any]) -> dict[str, Any]:
    torch = pytest.importorskip("torch")
    return {name: torch.from_numpy(array.copy()) for name, array in values.items()}


def test_a_pickle_is_refused_before_it_is_opened(
    base: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    opened: list[Any] = []
    monkeypatch.setattr(torch, "load", lambda *args, **_: opened.append(args))
    for name in (BIN, "non_lora_trainables.bin", STATES.format(7)):
        folder = tmp_path / name.split("/")[0]
        write_adapter(folder, factors(base, Q))
        if name == BIN:
            (folder / WEIGHTS).unlink()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
        check_refused(base, folder, "as a pickle, which could run code; --allow-", UsageError)
    assert opened == []


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_not_executed(base: Checkpoint, tmp_path: Path, zipped: bool) -> None:
    trap = tmp_path / "trap"
    folder = write_adapter(tmp_path / "a", factors(base, Q))
    (folder / WEIGHTS).unlink()
    if zipped:
        write_pickle(folder / BIN, {"x": Hostile(trap)})
    else:
        (folder / BIN).write_bytes(pickle.dumps({"x": Hostile(trap)}))
    with pytest.raises(CheckpointError, match="nothing in it was executed") as caught:
        merge(base, folder, tmp_path / "out", MergeOptions(allow_pickle=True))
    assert "\n" not in str(caught.value)
    assert not trap.exists()
    assert not (tmp_path / "out").exists()


def test_a_pickled_adapter_is_the_same_adapter(
    base: Checkpoint, adapter: Path, tmp_path: Path
) -> None:
    merge(base, adapter, tmp_path / "one", MergeOptions())
    write_pickle(adapter / BIN, as_torch({n: v for n, (_, v) in load(adapter / WEIGHTS).items()}))
    (adapter / WEIGHTS).unlink()
    merge(base, adapter, tmp_path / "two", MergeOptions(allow_pickle=True))
    one, two = (tmp_path / name / "model.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("legacy", [False, True])
def test_a_training_state_overrides_the_base(
    base: Checkpoint, tmp_path: Path, legacy: bool
) -> None:
    """The newest one, by number; its own copy of the adapter is not merged a second time."""
    torch = pytest.importorskip("torch")
    folder = write_adapter(tmp_path / "a", factors(base, K))
    connector = random(base.top_level[CONNECTOR].shape)
    counter = next(name for name in base.top_level if name.endswith("num_batches_tracked"))
    for step, scale in ((9, 2.0), (100, 1.0), (20, 3.0)):
        state = {
            PREFIX + CONNECTOR: torch.from_numpy(connector * scale).to(torch.bfloat16),
            PREFIX + counter: torch.tensor(step),
            f"{PREFIX}{Q}.lora_A.default.weight": torch.zeros(RANK, 128),
        }
        path = folder / STATES.format(step)
        path.parent.mkdir(parents=True)
        content = {"module": state, "global_steps": step, "ds_version": "0.16"}
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    merge(base, folder, tmp_path / "out", MergeOptions(allow_pickle=True))
    stored = load(tmp_path / "out" / "model.safetensors")
    wanted = torch.from_numpy(connector).to(torch.bfloat16).view(torch.int16).numpy()
    assert np.array_equal(stored[CONNECTOR][1].view(np.int16), wanted)
    kind, count = stored[counter]
    assert (kind, int(count)) == ("I64", 100)
    assert np.array_equal(stored[Q + ".weight"][1], load(base.files[0])[Q + ".weight"][1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no tensors by name"),
        ({}, "holds no tensors by name"),
        ({"x": 3}, "'x' is int, no dense tensor"),
        ({"module": {3: 4}}, "'3' is int"),
    ],
)
def test_pickles_of_other_things_are_refused(
    base: Checkpoint, tmp_path: Path, content: Any, message: str
) -> None:
    folder = write_adapter(tmp_path / "a", factors(base, Q))
    write_pickle(folder / "non_lora_trainables.bin", content)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        module.read(folder, allow_pickle=True)


def test_tensors_of_other_kinds_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = write_adapter(tmp_path / "a", factors(base, Q))
    for tensor in (torch.zeros(2, dtype=torch.complex64), torch.zeros(2, 2).to_sparse()):
        write_pickle(folder / "non_lora_trainables.bin", {CONNECTOR: tensor})
        with pytest.raises(CheckpointError, match="no dense tensor of a supported kind"):
            module.read(folder, allow_pickle=True)


def test_divided_training_states_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = write_adapter(tmp_path / "a", factors(base, Q))
    path = folder / STATES.format(3)
    write_pickle(path, {"module": {PREFIX + CONNECTOR: torch.empty(0)}})
    with pytest.raises(CheckpointError, match="is empty, as ZeRO stage 3 leaves it"):
        merge(base, folder, tmp_path / "out", MergeOptions(allow_pickle=True))
    path.with_name("mp_rank_01_model_states.pt").write_bytes(b"")
    with pytest.raises(UsageError, match="divided over several files; join them"):
        merge(base, folder, tmp_path / "out", MergeOptions(allow_pickle=True))


def test_embeddings_of_another_vocabulary_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    values = factors(base, EMBEDDINGS)
    name = f"{PREFIX}{EMBEDDINGS}.lora_embedding_A"
    values[name] = random((RANK, 600))
    write_adapter(tmp_path / "a", values)
    check_refused(base, tmp_path / "a", "of another size or vocabulary")
