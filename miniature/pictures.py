"""Scenes as the networks take them, and what is kept of them: latents and features."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from miniature import lessons, trainer
from mobileo_export.evaluation import language, scenes
from mobileo_export.evaluation.language import Edit
from mobileo_export.evaluation.scenes import BACKGROUNDS, COLORS, SHAPES, Scene
from mobileo_export.pipelines import images
from mobileo_export.recipe import Preprocessing

_BATCH = 64


@dataclass(frozen=True)
class EditPair:
    """A scene and an edit of it; neither scene is held out."""

    source: Scene
    edit: Edit


def edit_pairs(seed: str, count: int) -> list[EditPair]:
    """The same pairs for the same seed."""
    rng = random.Random(seed)
    pairs: list[EditPair] = []
    while len(pairs) < count:
        source = lessons.trainable(rng)
        allowed = [e for e in language.edits(source, rng) if not lessons.held_out(e.result)]
        # Edits of the background are possible everywhere: the others first.
        allowed.sort(key=lambda edit: edit.kind == "background" and rng.random() < 0.8)
        if allowed:
            pairs.append(EditPair(source, allowed[0]))
    return pairs


def targets(pictures: Sequence[Scene]) -> torch.Tensor:
    """What the autoencoder takes and gives: [B, 3, SIZE, SIZE] in −1 to 1."""
    pixels = np.stack([scenes.draw(scene) for scene in pictures]).astype(np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def inputs(pictures: Sequence[Scene], preprocessing: Preprocessing) -> torch.Tensor:
    """What the vision tower takes, [B, 3, S, S] in 0 to 1: prepared as the pipelines do."""
    prepared = [images.prepare(scenes.draw(scene), preprocessing) for scene in pictures]
    return torch.from_numpy(np.stack(prepared))


def cells(pictures: Sequence[Scene], side: int) -> torch.Tensor:
    """What lies in each cell of the tower's grid, [B, side², labels] in 0 to 1.

    The share of the cell that each color and each shape covers, then the background.
    """
    labels = np.zeros((len(pictures), side, side, len(COLORS) + len(SHAPES) + len(BACKGROUNDS)))
    colors, shapes = list(COLORS), list(SHAPES)
    step = scenes.SIZE // side
    for row, scene in enumerate(pictures):
        for thing in scene.things:
            cover = scenes.coverage(thing.shape, thing.x, thing.y, thing.radius)
            share = cover.reshape(side, step, side, step).mean(axis=(1, 3))
            labels[row, :, :, colors.index(thing.color)] += share
            labels[row, :, :, len(colors) + shapes.index(thing.shape)] += share
        labels[row, :, :, len(colors) + len(shapes) + list(BACKGROUNDS).index(scene.background)] = 1
    return torch.from_numpy(labels.reshape(len(pictures), side * side, -1)).float().clamp(0, 1)


@torch.no_grad()
def latents(vae: nn.Module, pictures: Sequence[Scene]) -> torch.Tensor:
    """[B, C, S, S], as the encoder gives them."""
    parts = [
        vae.encode(targets(pictures[start : start + _BATCH]), return_dict=False)[0]  # type: ignore[operator]
        for start in range(0, len(pictures), _BATCH)
    ]
    return torch.cat(parts)


@torch.no_grad()
def features(
    tower: nn.Module, pictures: Sequence[Scene], preprocessing: Preprocessing
) -> torch.Tensor:
    """[B, M, F] float32, by the tower in inference form."""
    parts = [
        tower(inputs(pictures[start : start + _BATCH], preprocessing))
        for start in range(0, len(pictures), _BATCH)
    ]
    return torch.cat(parts)


def cached(path: Path, make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """A tensor that is computed once and kept in a file."""
    if not path.is_file():
        trainer.write(path, make())
    kept: torch.Tensor = torch.load(path, weights_only=True)
    return kept
