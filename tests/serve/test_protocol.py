"""Every endpoint, compared with the same call in this process: equal to the bit."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export.components import COMPONENTS, Dim
from mobileo_export.pipelines import answer, generate, images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Model, open_model

from .client import Running

MOST_SESSIONS = 8


@pytest.fixture(scope="module")
def model(tiny_bundle: Path) -> Iterator[Model]:
    with open_model(str(tiny_bundle), keep=True) as opened:
        yield opened


def inputs(model: Model, name: str) -> dict[str, Any]:
    """Arrays that fit the signature, the optional ones left out."""
    random = np.random.default_rng(5)
    found: dict[str, Any] = {}
    for spec in model.signatures[name]:
        shape = [min(dim.high, 20) if isinstance(dim, Dim) else dim for dim in spec.shape]
        if spec.dtype == "int32":
            found[spec.name] = random.integers(0, 200, shape, dtype=np.int32)
        elif not spec.optional:
            found[spec.name] = random.random(shape, dtype=np.float32)
    return found


def same(left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert (value.dtype, value.shape) == (right[name].dtype, right[name].shape)
        assert value.tobytes() == right[name].tobytes(), name


def session(server: Running) -> str:
    opened = server("POST", "/llm/sessions")
    assert opened.status == 201
    key: str = opened.json()["session"]
    return f"/llm/sessions/{key}"


def picture(mode: str = "RGB", kind: str = "PNG", **options: Any) -> bytes:
    pixels = np.random.default_rng(4).integers(0, 256, (20, 30, len(mode)), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels, mode).save(data, kind, **options)
    return data.getvalue()


def test_what_executes_each_component_is_said(server: Running, model: Model) -> None:
    found = server("GET", "/components").json()
    assert {name: item["runtime"] for name, item in found.items()} == dict(model.runtimes)
    assert found["dit"] == {"runtime": "mil", "exact": True}
    assert server("POST", "/components").error(405, "method") == "/components: does not take POST"


def test_the_manifest_is_the_files_own_bytes(server: Running, tiny_bundle: Path) -> None:
    found = server("GET", "/manifest")
    assert found.status == 200
    assert found.body == (tiny_bundle / "manifest.json").read_bytes()
    assert server.told["source"] == str(tiny_bundle)
    assert server.told["runtimes"].keys() == set(server.told["components"]) == COMPONENTS.keys()
    assert server.told["page"] == f"http://{server.address}/#{server.token}"


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_a_component_computes_what_it_does_here(server: Running, model: Model, name: str) -> None:
    given = inputs(model, name)
    with model.session(name) as session:
        expected = session.run(given)
    same(server("POST", f"/components/{name}/run", given).arrays(), expected)
    binary = {"Content_Type": "application/octet-stream"}
    again = server("POST", f"/components/{name}/run", given, **binary)
    same(again.arrays(), expected)
    for _ in range(2):
        assert server("DELETE", f"/components/{name}").status == 204
    same(server("POST", f"/components/{name}/run", given).arrays(), expected)


def test_a_language_model_reads_with_features_and_without(server: Running, model: Model) -> None:
    token = model.recipe.text.image_token_id
    features = next(spec for spec in model.signatures["llm"] if spec.name == "image_features")
    shape = [dim for dim in features.shape if isinstance(dim, int)]
    given = {
        "input_ids": np.array([[5, token, 7, 9]], np.int32),
        "image_features": np.random.default_rng(6).random(shape, dtype=np.float32),
    }
    with model.language_model() as llm:
        expected = llm.prefill(given["input_ids"], given["image_features"])
        following = llm.step(11)
    key = session(server)
    names = ("stacked_hidden_states", "logits")
    read = server("POST", f"{key}/prefill", given).arrays()
    same(read, dict(zip(names, expected, strict=True)))
    step = server("POST", f"{key}/step", {"input_ids": np.array([[11]], np.int32)}).arrays()
    same(step, {"logits": following})
    assert server("DELETE", key).status == 204


def test_sessions_keep_what_they_read_to_themselves(server: Running, model: Model) -> None:
    prompts = [np.random.default_rng(n).integers(0, 200, (1, 9 + n), np.int32) for n in range(3)]
    tokens = np.random.default_rng(9).integers(0, 200, (3, 4), np.int32)
    expected = []
    for prompt, row in zip(prompts, tokens, strict=True):
        with model.language_model() as llm:
            llm.prefill(prompt)
            expected.append([llm.step(int(token)) for token in row])
    keys = [session(server) for _ in prompts]
    for key, prompt in zip(keys, prompts, strict=True):
        assert server("POST", f"{key}/prefill", {"input_ids": prompt}).status == 200
    for place in range(tokens.shape[1]):  # in turns
        for key, row, values in zip(keys, tokens, expected, strict=True):
            sent = {"input_ids": row[place : place + 1][None]}
            same(server("POST", f"{key}/step", sent).arrays(), {"logits": values[place]})
        # What needs no session is in the way of none.
        assert server("POST", "/components/llm/run", {"input_ids": prompts[0]}).status == 200
    for key in keys:
        assert server("DELETE", key).status == 204


def test_sessions_are_bounded_and_unknown_ones_named(server: Running) -> None:
    keys = [session(server) for _ in range(MOST_SESSIONS)]
    assert len(set(keys)) == MOST_SESSIONS
    message = server("POST", "/llm/sessions").error(429, "too_many_sessions")
    assert "8 sessions are open" in message
    step = {"input_ids": np.array([[1]], np.int32)}
    message = server("POST", f"{keys[0]}/step", step).error(400, "usage")
    assert message == "step: nothing was read yet; prefill a prompt first"
    assert server("DELETE", keys[0]).status == 204
    for method, path, body in (
        ("DELETE", keys[0], None),
        ("POST", f"{keys[0]}/step", step),
        ("POST", f"{keys[0]}/prefill", step),
    ):
        assert "no such session" in server(method, path, body).error(404, "not_found")
    assert server("DELETE", "/components/llm").status == 204  # its sessions end with it
    assert "llm released" in server("POST", f"{keys[1]}/step", step).error(404, "not_found")
    assert server("DELETE", session(server)).status == 204


@pytest.mark.parametrize(
    "data",
    [
        picture(),
        picture("RGBA"),
        picture("RGB", "JPEG", quality=80),
        picture("RGB", "WEBP"),
        picture("RGB", "TIFF", compression="tiff_lzw"),
        picture(
            "RGB", "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
        ),
    ],
    ids=["png", "alpha", "jpeg", "webp", "tiff", "turned"],
)
def test_a_picture_is_decoded_as_from_a_file(server: Running, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(data)
    found = server("POST", "/images", data, Content_Type="image/whatever").arrays()
    same(found, {"pixels": images.read(tmp_path / "picture")})


def pixels_of(event: dict[str, Any]) -> Any:
    with Image.open(io.BytesIO(base64.b64decode(event["png"]))) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("pipeline", ["generate", "edit"])
def test_a_picture_is_drawn_step_by_step(server: Running, model: Model, pipeline: str) -> None:
    drawing = Drawing.of(model.recipe, 4, 1.5, 2**64 - 1)
    asked: dict[str, Any] = {"seed": str(drawing.seed), "steps": 4, "guidance": 1.5}
    if pipeline == "generate":
        asked["prompt"] = "a cat"
        expected = generate.generate(model, "a cat", drawing)
    else:
        asked |= {"instruction": "a cat", "picture": base64.b64encode(picture()).decode()}
        expected = generate.edit(model, images.decode(picture()), "a cat", drawing)
    found = server("POST", f"/pipelines/{pipeline}", asked).events()
    assert found[0]["stage"] == "waiting"
    steps = [event for event in found if event["event"] == "step"]
    assert [event["step"] for event in steps] == [1, 2, 3, 4]
    previews = [event["preview"] for event in steps if event["preview"]]
    assert previews
    assert {preview["kind"] for preview in previews} <= {"decoded", "estimate"}
    assert all(pixels_of(preview).ndim == 3 for preview in previews)
    shown, done = found[-2:]
    assert (shown["event"], done["event"]) == ("picture", "done")
    assert np.array_equal(pixels_of(shown), expected.pixels)
    assert done["seed"] == str(2**64 - 1)
    assert done["seconds"] > 0


def test_answers_come_token_by_token(server: Running, model: Model) -> None:
    how = answer.Sampling.of(model.recipe, 0.7, 0.9, 12, 3)
    options: dict[str, Any] = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 12, "seed": 3}
    asked = {"picture": base64.b64encode(picture()).decode(), "question": "what?", **options}
    talked: dict[str, Any] = {"turns": ["My name is Ada.", "Hello.", "What is my name?"], **options}
    chat = answer.Chat(model, how, talked["turns"][:-1])
    for name, body, expected in (
        ("ask", asked, answer.ask(model, images.decode(picture()), "what?", how)),
        ("chat", talked, chat.send(talked["turns"][-1])),
    ):
        found = server("POST", f"/pipelines/{name}", body).events()
        done = found[-1]
        assert (done["event"], done["ended"]) == ("done", expected.ended)
        assert done["text"] == expected.text
        assert done["token_ids"] == list(expected.token_ids)
        texts = [event["text"] for event in found if event["event"] == "token"]
        assert "".join(texts) == expected.text
