"""What is done in which order, each step from what the steps before have left in the folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from miniature import (
    assembly,
    autoencoding,
    drawing,
    gates,
    joining,
    lora,
    modules,
    pictures,
    sizes,
    texts,
    trainer,
    understanding,
)
from miniature.drawing import Library
from miniature.modules import Drawer, Tensors, VisionLanguage
from miniature.sizes import Plan, Stage
from miniature.texts import Texts
from miniature.trainer import Workers
from mobileo_export.checkpoint import Checkpoint
from mobileo_export.evaluation import scenes
from mobileo_export.model_config import MCP, PROJECTOR, ModelConfig
from mobileo_export.recipe import Preprocessing
from mobileo_export.reference import dit, llm, vision_encoder

# How much of the temperature's way down the stages go.
_ALIGN_PART = 0.45


@dataclass
class Workshop:
    """A folder in which the miniature is made, and the process that works there now."""

    folder: Path
    plan: Plan
    workers: Workers = field(default_factory=Workers)
    stop_at: int | None = None
    say: Callable[[str], None] = print

    def seed(self, name: str) -> None:
        """Make the values that networks are built with the same in every process and run."""
        torch.manual_seed(trainer.Chance.of(self.plan.seed, name).noise.initial_seed())

    @cached_property
    def unscaled(self) -> ModelConfig:
        """The dimensions."""
        return sizes.model()

    @cached_property
    def source(self) -> Texts:
        """Makes texts; writes the tokenizer if there is none yet."""
        return Texts(self.tokenizer, self.unscaled.vision.num_tokens)

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer."""
        return self.folder / "tokenizer"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """Of pictures that are looked at."""
        vision = self.unscaled.vision
        return Preprocessing(vision.image_size, vision.num_tokens)

    @cached_property
    def drawn(self) -> list[scenes.Scene]:
        """The scenes of stages 1 to 3."""
        return scenes.many("scenes", self.plan.scenes)

    @cached_property
    def edits(self) -> list[pictures.EditPair]:
        """The edits of stages 2 and 3."""
        return pictures.edit_pairs("edits", self.plan.edits)

    def train(self, task: trainer.Task) -> None:
        """Train a stage to its end."""
        folder = self.folder / task.name
        trainer.train(task, folder, self.plan.seed, self.workers, self.stop_at, self.say)

    # --- what was trained

    def vae(self) -> torch.nn.Module:
        """The autoencoder of stage 0a."""
        module = modules.autoencoder(self.unscaled)
        trainer.load_trained(module, self.folder / "vae")
        return module.eval().requires_grad_(False)

    def seeing(self) -> VisionLanguage:
        """The networks of the first half of 0b."""
        module = VisionLanguage(self.unscaled, self.source.image_token_id)
        trainer.load_trained(module, self.folder / "vlm")
        return module.requires_grad_(False).eval()

    def tower(self) -> vision_encoder.VisionEncoder:
        """The vision tower in inference form."""
        return modules.fold(self.seeing().vision)

    def reader(self) -> llm.LanguageModel:
        """The language model and projector of 0b."""
        module = modules.language(self.unscaled, lambda: self.source.image_token_id)
        trainer.load_trained(module, self.folder / "answers")
        return module.eval().requires_grad_(False)

    def features(self) -> torch.Tensor:
        """Of the scenes: [P, M, F] float16."""
        return pictures.cached(
            self.folder / "cache" / "features.pt",
            lambda: pictures.features(self.tower(), self.drawn, self.preprocessing).half(),
        )

    def edit_features(self) -> torch.Tensor:
        """Of the pictures that are edited."""
        sources = [pair.source for pair in self.edits]
        return pictures.cached(
            self.folder / "cache" / "edit_features.pt",
            lambda: pictures.features(self.tower(), sources, self.preprocessing).half(),
        )

    def latents(self) -> dict[str, torch.Tensor]:
        """Of the scenes and of edited ones, as the encoder gives them."""
        return {
            name: pictures.cached(
                self.folder / "cache" / f"{name}.pt",
                lambda wanted=wanted: pictures.latents(self.vae(), wanted),  # type: ignore[misc]
            )
            for name, wanted in (
                ("latents", self.drawn),
                ("edited", [pair.edit.result for pair in self.edits]),
            )
        }

    def model(self) -> ModelConfig:
        """The dimensions with the scaling factor that gives the latents unit size."""
        factor = round(1 / float(self.latents()["latents"].std()), 5)
        return sizes.scaled(self.unscaled, factor)

    def library(self) -> Library:
        """What stages 1 to 3 draw."""
        latents, factor = self.latents(), self.model().diffusion.vae.scaling_factor
        return Library(
            self.drawn,
            latents["latents"] * factor,
            self.edits,
            latents["edited"] * factor,
            self.edit_features(),
        )

    def drawer(self, stage: str) -> Drawer:
        """MCP and DiT after a stage."""
        module = Drawer(self.unscaled)
        trainer.load_trained(module, self.folder / stage)
        return module

    def checkpoint(self, stage: str) -> Path:
        """The checkpoint of a stage (``answers`` draws at random)."""
        if stage == "joint":
            return self.folder / "checkpoint"
        return self.folder / stage / "checkpoint"

    def assemble(self, stage: str) -> Path:
        """Write :meth:`checkpoint` of the stages before stage 3."""
        self.seed("assemble")
        model = self.model()
        drawer = Drawer(model) if stage == "answers" else self.drawer(stage)
        tensors: Tensors = {
            **modules.vae_tensors(self.vae()),
            **modules.vision_tensors(self.tower(), model.vision),
            **modules.language_tensors(self.reader(), model),
            **modules.drawer_tensors(drawer),
        }
        return assembly.write(self.checkpoint(stage), model, self.tokenizer, tensors)

    def joint(self) -> joining.Joint:
        """The networks of stage 3 with the values that its base stores."""
        base = Checkpoint.open(self.checkpoint("brief"))
        drawer = Drawer(self.unscaled)
        drawer.mcp.load_state_dict(_under(assembly.read(base, (MCP,)), MCP))
        drawer.dit.load_state_dict(_under(assembly.read(base, (dit.PREFIX,)), dit.PREFIX))
        reader = llm.build(base, "released")
        return joining.Joint(reader, drawer)

    def merge(self) -> Path:
        """Save stage 3 as PEFT does, and merge it by our own ``merge-lora``."""
        module = self.joint()
        trainer.load_trained(module, self.folder / "joint")
        projector = module.language.projector.state_dict()
        others = {PROJECTOR + name: tensor for name, tensor in projector.items()}
        others |= modules.drawer_tensors(module.drawer)
        base, adapter = self.checkpoint("brief"), self.folder / "joint" / "adapter"
        lora.save(adapter, module.language, others, base.name)
        return assembly.promote(base, adapter, self.checkpoint("joint"))


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _tokenizer(shop: Workshop) -> None:
    if not (shop.tokenizer / "tokenizer.json").is_file():
        texts.write_tokenizer(shop.tokenizer, shop.unscaled.llm.vocab_size)


