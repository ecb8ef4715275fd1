"""What an adapter's configuration says: kinds, fields, patterns, groups; refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.errors import UsageError
from mobileo_export.merging import adapter_config, patterns
from mobileo_export.merging.merge import MergeOptions, preview
from tests.merging.refusals import check_refused

from .adapters import PREFIX, Q, factors, random
from .adapters import write as write_adapter

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint


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
