"""Adapters that must be refused: kinds, missing factors, sizes, values, pickles."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import CheckpointError, MobileoError, UsageError
from mobileo_export.merging import adapter as module
from mobileo_export.merging import adapter_config, patterns
from mobileo_export.merging.merge import MergeOptions, merge, preview

from ..surgery import load, save
from .adapters import CONNECTOR, EMBEDDINGS, HEAD, PREFIX, RANK, WEIGHTS, K, Q, factors, random
from .adapters import write as write_adapter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint

A, B = (f"{PREFIX}{Q}.lora_{part}.weight" for part in "AB")
BIN, STATES = "adapter_model.bin", "checkpoint-{0}/global_step{0}/mp_rank_00_model_states.pt"


def check_refused(
    base: Checkpoint, adapter: Path, message: str, kind: type[MobileoError] = CheckpointError
) -> None:
    """A merge is refused with one line, and leaves nothing."""
    output = adapter.parent / "out"
    with pytest.raises(kind, match=message) as caught:
        merge(base, adapter, output, MergeOptions())
    assert "\n" not in str(caught.value)
    assert not output.exists()
    assert not output.with_name("out.partial").exists()


# --- kinds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'; only LORA"),
        ({"peft_type": ...}, "peft_type is None"),
        ({"use_dora": True}, "use_dora is set: DoRA rescales"),
        ({"lora_bias": True}, "lora_bias is set"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out is set"),
        ({"layer_replication": [[0, 2]]}, "layer_replication is set"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices is set"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa', which changes the base"),
        ({"init_lora_weights": "olora"}, "init_lora_weights is 'olora'"),
        ({"init_lora_weights": []}, "init_lora_weights is []"),
        ({"init_lora_weights": "mica"}, "init_lora_weights is 'mica'"),
        ({"ensure_weight_tying": True}, "ensure_weight_tying is set"),
        ({"use_something_new": True}, "use_something_new is True, a field that this release does"),
        ({"new_scale": 0.5}, "new_scale is 0.5, a field that this release does not know"),
    ],
)
def test_what_is_not_a_plain_lora_is_refused(
    base: Checkpoint, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    write_adapter(tmp_path / "a", factors(base, Q), **fields)
    check_refused(base, tmp_path / "a", re.escape(message), UsageError)


@pytest.mark.parametrize("start", [True, False, "gaussian", ...])
def test_plain_starts_are_accepted(base: Checkpoint, tmp_path: Path, start: Any) -> None:
    write_adapter(tmp_path / "a", factors(base, Q), init_lora_weights=start)
    preview(base, tmp_path / "a", tmp_path / "out", MergeOptions())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"r": 0}, "rank r is 0"),
        ({"r": True}, "rank r is True"),
        ({"r": ...}, "rank r is None"),
        ({"lora_alpha": "16"}, "alpha lora_alpha is '16'"),
        ({"lora_alpha": float("nan")}, "alpha lora_alpha is nan"),
        ({"rank_pattern": {"(": 4}}, "rank_pattern holds '(', no pattern"),
        ({"rank_pattern": {"q_proj": -1}}, "rank q_proj is -1"),
        ({"alpha_pattern": [1]}, "alpha_pattern is no object"),
        ({"r": 8}, r"shape [4, 128], but adapter_config.json says rank 8"),
        ({"rank_pattern": {"q_proj": 2}}, "says rank 2"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    base: Checkpoint, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    write_adapter(tmp_path / "a", factors(base, Q), **fields)
    check_refused(base, tmp_path / "a", re.escape(message))


# The fields that PEFT 0.21's LoraConfig writes: new ones are decided here before they are merged.
PEFT_FIELDS = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "kasa_config",
    "layer_replication",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "monteclora_config",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "target_parameters",
    "task_type",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "use_rslora",
    "velora_config",
]


def test_every_field_of_peft_is_decided() -> None:
    tables = (adapter_config.HONORED, adapter_config.IRRELEVANT, adapter_config.UNSUPPORTED)
    for field in PEFT_FIELDS:
        assert sum(field in table for table in tables) == 1, field
    older = {"enable_lora", "merge_weights"}
    assert {field for table in tables for field in table} == {*PEFT_FIELDS, *older}


def test_the_installed_peft_has_no_other_field() -> None:
    peft = pytest.importorskip("peft")
    assert set(peft.LoraConfig().to_dict()) <= set(PEFT_FIELDS)


def test_fields_that_are_not_set_or_decide_nothing_are_accepted(
    base: Checkpoint, tmp_path: Path
) -> None:
    unset: dict[str, Any] = {
        "use_something_new": False,
        "new_config": None,
        "new_list": [],
        "new_map": {},
    }
    fields = {**dict.fromkeys(adapter_config.IRRELEVANT, "x"), **unset}
    write_adapter(tmp_path / "a", factors(base, Q), **fields)
    assert preview(base, tmp_path / "a", tmp_path / "out", MergeOptions()).groups


# --- patterns


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
@pytest.mark.parametrize("pattern", ["(([a-z.0-9_]+)+)+X", "([a-z._0-9]+|x)*X", "(.*.*.*.*.*.*)*X"])
def test_a_pattern_that_takes_for_ever_is_refused(
    base: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, pattern: str
) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 1.0)
    write_adapter(tmp_path / "a", factors(base, Q), **{field: {pattern: 2}})
    check_refused(base, tmp_path / "a", f"{field} takes more than 1 s to match", UsageError)


def test_a_pattern_that_is_nested_without_end_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", factors(base, Q), rank_pattern={"(" * 5000 + ")" * 5000: 2})
    check_refused(base, tmp_path / "a", "rank_pattern (holds|cannot be matched)")


MODULES = ["model.layers.1.self_attn.q_proj", "model.layers.11.self_attn.q_proj", "lm_head"]


@pytest.mark.parametrize(
    "given",
    [
        {"q_proj": 2},
        {"layers.1.self_attn.q_proj": 2},
        {"^model.layers.1.self_attn.q_proj": 2},
        {r"layers\.1\..*": 2, "q_proj": 3, "lm_head": 4},
        {"proj": 2, "head": 3},
        {"(q|k)_proj": 2, ".*": 5},
        {"a)|(lm_head": 2},
        {},
    ],
)
def test_patterns_match_as_in_peft(given: dict[str, int]) -> None:
    wanted = {}
    for module_name in MODULES:  # peft.utils.other.get_pattern_key
        for key, value in given.items():
            if re.match(rf"(.*\.)?({key})$", module_name):
                wanted[module_name] = value
                break
    assert patterns.choose(Path("a"), "rank_pattern", given, MODULES) == wanted


# --- convolutions in groups


def test_a_convolution_in_groups_is_refused_for_what_it_is(
    base: Checkpoint, tmp_path: Path
) -> None:
    name = "model.dit.transformer_blocks.0.ff.conv_depth"
    channels, per_group = base.top_level[name + ".weight"].shape[:2]
    assert per_group == 1
    a = random((channels, channels, 3, 3))
    for b, tensor in (
        (random((channels, 1, 1, 1), 1), "lora_B"),  # PEFT's: B is in groups, A is not
        (random((channels, channels, 1, 1), 1), "lora_A"),  # of releases before that
    ):
        write_adapter(
            tmp_path / "a",
            {f"{PREFIX}{name}.lora_A.weight": a, f"{PREFIX}{name}.lora_B.weight": b},
            r=channels,
        )
        message = f"{tensor}.weight is of a convolution in {channels} groups"
        check_refused(base, tmp_path / "a", message, UsageError)


# --- tensors


def refused_with(
    base: Checkpoint, folder: Path, changes: dict[str, NDArray[Any] | None], message: str
) -> None:
    values: dict[str, Any] = {**factors(base, Q), **changes}
    write_adapter(folder / "a", {n: v for n, v in values.items() if v is not None})
    check_refused(base, folder / "a", message)


@pytest.mark.parametrize(("name", "part"), [(A, "A"), (B, "B")])
def test_half_a_pair_is_refused(base: Checkpoint, tmp_path: Path, name: str, part: str) -> None:
    refused_with(base, tmp_path, {name: None}, f"has no lora_{part} beside it")


@pytest.mark.parametrize(
    "name", ["model.layers.9.self_attn.q_proj", "model.layers.1.self_attn.w_proj", "other.q_proj"]
)
def test_a_factor_that_matches_nothing_is_named(
    base: Checkpoint, tmp_path: Path, name: str
) -> None:
    wanted = factors(base, Q)
    renamed: dict[str, NDArray[Any] | None] = {
        f"{PREFIX}{name}.lora_{part}.weight": wanted[f"{PREFIX}{Q}.lora_{part}.weight"]
        for part in "AB"
    }
    message = f"{PREFIX}{name}.lora_A.weight matches no tensor of the base"
    refused_with(base, tmp_path, renamed, re.escape(message))


def test_a_saved_module_that_matches_nothing_is_named(base: Checkpoint, tmp_path: Path) -> None:
    name = PREFIX + "model.score.weight"
    refused_with(base, tmp_path, {name: random((4, 4))}, re.escape(f"{name} matches no tensor"))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (A, (RANK, 64), "does not fit model.layers.1.self_attn.q_proj.weight [128, 128]"),
        (B, (64, RANK), "does not fit model.layers.1.self_attn.q_proj.weight [128, 128]"),
        (PREFIX + HEAD + ".weight", (600, 128), "does not fit lm_head.weight [512, 128]"),
        (A, (RANK,), "has shape [4], but adapter_config.json says rank 4"),
    ],
)
def test_another_size_is_refused(
    base: Checkpoint, tmp_path: Path, name: str, shape: tuple[int, ...], message: str
) -> None:
    refused_with(base, tmp_path, {name: random(shape)}, re.escape(message))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [A, B, f"{PREFIX}{HEAD}.weight"])
def test_values_that_are_not_finite_are_refused(
    base: Checkpoint, tmp_path: Path, name: str, value: float
) -> None:
    shapes = {A: (RANK, 128), B: (128, RANK)}
    array = random(shapes.get(name, (512, 128)))
    array[3, 2] = value
    refused_with(base, tmp_path, {name: array}, re.escape(f"{name} holds NaN or infinity"))


def test_an_update_beyond_the_dtype_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    changes = {name: values * np.float32(1e20) for name, values in factors(base, Q).items()}
    refused_with(base, tmp_path, dict(changes), "merged values exceed what BF16 holds")


def test_two_adapters_in_one_file_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    other = A.replace(".weight", ".second.weight")
    refused_with(base, tmp_path, {other: random((RANK, 128))}, "are for the same module")


def test_two_names_for_one_tensor_are_refused(base: Checkpoint, tmp_path: Path) -> None:
    values = {name.removeprefix(PREFIX): array for name, array in factors(base, Q).items()}
    refused_with(base, tmp_path, dict(values), f"is a second one for {Q}.weight")


@pytest.mark.parametrize("part", ["lora_magnitude_vector", "lora_A.bias", "lora_B.default.bias"])
def test_other_lora_tensors_are_refused(base: Checkpoint, tmp_path: Path, part: str) -> None:
    write_adapter(tmp_path / "a", {**factors(base, Q), f"{PREFIX}{Q}.{part}": random((128,))})
    check_refused(base, tmp_path / "a", "a kind of LoRA that cannot be merged", UsageError)


def test_counters_and_weights_are_not_exchanged(base: Checkpoint, tmp_path: Path) -> None:
    counter = next(name for name in base.top_level if name.endswith("num_batches_tracked"))
    write_adapter(tmp_path / "a", factors(base, Q))
    beside = tmp_path / "a" / "non_lora_trainables.safetensors"
    save(beside, {counter: ("F32", np.array(3, np.float32))})
    check_refused(base, tmp_path / "a", "num_batches_tracked is F32, .* of the base I64")


def test_folders_without_an_adapter(base: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    check_refused(base, tmp_path / "a", "no adapter_config.json", UsageError)
    check_refused(base, tmp_path / "b", "no adapter_config.json", UsageError)
    write_adapter(tmp_path / "a", factors(base, Q))
    (tmp_path / "a" / WEIGHTS).write_bytes(b"\x08" * 100)
    check_refused(base, tmp_path / "a", "not a readable safetensors file")
    (tmp_path / "a" / WEIGHTS).unlink()
    check_refused(base, tmp_path / "a", "no adapter_model.safetensors", UsageError)


def test_a_file_without_lora_is_refused(base: Checkpoint, tmp_path: Path) -> None:
    write_adapter(tmp_path / "a", {f"{PREFIX}{HEAD}.weight": random((512, 128))})
    check_refused(base, tmp_path / "a", "holds no LoRA tensor")


# --- pickles


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