def _vae(shop: Workshop) -> None:
    shop.seed("vae")
    shop.train(autoencoding.Autoencoding(shop.unscaled, shop.plan.vae, shop.workers))


def _vae_gate(shop: Workshop) -> None:
    drawn = scenes.many("vae gate", 4 * shop.plan.judged)
    judged = autoencoding.judged(shop.vae(), drawn)
    gates.record(shop.folder / "vae", {"reconstructed": judged})


def _latents(shop: Workshop) -> None:
    shop.latents()


def _vlm(shop: Workshop) -> None:
    shop.seed("vlm")
    shop.train(
        understanding.Seeing(
            shop.unscaled, shop.plan.vlm, shop.workers, shop.source, shop.preprocessing
        )
    )


def _features(shop: Workshop) -> None:
    shop.features()
    shop.edit_features()


def _answers(shop: Workshop) -> None:
    module = shop.seeing().language.requires_grad_(True)
    shop.train(
        understanding.Answering(
            shop.plan.answers, shop.workers, shop.source, module, shop.drawn, shop.features()
        )
    )


def _answers_gate(shop: Workshop) -> None:
    _judge(shop, "answers")


def _align(shop: Workshop) -> None:
    shop.seed("align")
    shop.train(_drawing(shop, "align", shop.plan.align, (0.0, _ALIGN_PART)))


def _tune(shop: Workshop) -> None:
    task = _drawing(shop, "tune", shop.plan.tune, (_ALIGN_PART, 1.0))
    trainer.load_trained(task.trained, shop.folder / "align")
    shop.train(task)


def _brief(shop: Workshop) -> None:
    task = _drawing(shop, "brief", shop.plan.brief, (1.0, 1.0))
    trainer.load_trained(task.trained, shop.folder / "tune")
    shop.train(task)


def _drawing(
    shop: Workshop, name: str, stage: Stage, annealed: tuple[float, float]
) -> drawing.Drawing:
    return drawing.Drawing(
        name,
        shop.unscaled,
        stage,
        shop.workers,
        shop.source,
        shop.reader(),
        shop.library(),
        annealed,
    )


def _align_gate(shop: Workshop) -> None:
    drawn = scenes.many("align gate", shop.plan.judged)
    latents = pictures.latents(shop.vae(), drawn) * shop.model().diffusion.vae.scaling_factor
    drawer = shop.drawer("align").eval()
    heard = drawing.heard(drawer, shop.reader(), shop.source, drawn, latents)
    gates.record(shop.folder / "align", {"heard": heard})


def _tune_gate(shop: Workshop) -> None:
    _judge(shop, "tune")


def _brief_gate(shop: Workshop) -> None:
    _judge(shop, "brief")


def _judge(shop: Workshop, stage: str) -> None:
    shop.assemble(stage)
    gates.judge(shop.checkpoint(stage), shop.folder / stage, shop.plan.judged, shop.say)


def _joint(shop: Workshop) -> None:
    shop.seed("joint")
    shop.train(
        joining.Joining(
            shop.plan.joint,
            shop.workers,
            shop.source,
            shop.joint(),
            shop.library(),
            shop.features(),
        )
    )


def _joint_gate(shop: Workshop) -> None:
    folder = shop.merge()
    assembly.check(folder)
    gates.judge(folder, shop.folder / "joint", shop.plan.judged, shop.say)


STEPS: dict[str, Callable[[Workshop], None]] = {
    "tokenizer": _tokenizer,
    "vae": _vae,
    "vae-gate": _vae_gate,
    "latents": _latents,
    "vlm": _vlm,
    "features": _features,
    "answers": _answers,
    "answers-gate": _answers_gate,
    "align": _align,
    "align-gate": _align_gate,
    "tune": _tune,
    "tune-gate": _tune_gate,
    "brief": _brief,
    "brief-gate": _brief_gate,
    "joint": _joint,
    "joint-gate": _joint_gate,
}
# Side by side at first, then all workers together.
LANES = (
    (("tokenizer",),),
    (("vae", "vae-gate", "latents"), ("vlm", "features", "answers")),
    (("answers-gate",),),
    (("align",),),
    (("align-gate",),),
    (("tune",),),
    (("tune-gate",),),
    (("brief",),),
    (("brief-gate",),),
    (("joint",),),
    (("joint-gate",),),
)
SHARED = frozenset({"align", "tune", "brief", "joint"})
