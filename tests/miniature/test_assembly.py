"""The checkpoint that comes out: released layout, our own merge, exported and run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from miniature import assembly, lessons, lora, modules, pictures, texts, trainer
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.evaluation import run
from mobileo_export.pipelines.model import open_model
from mobileo_export.reference import llm, vision_encoder

from ..exports import Exports
from .conftest import workshop


def test_it_opens_and_is_small_enough(trained: Path) -> None:
    folder = trained / "checkpoint"
    assembly.check(folder)
    checkpoint = Checkpoint.open(folder)
    assert not checkpoint.nested
    assert checkpoint.model.warnings == ()
    assert not checkpoint.model.llm.tie_word_embeddings
    assert checkpoint.model.llm.vocab_size == 512
    assert "mobileo_export" not in checkpoint.config  # by which parity takes weights for random
    assert {info.dtype for info in checkpoint.top_level.values()} == {"BF16", "I64"}
    latents = workshop(trained).latents()["latents"]
    factor = checkpoint.model.diffusion.vae.scaling_factor
    assert float(latents.std()) * factor == pytest.approx(1, abs=1e-3)


def test_folding_the_tower_keeps_what_it_sees(trained: Path) -> None:
    shop = workshop(trained)
    before = shop.seeing().vision
    after = modules.fold(before)
    images = pictures.inputs(lessons.many("see", 2), shop.preprocessing)
    with torch.no_grad():
        torch.testing.assert_close(after(images), before(images), rtol=1e-4, atol=1e-4)
    checkpoint = Checkpoint.open(trained / "checkpoint")
    stored = vision_encoder.assemble(checkpoint.model.vision, checkpoint, "released")
    with torch.no_grad():
        difference = (stored(images) - after(images)).abs().max() / after(images).abs().max()
    assert float(difference) < 0.05  # bfloat16


def test_the_merge_is_what_the_adapters_compute(trained: Path) -> None:
    shop = workshop(trained)
    base = Checkpoint.open(trained / "tune" / "checkpoint")
    merged = Checkpoint.open(trained / "checkpoint")
    joint = shop.joint()
    trainer.load_trained(joint, trained / "joint")
    layer = joint.language.language_model.model.layers[1].self_attn.q_proj
    assert isinstance(layer, lora.LoraLinear)
    with torch.no_grad():
        product = layer.lora_B.weight.double() @ layer.lora_A.weight.double() * 2
        wanted = (layer.base_layer.weight + product).float().numpy()
    name = "model.layers.1.self_attn.q_proj.weight"
    np.testing.assert_allclose(merged.read(name, "released"), wanted, rtol=2**-8)  # bfloat16
    assert (merged.read(name, "released") != base.read(name, "released")).any()
    projector = joint.language.projector.state_dict()["0.weight"].bfloat16().float().numpy()
    np.testing.assert_array_equal(merged.read("model.mm_projector.0.weight", "released"), projector)


def test_the_temperature_was_annealed(trained: Path) -> None:
    name = "model.diffusion_connector.fusion.temperature"
    assert Checkpoint.open(trained / "checkpoint").read(name, "released") == np.float32(0.5)


def test_training_and_pipelines_read_prompts_alike(trained: Path) -> None:
    """The hidden states that the DiT is trained on are those that it draws from."""
    shop = workshop(trained)
    checkpoint = Checkpoint.open(trained / "checkpoint")
    reader = llm.assemble(checkpoint.model, checkpoint, "released")
    caption = "a red circle left of a blue square"
    long, short = shop.source.generate(caption), shop.source.generate("a circle")
    with torch.no_grad():
        hidden, lengths = texts.hidden_states(
            reader, [long, short], shop.source.image_token_id, None
        )
    with open_model(str(trained / "checkpoint"), keep=True) as model:
        for row, text in enumerate((caption, "a circle")):
            prompt = model.prompter.generate(text, 512)
            assert prompt.input_ids[0].tolist() == list((long, short)[row].ids)
            with model.language_model() as session:
                states, _ = session.prefill(prompt.input_ids, None)
            np.testing.assert_allclose(hidden[row, :, : lengths[row]], states[0], atol=1e-4)
        features = pictures.features(shop.tower(), shop.drawn[:1], shop.preprocessing)
        edit = shop.source.edit("make the circle red")
        with torch.no_grad():
            hidden, _ = texts.hidden_states(reader, [edit], shop.source.image_token_id, features)
        prompt = model.prompter.edit("make the circle red", 512, features.shape[1])
        with model.language_model() as session:
            states, _ = session.prefill(prompt.input_ids, features.numpy())
        np.testing.assert_allclose(hidden[0], states[0], atol=1e-4)


def test_conversations_are_what_the_chat_sends(trained: Path) -> None:
    shop = workshop(trained)
    turns = [
        ("My name is Ada.", "Nice to meet you, Ada!"),
        ("What is my name?", "Your name is Ada."),
    ]
    text = shop.source.conversation(turns, image=False)
    with open_model(str(trained / "checkpoint")) as model:
        prompt = model.prompter.chat([turns[0][0], turns[0][1], turns[1][0]], 512).input_ids[0]
        answer = model.tokenizer.encode_text(turns[1][1])
    assert list(text.ids[: len(prompt)]) == prompt.tolist()
    assert list(text.ids[len(prompt) : -1]) == answer
    counted = [token for token, weight in zip(text.ids, text.weights, strict=True) if weight]
    assert counted[-1] == text.ids[-1]
    assert model.tokenizer.decode(counted) == turns[0][1] + turns[1][1]


def test_it_exports_and_the_bundle_can_be_judged(trained: Path, exported: Exports) -> None:
    with open_model(str(exported(trained / "checkpoint")), keep=True) as model:
        results = run.evaluate(model, run.select(["ask/count", "chat/name"], 1, 0))
    assert len(results.outcomes) == 2


def test_too_many_tensors_are_refused(trained: Path, tmp_path: Path) -> None:
    shop = workshop(trained)
    with pytest.raises(ValueError, match="not the tensors of the model"):
        assembly.write(tmp_path / "out", shop.model(), shop.tokenizer, {"x": torch.zeros(1)})
    assert not (tmp_path / "out").exists()
