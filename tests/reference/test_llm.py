from __future__ import annotations

import json
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import functional

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError
from mobileo_export.random_checkpoint import write as random_checkpoint
from mobileo_export.reference import llm

if TYPE_CHECKING:
    from pathlib import Path

assert_close = partial(torch.testing.assert_close, rtol=0, atol=2e-5)


def theirs(path: Path, stored: dict[str, torch.Tensor]) -> Any:
    """transformers' own model, made from ``config.json`` in the ordinary way, eager attention."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(**json.loads((path / "config.json").read_text()))
    config._attn_implementation = "eager"
    model = Qwen2ForCausalLM(config).eval()
    names = model.state_dict().keys()
    model.load_state_dict({name: stored[name] for name in names})
    return model


@pytest.fixture(scope="module")
def library(tiny_checkpoint: Path, stored: dict[str, torch.Tensor]) -> Any:
    return theirs(tiny_checkpoint, stored)


@pytest.fixture(scope="module")
def reference(checkpoint: Checkpoint) -> llm.LanguageModel:
    return llm.assemble(checkpoint.model, checkpoint, "released")


@pytest.fixture(scope="module")
def image_token(tiny_checkpoint: Path) -> int:
    return tokenizer_files.special_ids(tiny_checkpoint).image_token_id


def text(checkpoint: Checkpoint, length: int, seed: int = 0) -> torch.Tensor:
    arrays = COMPONENTS["llm"].example_inputs(checkpoint.model, seed=seed, T=length)
    return torch.from_numpy(arrays["input_ids"])


def features(checkpoint: Checkpoint) -> torch.Tensor:
    vision = checkpoint.model.vision
    generator = torch.Generator().manual_seed(5)
    return torch.randn(1, vision.num_tokens, vision.feature_dim, generator=generator)


@pytest.mark.parametrize("length", [1, 8, 77])
@torch.inference_mode()
def test_equals_transformers(
    checkpoint: Checkpoint, reference: llm.LanguageModel, library: Any, length: int
) -> None:
    ids = text(checkpoint, length)
    expected = library(ids.long(), output_hidden_states=True)
    stacked, logits = reference(ids)
    assert len(expected.hidden_states) == checkpoint.model.llm.num_hidden_layers + 1
    for position in range(1, checkpoint.model.mcp.num_layers + 1):
        assert_close(stacked[:, -position], expected.hidden_states[-position])
    assert_close(logits, expected.logits[:, -1])


@pytest.mark.parametrize("layers", [1, 2, 3])
@torch.inference_mode()
def test_any_number_of_hidden_states(tmp_path: Path, library: Any, layers: int) -> None:
    path = random_checkpoint.write(tmp_path / "k", "tiny", mcp_layers=layers, nested=False)
    checkpoint = Checkpoint.open(path)
    ids = text(checkpoint, 12)
    expected = library(ids.long(), output_hidden_states=True).hidden_states[-layers:]
    stacked, _ = llm.assemble(checkpoint.model, checkpoint, "released")(ids)
    assert_close(stacked, torch.stack(expected, dim=1))


@torch.inference_mode()
def test_states_are_raw_outputs_but_the_last_has_passed_the_norm(
    checkpoint: Checkpoint, reference: llm.LanguageModel
) -> None:
    """Every plausible mistake about the slice is far outside the tolerance used above."""
    inner = reference.language_model.model
    ids = text(checkpoint, 16)
    raw = [inner.embed_tokens(ids)]
    hooks = [
        layer.register_forward_hook(lambda _, __, output: raw.append(output))
        for layer in inner.layers
    ]
    stacked, _ = reference(ids)
    for hook in hooks:
        hook.remove()
    count = checkpoint.model.mcp.num_layers
    right = [*raw[-count:-1], inner.norm(raw[-1])]
    assert_close(stacked, torch.stack(right, dim=1))
    last_not_normed = raw[-count:]
    all_normed = [inner.norm(state) for state in raw[-count:]]
    off_by_one = [*raw[-count - 1 : -2], inner.norm(raw[-2])]
    newest_first = right[::-1]
    for wrong in (last_not_normed, all_normed, off_by_one, newest_first):
        assert (stacked - torch.stack(wrong, dim=1)).abs().max() > 0.05


@torch.inference_mode()
def test_rotary_frequencies_are_those_of_a_normally_built_model(
    reference: llm.LanguageModel, library: Any
) -> None:
    ours = dict(reference.language_model.named_buffers())
    expected = dict(library.named_buffers())
    assert ours.keys() == expected.keys()
    assert ours
    for name, buffer in expected.items():
        assert torch.equal(ours[name], buffer), name


@torch.inference_mode()
def test_features_replace_one_image_token(
    checkpoint: Checkpoint,
    stored: dict[str, torch.Tensor],
    reference: llm.LanguageModel,
    library: Any,
    image_token: int,
) -> None:
    ids, image = text(checkpoint, 20), features(checkpoint)
    ids[0, 6] = image_token
    p = {part: stored[f"model.mm_projector.{part}"] for part in ("0.weight", "0.bias")}
    hidden = functional.gelu(image @ p["0.weight"].T + p["0.bias"])
    projected = hidden @ stored["model.mm_projector.2.weight"].T
    projected = projected + stored["model.mm_projector.2.bias"]
    table = stored["model.embed_tokens.weight"][ids.long()]
    embeds = torch.cat([table[:, :6], projected, table[:, 7:]], dim=1)
    expected = library(inputs_embeds=embeds, output_hidden_states=True)
    stacked, logits = reference(ids, image)
    count = checkpoint.model.mcp.num_layers
    assert stacked.shape[2] == 20 - 1 + checkpoint.model.vision.num_tokens
    assert_close(stacked, torch.stack(expected.hidden_states[-count:], dim=1))
    assert_close(logits, expected.logits[:, -1])


@torch.inference_mode()
def test_one_image_token_and_one_a_feature_are_the_same_prompt(
    checkpoint: Checkpoint, reference: llm.LanguageModel, image_token: int
) -> None:
    ids, image = text(checkpoint, 20), features(checkpoint)
    ids[0, 6] = image_token
    many = torch.cat([ids[:, :6], ids[:, 6:7].expand(1, image.shape[1]), ids[:, 7:]], dim=1)
    for one, other in zip(reference(ids, image), reference(many, image), strict=True):
        assert torch.equal(one, other)


@torch.inference_mode()
def test_features_without_a_place_are_refused(
    checkpoint: Checkpoint, reference: llm.LanguageModel, image_token: int
) -> None:
    ids = text(checkpoint, 20)
    with pytest.raises(UsageError, match="0 image tokens"):
        reference(ids, features(checkpoint))
    ids[0, 2:4] = image_token
    with pytest.raises(UsageError, match="2 image tokens"):
        reference(ids, features(checkpoint))


@pytest.mark.parametrize("wrong", [-1, 512, 2**31 - 1])
def test_ids_outside_the_vocabulary_are_refused(
    checkpoint: Checkpoint, reference: llm.LanguageModel, wrong: int
) -> None:
    ids = text(checkpoint, 8)
    ids[0, 3] = wrong
    with pytest.raises(UsageError, match=f"holds {wrong}, the vocabulary has ids 0 to 511"):
        reference(ids)


@torch.inference_mode()
def test_steps_continue_a_prefill(checkpoint: Checkpoint, reference: llm.LanguageModel) -> None:
    ids = text(checkpoint, 12)
    stacked, logits, past = reference.prefill(ids[:, :9])
    whole, whole_logits = reference(ids[:, :9])
    assert_close(stacked, whole)
    assert_close(logits, whole_logits)
    for position in range(9, 12):
        logits = reference.step(ids[:, position : position + 1], past)
    assert_close(logits, reference(ids)[1])


def without_head(tiny_checkpoint: Path, folder: Path) -> Path:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_checkpoint, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors")
    return folder


@torch.inference_mode()
def test_a_tied_head_is_the_embedding_table_itself(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(without_head(tiny_checkpoint, tmp_path / "tied"))
    module = llm.assemble(checkpoint.model, checkpoint, "released")
    inner = module.language_model
    assert inner.lm_head.weight.data_ptr() == inner.model.embed_tokens.weight.data_ptr()
    stacked, logits = module(text(checkpoint, 8))
    expected = stacked[:, -1, -1] @ inner.model.embed_tokens.weight.T
    assert_close(logits, expected)


@torch.inference_mode()
def test_text_alone_needs_no_tokenizer(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "bare")
    for path in folder.glob("*token*"):
        path.unlink()
    checkpoint = Checkpoint.open(folder)
    assert torch.isfinite(
        llm.assemble(checkpoint.model, checkpoint, "released")(text(checkpoint, 8))[1]
    ).all()
