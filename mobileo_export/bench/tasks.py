"""What one run of each stage does: arrays are made before it, outputs are checked behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.components import TensorSpec, random_inputs
from mobileo_export.errors import CheckFailedError
from mobileo_export.parity.cases import PROMPT, QUESTION
from mobileo_export.pipelines import generate, images
from mobileo_export.pipelines.tokens import Prompt, Streamer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.bench.loaded import LoadedComponents
    from mobileo_export.pipelines.drawing import Drawing
    from mobileo_export.pipelines.model import Model
    from mobileo_export.runtimes.base import Array, LanguageModelSession, Session

Once = Callable[[], float]  # one run: its seconds, or its tokens a second
Signature = tuple[TensorSpec, ...]
PHOTO = (768, 1024)  # height and width of the picture that is looked at


def timed(component: str, call: Callable[[], Mapping[str, Array]]) -> Once:
    """``call`` with a stopwatch around it; its outputs are checked when that has stopped."""

    def once() -> float:
        started = time.perf_counter()
        found = call()
        seconds = time.perf_counter() - started
        check(component, found)
        return seconds

    return once


def check(component: str, found: Mapping[str, Array]) -> None:
    """Raise CheckFailedError unless every number of the outputs is finite."""
    for name, array in found.items():
        wrong = array.size - int(np.isfinite(array).sum())
        if wrong:
            raise CheckFailedError(
                f"{component}: {wrong:,} of {array.size:,} numbers of {name} are not finite; "
                "verify the bundle with its checkpoint"
            )


def preparing(model: Model, seed: int) -> Once:
    """A photograph, for the vision encoder."""
    pixels = photo(seed)
    wanted = model.recipe.preprocessing
    return timed("preprocessing", lambda: {"images": images.prepare(pixels, wanted)})


def looking(session: Session, signature: Signature, seed: int) -> Once:
    """The vision encoder."""
    inputs = random_inputs(signature, 1, seed)
    return timed("vision_encoder", lambda: session.run(inputs))


def projecting(
    session: Session, signature: Signature, length: int, branches: int, seed: int
) -> Once:
    """The projector: on hidden states, and for guidance on zeros in their place."""
    states = random_inputs(signature, 1, seed, N=length, B=1)
    nothing = {name: np.zeros_like(array) for name, array in states.items()}
    return timed("mcp", lambda: _each(session, [states, nothing][:branches]))


def stepping(session: Session, signature: Signature, length: int, branches: int, seed: int) -> Once:
    """The transformer on every branch: in one call, where it takes several rows."""
    row = random_inputs(signature, 1, seed, N=length, B=1)
    rows = signature[0].shape[0]
    calls = [row] * branches
    if not isinstance(rows, int) and branches <= rows.high:
        calls = [{name: np.concatenate([array] * branches) for name, array in row.items()}]
    return timed("dit", lambda: _each(session, calls))


def decoding(session: Session, signature: Signature, scale: float, seed: int) -> Once:
    """The decoder, on a latent of noise."""
    latent = {name: a / np.float32(scale) for name, a in random_inputs(signature, 1, seed).items()}
    return timed("vae_decoder", lambda: session.run(latent))


def reading(llm: LanguageModelSession, prompt: Prompt, features: Array) -> Once:
    """A question with a picture, from its beginning."""
    return timed("llm", lambda: {"logits": llm.prefill(prompt.input_ids, features)[1]})


def conditioning(llm: LanguageModelSession, prompt: Prompt) -> Once:
    """The text of a picture, to hidden states."""
    return timed("llm", lambda: llm.run({"input_ids": prompt.input_ids}))


def answering(llm: LanguageModelSession, prompt: Prompt, features: Array, tokens: int) -> Once:
    """Tokens a second behind the first, whatever they say."""

    def once() -> float:
        logits: Any = llm.prefill(prompt.input_ids, features)[1]
        started = time.perf_counter()
        for _ in range(tokens):
            logits = llm.step(int(logits.argmax()))
        seconds = time.perf_counter() - started
        check("llm", {"logits": logits})
        return tokens / seconds

    return once


def first_text(
    model: Model,
    encoder: Session,
    llm: LanguageModelSession,
    tokens: int,
    seed: int,
    wordless: Callable[[], None],
) -> Once:
    """From a photograph to the first piece of text.

    A model that says nothing in ``tokens`` tokens, as one of random weights may, is timed to its
    first token, and ``wordless`` is called.
    """
    pixels = photo(seed)
    wanted = model.recipe.preprocessing
    question(model, tokens)  # the tokenizer's files are read when it is first asked

    def once() -> float:
        streamer = Streamer(model.tokenizer)
        started = time.perf_counter()
        prompt = question(model, tokens)
        prepared = images.prepare(pixels, wanted)[None]
        features = encoder.run({"images": prepared})["image_features"]
        logits: Any = llm.prefill(prompt.input_ids, features)[1]
        seconds = []
        while True:
            token = int(logits.argmax())
            text = streamer.push(token)
            seconds.append(time.perf_counter() - started)
            if text or len(seconds) > tokens:
                break
            logits = llm.step(token)
        check("llm", {"logits": logits})
        if not text:
            wordless()
        return seconds[-1 if text else 0]

    return once


def drawing(model: Model, components: LoadedComponents, how: Drawing, loading: list[float]) -> Once:
    """A picture; what had to be loaded for it goes to ``loading`` and does not count."""

    def once() -> float:
        components.waited = 0.0
        started = time.perf_counter()
        picture = generate.generate(model, PROMPT, how)
        seconds = time.perf_counter() - started
        loading.append(components.waited)
        check("the picture", {"image": picture.image})
        return seconds - components.waited

    return once


def question(model: Model, tokens: int) -> Prompt:
    """What is asked, with room for the answer behind it."""
    image_tokens = model.recipe.preprocessing.num_tokens
    return model.prompter.ask(QUESTION, model.longest_text - tokens, image_tokens)


def caption(model: Model) -> Prompt:
    """What is drawn."""
    return model.prompter.generate(PROMPT, model.longest_conditioning)


def features(signature: Signature, seed: int) -> NDArray[np.float32]:
    """Image features [1, M, F] of noise: no language model is faster on others."""
    (shape,) = (spec.at() for spec in signature if spec.name == "image_features")
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def photo(seed: int) -> NDArray[np.uint8]:
    """A picture [H, W, 3] of noise: no encoder is faster on another."""
    return np.random.default_rng(seed).integers(0, 256, (*PHOTO, 3), dtype=np.uint8)


def _each(session: Session, calls: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The outputs of all calls."""
    found = [session.run(inputs) for inputs in calls]
    return {f"{name} {n + 1}": a for n, outputs in enumerate(found) for name, a in outputs.items()}
