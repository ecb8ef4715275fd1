"""Drawing against the published loop written with torch and diffusers, and what it would catch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export import recipe as recipes
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import metrics
from mobileo_export.pipelines import drawing as drawings
from mobileo_export.pipelines import generate, images, noise
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import Event, Model, open_model
from mobileo_export.pipelines.schedule import NumpySolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

CAPTION = "two red circles on the left"
STEPS = 6


@pytest.fixture(scope="session")
def hidden_states(reference: Model) -> NDArray[np.float32]:
    """Those of a real prompt, from the reference."""
    prompt = reference.prompter.generate(CAPTION, 768)
    with reference.language_model() as llm:
        states: Any = llm.run({"input_ids": prompt.input_ids})["stacked_hidden_states"]
    return states


@pytest.fixture(scope="session")
def published(tiny_checkpoint: Path, hidden_states: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image by the published loop: one call of two rows a step, diffusers' scheduler."""
    import torch
    from diffusers import DPMSolverMultistepScheduler

    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import COMPONENTS

    checkpoint = Checkpoint.open(tiny_checkpoint)
    mcp, dit, vae = (
        COMPONENTS[name].reference(checkpoint, "released") for name in ("mcp", "dit", "vae_decoder")
    )
    scheduler = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
    )
    scheduler.set_timesteps(STEPS)
    states = torch.from_numpy(hidden_states)
    scaling = checkpoint.model.diffusion.vae.scaling_factor
    with torch.inference_mode():
        conditioning = mcp(torch.cat([torch.zeros_like(states), states]))
        mask = torch.ones(conditioning.shape[:2])
        shape = latent_shape(checkpoint)
        latent = torch.from_numpy(noise.normal(5, shape))
        for timestep in scheduler.timesteps:
            both = torch.cat([latent, latent])
            velocity = dit(both, timestep.float().expand(2), conditioning, mask)
            unconditional, conditional = velocity.chunk(2)
            guided = unconditional + 1.5 * (conditional - unconditional)
            latent = scheduler.step(guided, timestep, latent, return_dict=False)[0]
        image: NDArray[np.float32] = vae(latent / scaling).numpy()
    return image


def latent_shape(checkpoint: Any) -> tuple[int, ...]:
    dit = checkpoint.model.diffusion.dit
    return (1, dit.in_channels, dit.sample_size, dit.sample_size)


def psnr(first: NDArray[Any], second: NDArray[Any]) -> float:
    return metrics.compare(first, second, "image").psnr


def test_the_reference_draws_as_published(
    reference: Model, hidden_states: NDArray[np.float32], published: NDArray[np.float32]
) -> None:
    image = drawings.draw(reference, hidden_states, Drawing(STEPS, 1.5, 5))
    assert psnr(published, image) > 90


def test_the_artifacts_draw_the_same(
    artifacts: Model, hidden_states: NDArray[np.float32], published: NDArray[np.float32]
) -> None:
    image = drawings.draw(artifacts, hidden_states, Drawing(STEPS, 1.5, 5))
    assert psnr(published, image) > 60
    assert np.abs(images.to_pixels(image).astype(int) - images.to_pixels(published)).max() <= 1


class _Aliased:
    """A DiT whose second branch reads the buffer of the first."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._first: Any = None

    def run(self, inputs: Any) -> Any:
        if self._first is None:
            self._first = self._session.run(inputs)
            return self._first
        first, self._first = self._first, None
        return first

    def close(self) -> None:
        pass


class _Late:
    """A DiT that is told the next smaller timestep."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, inputs: Any) -> Any:
        return self._session.run({**inputs, "timestep": inputs["timestep"] - 1})

    def close(self) -> None:
        pass


def mutated(model: Model, wrap: Callable[[Any], Any]) -> Model:
    def opened(name: str) -> Any:
        session = model.open_component(name)
        return wrap(session) if name == "dit" else session

    return replace(model, open_component=opened, keep=False, _sessions={})


@pytest.mark.parametrize("wrap", [_Aliased, _Late])
def test_the_chain_gate_catches(
    wrap: Callable[[Any], Any],
    artifacts: Model,
    hidden_states: NDArray[np.float32],
    published: NDArray[np.float32],
) -> None:
    broken = mutated(artifacts, wrap)
    image = drawings.draw(broken, hidden_states, Drawing(STEPS, 1.5, 5))
    assert psnr(published, image) < 60


def test_guidance_of_one_runs_one_branch(artifacts: Model) -> None:
    events: list[Event] = []
    generate.generate(artifacts, CAPTION, Drawing(3, 1.0), observe=events.append)
    assert {event.branch for event in events if event.stage in {"mcp", "dit"}} == {"conditional"}
    assert sum(event.stage == "dit" for event in events) == 3


def test_guidance_near_one_is_near_it(artifacts: Model, hidden_states: NDArray[np.float32]) -> None:
    one = drawings.draw(artifacts, hidden_states, Drawing(3, 1.0))
    nearly = drawings.draw(artifacts, hidden_states, Drawing(3, 1.00001))
    assert psnr(one, nearly) > 60


