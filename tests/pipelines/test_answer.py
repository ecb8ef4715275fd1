"""Answers: where they stop, what they read, what a conversation remembers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint import tokenizer_files
from mobileo_export.errors import UsageError
from mobileo_export.parity import metrics
from mobileo_export.pipelines import answer, generate
from mobileo_export.pipelines.answer import Chat, Sampling
from mobileo_export.pipelines.drawing import Drawing, Picture
from mobileo_export.pipelines.model import Event, Model
from mobileo_export.recipe import image_span

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

QUESTION = "what color is the shape?"


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (30, 20, 3), np.uint8)


class Scripted:
    """A language model that says what it is told to."""

    def __init__(self, script: Sequence[int], vocabulary: int) -> None:
        self._script, self._vocabulary = list(script), vocabulary
        self.read: list[list[int]] = []
        self.steps: list[int] = []

    def _logits(self) -> NDArray[np.float32]:
        logits = np.zeros((1, self._vocabulary), np.float32)
        logits[0, self._script[len(self.steps)]] = 9
        return logits

    def prefill(self, input_ids: Any, image_features: Any = None) -> Any:
        self.read.append(input_ids[0].tolist())
        self.steps = []
        return np.zeros((1, 4, 1, 1), np.float32), self._logits()

    def step(self, token_id: int) -> Any:
        self.steps.append(token_id)
        return self._logits()

    def run(self, inputs: Any) -> Any:
        raise AssertionError("not used")

    def beside(self) -> Any:
        raise AssertionError("not used")

    def close(self) -> None:
        pass


def scripted(model: Model, script: Sequence[int]) -> tuple[Model, Scripted]:
    session = Scripted(script, 512)
    return replace(model, open_component=lambda name: session, keep=True, _sessions={}), session


def test_stops_at_a_stop_token_without_showing_it(artifacts: Model) -> None:
    words = artifacts.tokenizer.encode_text("It is red.")
    for stop in artifacts.recipe.text.stop_token_ids:
        model, session = scripted(artifacts, [*words, stop, *words])
        shown: list[str] = []
        found = Chat(model, Sampling.of(model.recipe)).send("color?", shown.append)
        assert found.text == "It is red." == "".join(shown)
        assert found.token_ids == tuple(words)
        assert found.ended == "stop"
        assert session.steps == words


def test_stops_at_the_limit(artifacts: Model) -> None:
    words = artifacts.tokenizer.encode_text("one two three four five")
    model, session = scripted(artifacts, words)
    found = Chat(model, Sampling.of(model.recipe, max_new_tokens=3)).send("count")
    assert (found.token_ids, found.ended) == (tuple(words[:3]), "length")
    assert session.steps == words[:2]  # nothing is computed that nobody asks for


def test_a_conversation_remembers(artifacts: Model) -> None:
    words = artifacts.tokenizer.encode_text("Hello Ann.")
    stop = artifacts.recipe.text.stop_token_ids[0]
    model, session = scripted(artifacts, [*words, stop])
    chat = Chat(model, Sampling.of(model.recipe))
    chat.send("I am Ann.")
    chat.send("Who am I?")
    assert chat.turns == ["I am Ann.", "Hello Ann.", "Who am I?", "Hello Ann."]
    expected = model.prompter.chat(["I am Ann.", "Hello Ann.", "Who am I?"], 9999)
    assert session.read[1] == expected.input_ids[0].tolist()


def test_what_fails_leaves_the_conversation_as_it_was(artifacts: Model) -> None:
    words = artifacts.tokenizer.encode_text("Yes.")
    model, _ = scripted(artifacts, [*words, artifacts.recipe.text.stop_token_ids[0]])
    chat = Chat(model, Sampling.of(model.recipe))
    chat.send("hello")
    with pytest.raises(UsageError, match="the message is empty"):
        chat.send(" ")

    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chat.send("more", interrupted)
    assert chat.turns == ["hello", "Yes."]


def test_features_stand_at_the_image_token(reference: Model, photo: NDArray[np.uint8]) -> None:
    """The answer's prompt is the embeddings of its text with the projected picture in between."""
    events: list[Event] = []
    how = Sampling.of(reference.recipe, max_new_tokens=1)
    found = answer.ask(reference, photo, QUESTION, how, observe=events.append)
    seen = next(event for event in events if event.stage == "llm").arrays
    image = reference.tokenizer.special[tokenizer_files.IMAGE_TOKEN]
    tokens = reference.recipe.preprocessing.num_tokens
    start, stop = image_span(found.input_ids[0], image, tokens)
    assert stop - start == 1
    assert seen["stacked_hidden_states"].shape[2] == found.input_ids.shape[1] - 1 + tokens
    with reference.language_model() as llm:
        module = llm.module  # type: ignore[attr-defined]
        import torch

        with torch.inference_mode():
            text = module.embed(torch.from_numpy(found.input_ids))
            picture = module.projector(torch.from_numpy(seen["image_features"]))
            whole = torch.cat([text[:, :start], picture, text[:, stop:]], 1)
            output = module.language_model(inputs_embeds=whole, output_hidden_states=True)
    expected = torch.stack(output.hidden_states[-4:], 1).numpy()
    assert np.allclose(seen["stacked_hidden_states"], expected, atol=1e-5)


