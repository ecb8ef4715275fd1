"""The folder in which the miniature is made, and what the steps so far have left there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from miniature import (
    assembly,
    joining,
    lessons,
    lora,
    modules,
    pictures,
    sizes,
    trainer,
)
from miniature.drawing import Library
from miniature.modules import Drawer, Tensors, VisionLanguage
from miniature.sizes import Plan
from miniature.texts import Texts
from miniature.trainer import Workers
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.model_config import MCP, PROJECTOR, ModelConfig
from mobileo_export.evaluation import scenes
from mobileo_export.recipe import Preprocessing
from mobileo_export.reference import dit, llm, vision_encoder


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
        return lessons.many("scenes", self.plan.scenes)

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
            "latents": self._latents("latents", self.drawn),
            "edited": self._latents("edited", [pair.edit.result for pair in self.edits]),
        }

    def _latents(self, name: str, wanted: list[scenes.Scene]) -> torch.Tensor:
        return pictures.cached(
            self.folder / "cache" / f"{name}.pt", lambda: pictures.latents(self.vae(), wanted)
        )

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
        base = Checkpoint.open(self.checkpoint("tune"))
        drawer = Drawer(self.unscaled)
        drawer.mcp.load_state_dict(_under(assembly.read(base, (MCP,)), MCP))
        drawer.dit.load_state_dict(_under(assembly.read(base, (dit.PREFIX,)), dit.PREFIX))
        reader = llm.assemble(base.model, base, "released")
        return joining.Joint(reader, drawer)

    def merge(self) -> Path:
        """Save stage 3 as PEFT does, and merge it by our own ``merge-lora``."""
        module = self.joint()
        trainer.load_trained(module, self.folder / "joint")
        projector = module.language.projector.state_dict()
        others = {PROJECTOR + name: tensor for name, tensor in projector.items()}
        others |= modules.drawer_tensors(module.drawer)
        base, adapter = self.checkpoint("tune"), self.folder / "joint" / "adapter"
        lora.save(adapter, module.language, others, base.name)
        return assembly.promote(base, adapter, self.checkpoint("joint"))


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
