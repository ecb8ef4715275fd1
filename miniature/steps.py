"""What is done in which order, each step from what the steps before have left in the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from miniature import (
    assembly,
    autoencoding,
    drawing,
    gates,
    joining,
    lessons,
    pictures,
    texts,
    trainer,
    understanding,
)
from miniature.sizes import Stage
from miniature.workshop import Workshop

# How much of the temperature's way down the stages go.
_ALIGN_PART = 0.45


def _tokenizer(shop: Workshop) -> None:
    if not (shop.tokenizer / "tokenizer.json").is_file():
        texts.write_tokenizer(shop.tokenizer, shop.unscaled.llm.vocab_size)


def _vae(shop: Workshop) -> None:
    shop.seed("vae")
    shop.train(autoencoding.Autoencoding(shop.unscaled, shop.plan.vae, shop.workers))


def _vae_gate(shop: Workshop) -> None:
    drawn = lessons.many("vae gate", 4 * shop.plan.judged)
    judged = autoencoding.judged(shop.vae(), drawn)
    gates.record(shop.folder / "vae", {"reconstructed": judged})


def _vlm(shop: Workshop) -> None:
    shop.seed("vlm")
    shop.train(
        understanding.Seeing(
            shop.unscaled, shop.plan.vlm, shop.workers, shop.source, shop.preprocessing
        )
    )


def _answers(shop: Workshop) -> None:
    module = shop.seeing().language.requires_grad_(True)
    shop.train(
        understanding.Answering(
            shop.plan.answers, shop.workers, shop.source, module, shop.drawn, shop.features()
        )
    )


def _align(shop: Workshop) -> None:
    shop.seed("align")
    shop.train(_drawing(shop, "align", shop.plan.align, (0.0, _ALIGN_PART)))


def _tune(shop: Workshop) -> None:
    task = _drawing(shop, "tune", shop.plan.tune, (_ALIGN_PART, 1.0))
    trainer.load_trained(task.trained, shop.folder / "align")
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
    drawn = lessons.many("align gate", shop.plan.judged)
    latents = pictures.latents(shop.vae(), drawn) * shop.model().diffusion.vae.scaling_factor
    drawer = shop.drawer("align").eval()
    heard = drawing.heard(drawer, shop.reader(), shop.source, drawn, latents)
    gates.record(shop.folder / "align", {"heard": heard})


def _answers_gate(shop: Workshop) -> None:
    apart = understanding.told_apart(shop.reader(), shop.source)
    _judge(shop, "answers", {"apart": apart})


def _judge(shop: Workshop, stage: str, also: Mapping[str, float] | None = None) -> None:
    folder = shop.assemble(stage)
    gates.judge(folder, shop.folder / stage, shop.plan.judged, shop.say, also)


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


STEPS: dict[str, Callable[[Workshop], object]] = {
    "tokenizer": _tokenizer,
    "vae": _vae,
    "vae-gate": _vae_gate,
    "latents": Workshop.latents,
    "vlm": _vlm,
    "features": Workshop.features,
    "edit-features": Workshop.edit_features,
    "answers": _answers,
    "answers-gate": _answers_gate,
    "align": _align,
    "align-gate": _align_gate,
    "tune": _tune,
    "tune-gate": lambda shop: _judge(shop, "tune"),
    "joint": _joint,
    "joint-gate": _joint_gate,
}
# Side by side at first, then all workers together.
LANES = (
    (("tokenizer",),),
    (("vae", "vae-gate", "latents"), ("vlm",)),
    (("features",), ("edit-features",)),
    (("answers",),),
    (("answers-gate",),),
    (("align",),),
    (("align-gate",),),
    (("tune",),),
    (("tune-gate",),),
    (("joint",),),
    (("joint-gate",),),
)
SHARED = frozenset({"answers", "align", "tune", "joint"})
