"""Opening checkpoints: folders, shards, copies, and everything that can be wrong with them."""

from __future__ import annotations

import pickle
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file, tensor_names
from mobileo_export.checkpoint.files import tensors_of
from mobileo_export.checkpoint.folder import INDEX, NESTED, Checkpoint, Weights, read_json
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, VISION
from mobileo_export.components import COMPONENTS, check_foreign
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.random_checkpoint import models
from mobileo_export.random_checkpoint import write as random_checkpoint
from tests import surgery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BIAS = PROJECTOR + "2.bias"
COUNTER = VISION + "network.0.0.convffn.conv.bn.num_batches_tracked"


def bfloat16(*values: float) -> surgery.Tensor:
    return "BF16", safetensors_file.to_bfloat16(np.array(values, np.float32))


def check_all(checkpoint: Checkpoint) -> None:
    """What an export of everything checks before it begins."""
    for component in COMPONENTS.values():
        component.check(checkpoint)
    check_foreign(checkpoint)


# --- finding it


def test_a_checkpoint_is_opened_without_reading_tensors(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(safetensors_file, "raw", refuse)
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert checkpoint.path == tiny_checkpoint
    assert checkpoint.files == (tiny_checkpoint / "model.safetensors",)
    plan = random_checkpoint.tensors(models.model("tiny"))
    nested = {name for name in plan if name.startswith(NESTED)}
    assert checkpoint.top_level.keys() == plan.keys() - nested
    assert {NESTED + name for name in checkpoint.nested} == nested
    check_all(checkpoint)


def test_a_folder_around_the_checkpoint_is_seen_through(tiny_copy: Path) -> None:
    (tiny_copy.parent / "README.md").write_text("# Model card")
    (tiny_copy.parent / "training_args.bin").write_bytes(b"\x80\x04")
    (tiny_copy.parent / "assets").mkdir()
    checkpoint = Checkpoint.open(tiny_copy.parent)
    assert checkpoint.path == tiny_copy
    assert checkpoint.found_below == tiny_copy.name
    assert checkpoint.notes == (
        f"{tiny_copy.parent}: holds no weights itself; tiny in it is taken",
    )


def test_a_folder_that_was_named_is_not_worth_a_note(tiny_checkpoint: Path) -> None:
    checkpoint = Checkpoint.open(tiny_checkpoint)
    assert (checkpoint.found_below, checkpoint.notes) == (None, ())


def test_two_checkpoints_in_a_folder_are_ambiguous(tiny_copy: Path) -> None:
    shutil.copytree(tiny_copy, tiny_copy.with_name("second"))
    with pytest.raises(UsageError, match=r"holds several checkpoints \(second, tiny\); name one"):
        Checkpoint.open(tiny_copy.parent)


@pytest.mark.parametrize(("kind", "message"), [("absent", "no such folder"), ("file", "is a file")])
def test_no_folder_is_a_usage_error(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / kind
    if kind == "file":
        path.write_text("")
    with pytest.raises(UsageError, match=message):
        Checkpoint.open(path)


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        ((), "no checkpoint here"),
        (("config.json",), "no checkpoint here"),
        (("model.safetensors",), "has weights but no config.json"),
    ],
)
def test_half_a_checkpoint_is_refused(tiny_copy: Path, keep: tuple[str, ...], reason: str) -> None:
    for path in tiny_copy.iterdir():
        if path.is_file() and path.name not in keep:
            path.unlink()
    with pytest.raises(CheckpointError, match=reason):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            ["adapter_config.json", "adapter_model.safetensors"],
            "an adapter.*merge-lora --base",
        ),
        (["config.json", "model-00001-of-00002.safetensors"], f"shards .* but no {INDEX}"),
        (["config.json", "fp16.safetensors"], "has fp16.safetensors but no model.safetensors"),
        (["config.json"], "no checkpoint here"),
    ],
)
def test_what_a_folder_lacks_is_named(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in (*files, "training_args.bin", "optimizer.pt", "._pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=reason):
        Checkpoint.open(tmp_path)


class Bomb:
    """Unpickling this would touch a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "weights.pth", "a.ckpt", "b.pkl"]
)
def test_a_pickle_is_named_and_never_loaded(tiny_copy: Path, name: str, with_config: bool) -> None:
    trap = tiny_copy / "trap"
    (tiny_copy / "model.safetensors").unlink()
    (tiny_copy / name).write_bytes(pickle.dumps(Bomb(trap)))
    if not with_config:
        (tiny_copy / "config.json").unlink()
    with pytest.raises(
        CheckpointError, match=f"{name}: a pickle, which can run any code"
    ) as caught:
        Checkpoint.open(tiny_copy)
    assert "weights_only=True" in str(caught.value)
    assert not trap.exists()


def test_a_truncated_download_is_refused(tiny_copy: Path) -> None:
    path = tiny_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a readable .* again"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_git_lfs_pointer_is_explained(tiny_copy: Path, name: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4775658842\n"
    (tiny_copy / name).write_text(pointer)
    with pytest.raises(CheckpointError, match=rf"{name}: .*a Git LFS pointer.*`git lfs pull`"):
        Checkpoint.open(tiny_copy)


# --- config.json


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe{}", b"\x00", b"[" * 100_000, b"1" * 5000],
)
def test_a_config_that_is_no_object_is_refused(tiny_copy: Path, content: bytes) -> None:
    (tiny_copy / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json: (cannot be read|holds no JSON)"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("name", [..., None, "", 5, ["a"], {}])
def test_a_config_without_diffusion_model_is_refused(tiny_copy: Path, name: Any) -> None:
    surgery.configure(tiny_copy, {"diffusion_name_or_path": name})
    with pytest.raises(CheckpointError, match="no diffusion_name_or_path; this is not a Mobile-O"):
        Checkpoint.open(tiny_copy).model  # noqa: B018


def test_a_diffusion_folder_is_found_from_the_checkpoint(
    tiny_copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Checkpoint.open(tiny_copy).model.diffusion.name == "diffusion"
    (tiny_copy / "diffusion").rename(tiny_copy / "sana")
    with pytest.raises(CheckpointError, match="'diffusion' is neither a published name"):
        Checkpoint.open(tiny_copy).model  # noqa: B018
    surgery.configure(tiny_copy, {"diffusion_name_or_path": "./sana"})
    assert Checkpoint.open(tiny_copy).model.image_size == 64


def test_a_published_name_that_does_not_fit_is_refused(tiny_copy: Path) -> None:
    name = "Efficient-Large-Model/Sana_600M_512px_diffusers"
    surgery.configure(tiny_copy, {"diffusion_name_or_path": name})
    with pytest.raises(CheckpointError, match=r"tiny: .* 192 channels but the DiT expects 2304"):
        Checkpoint.open(tiny_copy).model  # noqa: B018


def test_a_bad_field_is_reported_with_its_folder(tiny_copy: Path) -> None:
    surgery.configure(tiny_copy, {"num_attention_heads": True})
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(tiny_copy).model  # noqa: B018
    assert str(caught.value).startswith(f"{tiny_copy}: config.json: num_attention_heads is true")


def test_a_wrong_tie_flag_is_a_warning(tiny_copy: Path) -> None:
    surgery.configure(tiny_copy, {"tie_word_embeddings": True})
    model = Checkpoint.open(tiny_copy).model
    assert not model.llm.tie_word_embeddings
    assert len(model.warnings) == 1
    surgery.change(tiny_copy, {"lm_head.weight": None})
    checkpoint = Checkpoint.open(tiny_copy)
    assert checkpoint.model.llm.tie_word_embeddings
    assert checkpoint.model.warnings == ()
    check_all(checkpoint)


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(CheckpointError, match=r"config.json: .*the key 'a' occurs twice"):
        read_json(path)


# --- shards


@pytest.mark.parametrize("count", [1, 3])
def test_shards_hold_the_same_checkpoint(
    tiny_checkpoint: Path, tiny_copy: Path, count: int
) -> None:
    surgery.shard(tiny_copy, count)
    whole, sharded = Checkpoint.open(tiny_checkpoint), Checkpoint.open(tiny_copy)
    assert sharded.model == whole.model
    assert len(sharded.files) == count
    assert sharded.top_level.keys() == whole.top_level.keys()
    assert sharded.nested.keys() == whole.nested.keys()
    for name in whole.top_level:
        assert surgery.same_bytes(whole.top_level[name], sharded.top_level[name])
    check_all(sharded)


def _beside_shards(folder: Path) -> dict[str, surgery.Tensor]:
    """Shards of other values than the single file; what they hold."""
    single = surgery.load(folder / "model.safetensors")
    surgery.shard(folder)
    for file in folder.glob("model-*.safetensors"):
        surgery.save(
            file, {n: (d, np.zeros_like(values)) for n, (d, values) in surgery.load(file).items()}
        )
    surgery.save(folder / "model.safetensors", single)
    return single


def test_a_single_file_beside_an_index_is_taken(tiny_copy: Path) -> None:
    single = _beside_shards(tiny_copy)
    checkpoint = Checkpoint.open(tiny_copy)
    assert checkpoint.files == (tiny_copy / "model.safetensors",)
    assert (safetensors_file.raw(checkpoint.top_level[BIAS]) == single[BIAS][1]).all()
    (note,) = checkpoint.notes
    assert "model.safetensors is taken, as transformers takes it, and not the shards" in note
    assert INDEX in note


def test_transformers_takes_the_single_file_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen2Config(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    model = transformers.Qwen2ForCausalLM(config)
    model.save_pretrained(tmp_path)
    single = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        model.model.norm.weight.fill_(7)
    model.save_pretrained(tmp_path, max_shard_size="3KB")
    assert (tmp_path / INDEX).is_file()
    (tmp_path / "model.safetensors").write_bytes(single)
    loaded = transformers.Qwen2ForCausalLM.from_pretrained(tmp_path)
    tensors, notes = tensors_of(tmp_path)
    taken = safetensors_file.read(tensors["model.norm.weight"])
    assert (taken == loaded.model.norm.weight.detach().float().numpy()).all()
    assert (taken == 1).all()
    assert len(notes) == 1


def test_an_index_that_names_the_single_file_is_worth_no_note(tiny_copy: Path) -> None:
    names = surgery.load(tiny_copy / "model.safetensors")
    surgery.reindex(tiny_copy, dict.fromkeys(names, "model.safetensors"))
    assert Checkpoint.open(tiny_copy).notes == ()


def test_an_adapter_beside_the_weights_is_told(tiny_copy: Path) -> None:
    (tiny_copy / "adapter_config.json").write_text("{}")
    (note,) = Checkpoint.open(tiny_copy).notes
    assert "adapter_config.json) is not taken; merge-lora merges it" in note


def test_a_missing_shard_is_named(tiny_copy: Path) -> None:
    surgery.shard(tiny_copy)
    (tiny_copy / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003\.safetensors: shard is miss"):
        Checkpoint.open(tiny_copy)


def test_a_truncated_shard_is_named(tiny_copy: Path) -> None:
    surgery.shard(tiny_copy)
    path = tiny_copy / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model-00003-of-00003\.safetensors: not a readable"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_missing_from_its_shard_is_named(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    file = tiny_copy / weight_map[BIAS]
    surgery.save(file, {name: t for name, t in surgery.load(file).items() if name != BIAS})
    with pytest.raises(CheckpointError, match=f"{file.name}: tensor {BIAS} is missing from its"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_in_another_shard_than_indexed_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    others = sorted(set(weight_map.values()) - {weight_map[BIAS]})
    surgery.reindex(tiny_copy, weight_map | {BIAS: others[0]})
    with pytest.raises(CheckpointError, match=f"tensor {BIAS} is not where"):
        Checkpoint.open(tiny_copy)


def test_a_tensor_in_two_shards_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    other = tiny_copy / min(set(weight_map.values()) - {weight_map[BIAS]})
    surgery.save(other, {**surgery.load(other), BIAS: bfloat16(*[0.0] * 128)})
    indexed = weight_map[BIAS]
    with pytest.raises(
        CheckpointError,
        match=f"{other.name}: tensor {BIAS} is also in {indexed}.*every tensor once",
    ):
        Checkpoint.open(tiny_copy)


def test_a_tensor_that_the_index_does_not_know_is_refused(tiny_copy: Path) -> None:
    weight_map = surgery.shard(tiny_copy)
    surgery.reindex(tiny_copy, {n: file for n, file in weight_map.items() if n != BIAS})
    with pytest.raises(CheckpointError, match=f"tensor {BIAS} is not in {INDEX}"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize(
    "name",
    [
        "../tiny/model-00001-of-00003.safetensors",
        "/etc/passwd",
        "sub/model.safetensors",
        "..",
        "",
        "weights.bin",
        "a\0.safetensors",
        "x" * 5000 + ".safetensors",
        5,
        None,
        ["model-00001-of-00003.safetensors"],
    ],
)
def test_a_shard_name_that_is_no_plain_file_is_refused(tiny_copy: Path, name: Any) -> None:
    weight_map: dict[str, Any] = dict(surgery.shard(tiny_copy))
    surgery.reindex(tiny_copy, weight_map | {BIAS: name})
    with pytest.raises(CheckpointError, match="is not a plain safetensors file") as caught:
        Checkpoint.open(tiny_copy)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("weight_map", [None, [], {}, "model.safetensors"])
def test_an_index_without_map_is_refused(tiny_copy: Path, weight_map: Any) -> None:
    surgery.reindex(tiny_copy, weight_map)
    (tiny_copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has no weight_map"):
        Checkpoint.open(tiny_copy)


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
def test_an_index_that_is_no_object_is_refused(tiny_copy: Path, content: str) -> None:
    (tiny_copy / "model.safetensors.index.json").write_text(content)
    (tiny_copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"index\.json: (cannot be read|holds no JSON)"):
        Checkpoint.open(tiny_copy)


# --- tensors that should not be what they are


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_missing_tensor_is_named(tiny_copy: Path, component: str) -> None:
    spec = COMPONENTS[component]
    name = sorted(spec.tensors(Checkpoint.open(tiny_copy).model))[7]
    surgery.change(tiny_copy, {name: None})
    checkpoint = Checkpoint.open(tiny_copy)
    with pytest.raises(CheckpointError, match=f"tensor {name} is missing; .*--only"):
        spec.check(checkpoint)
    for other in COMPONENTS.values():
        if other is not spec:
            other.check(checkpoint)


@pytest.mark.parametrize("prefix", ["", NESTED])
def test_a_misshapen_tensor_is_named(tiny_copy: Path, prefix: str) -> None:
    surgery.change(tiny_copy, {prefix + BIAS: bfloat16(1, 2, 3)})
    with pytest.raises(CheckpointError) as caught:
        check_all(Checkpoint.open(tiny_copy))
    assert f"tensor {prefix}{BIAS} has shape [3], the configuration asks for [128]" in str(
        caught.value
    )


@pytest.mark.parametrize("prefix", ["", NESTED])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (MCP + "surprise.weight", "different models"),
        ("model.layers.0.self_attn.q_proj.lora_A.default.weight", "merge the adapter"),
        ("model.vae.quantizer.weight", "does not know that model"),
        ("vision_model.weight", "does not know that model"),
    ],
)
def test_an_unexpected_tensor_is_named(tiny_copy: Path, prefix: str, name: str, hint: str) -> None:
    surgery.change(tiny_copy, {prefix + name: bfloat16(1, 2)})
    with pytest.raises(CheckpointError, match=f"tensor {prefix + name} is unexpected; .*{hint}"):
        check_all(Checkpoint.open(tiny_copy))


def test_the_vae_encoder_may_be_absent(tiny_copy: Path) -> None:
    tensors = surgery.load(tiny_copy / "model.safetensors")
    encoder = [name for name in tensors if name.startswith("model.vae.encoder.")]
    assert len(encoder) == 50
    surgery.change(tiny_copy, dict.fromkeys(encoder))
    check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (BIAS, ("F64", np.zeros(128))),
        (BIAS, ("I64", np.zeros(128, np.int64))),
        (BIAS, ("U8", np.zeros(128, np.uint8))),
        (NESTED + BIAS, ("BOOL", np.zeros(128, np.bool_))),
        (COUNTER, ("F64", np.zeros(()))),
        (COUNTER, ("BOOL", np.zeros((), np.bool_))),
    ],
)
def test_a_dtype_that_weights_do_not_have_is_refused(
    tiny_copy: Path, name: str, tensor: surgery.Tensor
) -> None:
    surgery.change(tiny_copy, {name: tensor})
    with pytest.raises(CheckpointError, match=f"tensor {name} is {tensor[0]}; weights must be"):
        check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_a_counter_that_was_cast_is_still_a_counter(tiny_copy: Path, dtype: str) -> None:
    raw: Any = np.array(7, np.float16 if dtype == "F16" else np.float32)
    stored = safetensors_file.to_bfloat16(raw) if dtype == "BF16" else raw
    surgery.change(tiny_copy, {COUNTER: (dtype, stored)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    found = checkpoint.read(COUNTER, "released")
    assert found.dtype == np.int64
    assert int(found) == 7


def frequencies(theta: float, dtype: str, count: int) -> surgery.Tensor:
    values = (theta ** (-np.arange(count) / count)).astype(np.float32)
    if dtype == "BF16":
        return dtype, safetensors_file.to_bfloat16(values)
    return dtype, values.astype(np.float16 if dtype == "F16" else np.float32)


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
@pytest.mark.parametrize("name", ["model.layers.0.self_attn", "model"])
def test_stored_frequencies_are_left_out(tiny_copy: Path, name: str, dtype: str) -> None:
    plain = Checkpoint.open(tiny_copy)
    llm, key = plain.model.llm, f"{name}.rotary_emb.inv_freq"
    surgery.change(tiny_copy, {key: frequencies(llm.rope_theta, dtype, llm.head_dim // 2)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert checkpoint.top_level.keys() == plain.top_level.keys()
    (note,) = checkpoint.notes
    assert "1 stored buffers rotary_emb.inv_freq are left out" in note


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32"])
def test_frequencies_of_another_theta_are_refused(tiny_copy: Path, dtype: str) -> None:
    llm = Checkpoint.open(tiny_copy).model.llm
    key = "model.layers.0.self_attn.rotary_emb.inv_freq"
    surgery.change(tiny_copy, {key: frequencies(0.8 * llm.rope_theta, dtype, llm.head_dim // 2)})
    with pytest.raises(CheckpointError, match=f"{key} holds other frequencies than rope_theta"):
        check_all(Checkpoint.open(tiny_copy))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: "_orig_mod." + name,
        lambda name: "module." + name,
        lambda name: "module._orig_mod." + name,
        lambda name: name.replace("model.dit.", "model.dit._orig_mod."),
        lambda name: name.replace(".layers.0.", ".layers.0._fsdp_wrapped_module."),
        lambda name: name.replace(".layers.1.", ".layers.1._checkpoint_wrapped_module."),
    ],
)
def test_what_wrapped_the_model_is_no_part_of_a_name(
    tiny_copy: Path, wrap: Callable[[str], str]
) -> None:
    plain = Checkpoint.open(tiny_copy)
    path = tiny_copy / "model.safetensors"
    before = plain.read(BIAS, "released")
    surgery.save(path, {wrap(name): tensor for name, tensor in surgery.load(path).items()})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert checkpoint.top_level.keys() == plain.top_level.keys()
    assert checkpoint.nested.keys() == plain.nested.keys()
    assert (checkpoint.read(BIAS, "released") == before).all()
    (note,) = checkpoint.notes
    assert "are read without what torch.compile, FSDP or DataParallel put into" in note


def test_one_tensor_in_two_wrappings_is_refused(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {"_orig_mod." + BIAS: bfloat16(*[0.0] * 128)})
    with pytest.raises(CheckpointError, match="are the same one in different wrappings"):
        Checkpoint.open(tiny_copy)


def test_a_module_called_module_stays() -> None:
    assert tensor_names.plain("model.module.weight") == "model.module.weight"
    assert tensor_names.plain("model.my_orig_mod.weight") == "model.my_orig_mod.weight"


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_other_float_dtypes_are_read_exactly(tiny_copy: Path, dtype: str) -> None:
    values = np.linspace(-3, 3, 128).astype(safetensors_file.RAW_DTYPES[dtype])
    surgery.change(tiny_copy, {BIAS: (dtype, values)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    assert np.array_equal(checkpoint.read(BIAS, "released"), values.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_when_read(tiny_copy: Path, bad: float) -> None:
    surgery.change(tiny_copy, {BIAS: bfloat16(*[0.0] * 127, bad)})
    checkpoint = Checkpoint.open(tiny_copy)
    check_all(checkpoint)
    with pytest.raises(CheckpointError, match=f"{BIAS} holds NaN or infinity"):
        checkpoint.read(BIAS, "released")
    checkpoint.read(BIAS, "post-trained")


# --- nested copies


def test_the_chosen_copy_is_read(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {BIAS: bfloat16(*[1.0] * 128), NESTED + BIAS: bfloat16(*[2.0] * 128)})
    checkpoint = Checkpoint.open(tiny_copy)
    assert (checkpoint.read(BIAS, "released") == 1).all()
    assert (checkpoint.read(BIAS, "post-trained") == 2).all()
    assert checkpoint.info(BIAS, "post-trained").name == NESTED + BIAS
    # What the last stage froze has one copy only, and it is the one to take.
    assert checkpoint.info("model.norm.weight", "post-trained").name == "model.norm.weight"
    with pytest.raises(CheckpointError, match="tensor nowhere is missing"):
        checkpoint.info("nowhere", "post-trained")


def without_nested(folder: Path) -> Checkpoint:
    names = Checkpoint.open(folder).nested
    surgery.change(folder, {NESTED + name: None for name in names})
    return Checkpoint.open(folder)


def test_post_trained_weights_have_to_exist(tiny_copy: Path) -> None:
    Checkpoint.open(tiny_copy).require_weights("post-trained")
    checkpoint = without_nested(tiny_copy)
    checkpoint.require_weights("released")
    assert checkpoint.compare_nested() is None
    with pytest.raises(UsageError, match="no nested copies .* use --weights released"):
        checkpoint.require_weights("post-trained")


@pytest.mark.parametrize("weights", ["released", "post-trained"])
def test_copies_are_compared_as_one_is_hashed(
    tiny_copy: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    surgery.change(tiny_copy, {NESTED + BIAS: bfloat16(*[2.0] * 128)})
    checkpoint = Checkpoint.open(tiny_copy)
    compared: dict[str, float] = {}
    names = checkpoint.top_level
    found = checkpoint.digest(names, weights, compared)
    assert found == checkpoint.digest(names, weights)
    assert compared.keys() == checkpoint.nested.keys()
    nested = checkpoint.compare_nested()
    monkeypatch.setattr(safetensors_file, "blocks", None)  # nothing is read again
    assert checkpoint.compare_nested(compared) == nested


def test_identical_copies_are_counted(tiny_copy: Path) -> None:
    checkpoint = Checkpoint.open(tiny_copy)
    tensors = surgery.load(tiny_copy / "model.safetensors")
    surgery.change(tiny_copy, {NESTED + name: tensors[name] for name in checkpoint.nested})
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.count, nested.identical, nested.differing) == (222, 222, 0)
    assert (nested.largest_difference, nested.largest_name, nested.orphans) == (0.0, "", ())


def test_differing_and_orphaned_copies_are_reported(tiny_copy: Path) -> None:
    checkpoint = Checkpoint.open(tiny_copy)
    tensors = surgery.load(tiny_copy / "model.safetensors")
    changes: dict[str, surgery.Tensor | None] = {
        NESTED + name: tensors[name] for name in checkpoint.nested
    }
    changes[BIAS] = bfloat16(*[3.0, 4.0] * 64)
    changes[NESTED + BIAS] = bfloat16(*[3.0, 4.5] * 64)
    changes[MCP + "layer_weights"] = bfloat16(1, 1, 1, 1)
    changes[NESTED + MCP + "layer_weights"] = bfloat16(1, 1, 1, 1.0078125)
    changes[NESTED + MCP + "surprise"] = bfloat16(1)
    changes[NESTED + PROJECTOR + "0.bias"] = bfloat16(1)
    surgery.change(tiny_copy, changes)
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.count, nested.identical, nested.differing) == (223, 219, 2)
    assert nested.largest_name == BIAS
    assert nested.largest_difference == pytest.approx(0.1, rel=1e-6)
    assert set(nested.orphans) == {NESTED + MCP + "surprise", NESTED + PROJECTOR + "0.bias"}


def test_a_copy_with_nan_differs_most(tiny_copy: Path) -> None:
    surgery.change(tiny_copy, {NESTED + BIAS: bfloat16(*[float("nan")] * 128)})
    nested = Checkpoint.open(tiny_copy).compare_nested()
    assert nested is not None
    assert (nested.largest_name, nested.largest_difference) == (BIAS, float("inf"))