def test_generation_equals_transformers(reference: Model) -> None:
    """Greedy tokens, one at a time with a cache, are those of ``generate``."""
    prompt = reference.prompter.chat(["tell me a story"], 999)
    how = Sampling.of(reference.recipe, max_new_tokens=24)
    found = answer.respond(reference, prompt, None, how)
    with reference.language_model() as llm:
        import torch

        module = llm.module  # type: ignore[attr-defined]
        ids = torch.from_numpy(prompt.input_ids).long()
        stops = list(reference.recipe.text.stop_token_ids)
        theirs = module.language_model.generate(
            ids, do_sample=False, max_new_tokens=24, eos_token_id=stops, pad_token_id=0
        )
    expected = [token for token in theirs[0, ids.shape[1] :].tolist() if token not in stops]
    assert list(found.token_ids) == expected


@pytest.fixture(scope="module")
def dequantized(tiny_checkpoint: Path, tiny_bundle: Path, reference: Model) -> Model:
    """The reference with the weights that quantizing the checkpoint leaves: torch throughout."""
    from mobileo_export.artifacts.mlx.folder import open_folder
    from mobileo_export.bundle import manifest
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.parity.language_model import requantized

    checkpoint = Checkpoint.open(tiny_checkpoint)
    (artifact,) = manifest.read(tiny_bundle)["components"]["llm"]["artifacts"]
    planned = requantized.announced(checkpoint, artifact)
    values = requantized.Requantized(checkpoint, planned, open_folder(tiny_bundle / "llm"))
    session = requantized.session(values, "released")
    assert not values.problems

    def opened(name: str) -> Any:
        return session if name == "llm" else reference.open_component(name)

    return replace(reference, open_component=opened, keep=True, _sessions={})


def test_the_bundle_answers_as_the_reference_does(
    dequantized: Model, artifacts: Model, photo: NDArray[np.uint8]
) -> None:
    """Token for token, greedy and sampled: only the vision encoder's rounding is between them."""
    for temperature in (0.0, 0.7):
        answers = []
        for model in (dequantized, artifacts):
            how = Sampling.of(model.recipe, temperature, 0.95, 24, seed=5)
            answers.append(answer.ask(model, photo, QUESTION, how).token_ids)
            chat = Chat(model, how)
            chat.send("Tell me a story.")
            answers.append(chat.send("And then?").token_ids)
        assert answers[:2] == answers[2:]
        assert all(answers)


def test_the_bundle_draws_as_the_reference_does(
    dequantized: Model, artifacts: Model, photo: NDArray[np.uint8]
) -> None:
    draws: tuple[Callable[[Model], Picture], ...] = (
        lambda model: generate.generate(model, "a red dog", Drawing(4, 1.5, 1)),
        lambda model: generate.edit(model, photo, "make it blue", Drawing(4, 1.5, 1)),
    )
    for draw in draws:
        first, second = (draw(model).image for model in (dequantized, artifacts))
        assert metrics.compare(first, second, "image").psnr > 60


def test_the_same_seed_samples_the_same_tokens(artifacts: Model) -> None:
    prompt = artifacts.prompter.chat(["hello"], 999)

    def sample(seed: int) -> tuple[int, ...]:
        how = Sampling.of(artifacts.recipe, 1.0, 0.95, 12, seed)
        return answer.respond(artifacts, prompt, None, how).token_ids

    assert sample(1) == sample(1) != sample(2)


def test_a_long_question_leaves_room_for_the_answer(
    artifacts: Model, photo: NDArray[np.uint8]
) -> None:
    how = Sampling.of(artifacts.recipe, max_new_tokens=2)
    found = answer.ask(artifacts, photo, "why and how " * 3000, how)
    tokens = artifacts.recipe.preprocessing.num_tokens
    assert found.cut > 0
    assert found.input_ids.shape[1] - 1 + tokens + 2 <= artifacts.longest_text


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"max_new_tokens": 0}, "0 new tokens: choose at least 1"),
        ({"temperature": -1}, "temperature -1"),
        ({"top_p": 0}, "top-p 0"),
        ({"seed": 1 << 64}, "seed"),
    ],
)
def test_numbers_out_of_range_are_refused(
    artifacts: Model, numbers: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Sampling.of(artifacts.recipe, **numbers)


def test_an_answer_longer_than_the_model_is_refused(artifacts: Model) -> None:
    how = Sampling.of(artifacts.recipe, max_new_tokens=1_000_000)
    with pytest.raises(UsageError, match="1000000 new tokens: the model has"):
        Chat(artifacts, how).send("hello")


def test_chat_on_mlx_needs_no_torch(tiny_bundle: Path) -> None:
    pytest.importorskip("mlx_lm")
    code = (
        "import sys\n"
        "from mobileo_export.pipelines.model import open_model\n"
        "from mobileo_export.pipelines.answer import Chat, Sampling\n"
        "with open_model(sys.argv[1], 'mlx') as model:\n"
        "    how = Sampling.of(model.recipe, max_new_tokens=2)\n"
        "    assert Chat(model, how).send('hello').token_ids\n"
        "heavy = {'torch', 'diffusers', 'coremltools'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_bundle)], check=True)