def test_every_call_is_observed(artifacts: Model) -> None:
    events: list[Event] = []
    picture = generate.generate(artifacts, CAPTION, Drawing(2, 1.5, 3), observe=events.append)
    seen = [(event.stage, event.branch, event.step) for event in events]
    assert seen == [
        ("llm", None, None),
        ("mcp", "conditional", None),
        ("mcp", "unconditional", None),
        ("noise", None, None),
        ("dit", "conditional", 0),
        ("dit", "unconditional", 0),
        ("solver", None, 0),
        ("dit", "conditional", 1),
        ("dit", "unconditional", 1),
        ("solver", None, 1),
        ("vae_decoder", None, None),
        ("pixels", None, None),
    ]
    zeros = events[2].arrays["stacked_hidden_states"]
    assert not np.any(zeros)
    assert zeros.shape == events[1].arrays["stacked_hidden_states"].shape
    drawn = noise.normal(3, artifacts.recipe.latent.shape)
    assert np.array_equal(events[3].arrays["latent"], drawn)
    solver = NumpySolver(artifacts.recipe.sampling, 2)
    u: Any
    c: Any
    u, c = (events[i].arrays["velocity"] for i in (5, 4))
    guided = u + np.float32(1.5) * (c - u)
    latent = solver.step(guided, drawn)
    assert np.array_equal(events[6].arrays["latent"], latent)
    assert events[4].arrays["timestep"].tolist() == [solver.timesteps[0]]
    length = zeros.shape[2]
    for event in (events[4], events[5]):  # all zeros would weigh the tokens alike, too
        assert np.array_equal(event.arrays["encoder_attention_mask"], np.ones((1, length)))
    latent_found: Any = events[9].arrays["latent"]
    scaled = latent_found / np.float32(artifacts.recipe.latent.scaling_factor)
    assert np.array_equal(events[10].arrays["latent"], scaled)
    assert np.array_equal(events[11].arrays["pixels"], picture.pixels)


def test_the_same_seed_draws_the_same_picture_and_another_another(artifacts: Model) -> None:
    first, again, other = (
        generate.generate(artifacts, CAPTION, Drawing(2, 1.5, seed)).image for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert psnr(first, other) < 30


def test_an_edit_sees_the_picture(artifacts: Model) -> None:
    random = np.random.default_rng(0)
    photos = random.integers(0, 256, (2, 20, 30, 3), np.uint8)
    events: list[Event] = []
    drawing = Drawing(2, 1.5)
    first = generate.edit(artifacts, photos[0], "make it blue", drawing, observe=events.append)
    second = generate.edit(artifacts, photos[1], "make it blue", drawing)
    assert not np.array_equal(first.image, second.image)
    stages = {event.stage: event for event in events}
    seen = stages["llm"].arrays
    tokens = artifacts.recipe.preprocessing.num_tokens
    length = seen["stacked_hidden_states"].shape[2]
    assert length == first.input_ids.shape[1] - 1 + tokens
    features = stages["vision_encoder"].arrays["image_features"]
    assert np.array_equal(seen["image_features"], features)


def test_a_long_text_is_cut_to_what_the_projector_takes(artifacts: Model) -> None:
    picture = generate.generate(artifacts, "one two three " * 500, Drawing(1, 1.0))
    assert picture.input_ids.shape[1] <= artifacts.longest_conditioning == 768
    assert picture.cut > 0


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"steps": 0}, "0 steps: choose 1 to 500"),
        ({"steps": 501}, "501 steps"),
        ({"guidance": 0.5}, r"guidance 0.5: choose 1 \(none\) to 30"),
        ({"guidance": float("nan")}, "guidance nan"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_numbers_out_of_range_are_refused(
    artifacts: Model, numbers: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Drawing.of(artifacts.recipe, **numbers)


def test_the_recipe_fills_in_its_numbers(artifacts: Model) -> None:
    assert Drawing.of(artifacts.recipe) == Drawing(20, 1.5, 0)


def test_a_bundle_gives_the_recipe_of_its_checkpoint(reference: Model, artifacts: Model) -> None:
    assert artifacts.recipe == reference.recipe
    assert isinstance(artifacts.recipe, recipes.Recipe)
    assert hash(artifacts.recipe)  # tuples all the way down, not JSON's lists


def test_a_missing_component_is_named_before_anything_is_loaded(artifacts: Model) -> None:
    signatures = {k: v for k, v in artifacts.signatures.items() if k not in {"dit", "mcp"}}
    part = replace(artifacts, signatures=signatures, _sessions={})
    with pytest.raises(BundleError, match="has no mcp and no dit; export it again without --only"):
        generate.generate(part, CAPTION)


def test_runtimes_that_do_not_go_with_the_source(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="runs on the torch runtime only"):
        open_model(str(tiny_checkpoint), "mil")
    with pytest.raises(UsageError):
        open_model(str(tiny_bundle), "torch")
    with pytest.raises(UsageError, match="a bundle holds one set"):
        open_model(str(tiny_bundle), weights="post-trained")


def test_components_are_released_after_use(tiny_bundle: Path) -> None:
    closed: list[str] = []

    class Counted:
        def __init__(self, name: str, session: Any) -> None:
            self._name, self._session = name, session

        def run(self, inputs: Any) -> Any:
            assert set(closed) >= set(order[: order.index(self._name)])
            return self._session.run(inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def close(self) -> None:
            closed.append(self._name)
            self._session.close()

    order = ["llm", "mcp", "dit", "vae_decoder"]
    model = open_model(str(tiny_bundle), "mlx-dequantized")
    load = model.open_component
    model.open_component = lambda name: load(name) if name == "llm" else Counted(name, load(name))
    order.remove("llm")
    generate.generate(model, CAPTION, Drawing(1, 1.5))
    assert closed == order


def test_scheduler_noise_prompts_and_pictures_need_no_torch() -> None:
    code = (
        "import sys\n"
        "import mobileo_export.pipelines.generate, mobileo_export.pipelines.answer\n"
        "from mobileo_export.pipelines import noise, schedule, images\n"
        "from mobileo_export.recipe import ImageSampling\n"
        "import numpy as np\n"
        "solver = schedule.NumpySolver(ImageSampling(3.0, 1000), 4)\n"
        "latent = noise.normal(0, (1, 4, 8, 8))\n"
        "solver.step(latent, latent)\n"
        "images.to_pixels(latent[:, :3])\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'coremltools', 'mlx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
