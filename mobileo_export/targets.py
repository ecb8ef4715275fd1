"""The targets of an export: for each, the form that a component's artifact takes.

``ios`` is four Core ML packages and an MLX folder; ``jetson`` is ONNX for TensorRT, in which the
language model is a folder too. File names are those of the registry, with another suffix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mobileo_export.components import ArtifactKind, ComponentSpec, Dim, Target, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mobileo_export.checkpoint.model_config import ModelConfig

# How many positions the language model has on the board: an edit of the longest conditioning, or
# a picture, a long question and 256 new tokens. Its keys and values are allocated for all of them.
CONTEXT = 1024
# Guidance takes two branches; one call for both reads the weights once.
GUIDED = Dim("B", 1, 2, 1)


@dataclass(frozen=True)
class Form:
    """Where a component's artifact lies in a bundle, and what it is."""

    path: str
    kind: ArtifactKind


def form(spec: ComponentSpec, target: Target) -> Form:
    """The artifact of ``spec`` in a bundle for ``target``."""
    if target == "ios":
        return Form(spec.artifact, spec.kind)
    path = PurePosixPath(spec.artifact)
    return Form(str(path.with_suffix(".onnx") if path.suffix else path), "onnx")


def kind(spec: ComponentSpec, artifact: Mapping[str, Any]) -> ArtifactKind:
    """What the ``artifact`` of a manifest, of the component ``spec``, is."""
    target: Target = artifact["target"]
    return form(spec, target).kind


def inputs(spec: ComponentSpec, model: ModelConfig, target: Target) -> tuple[TensorSpec, ...]:
    """The inputs of ``spec`` for ``target``.

    For ``jetson`` the DiT takes one or two rows, and the language model at most
    :data:`CONTEXT` ids.
    """
    return tuple(_for_target(tensor, spec, target) for tensor in spec.inputs(model))


def outputs(spec: ComponentSpec, model: ModelConfig, target: Target) -> tuple[TensorSpec, ...]:
    """The outputs of ``spec`` for ``target``, see :func:`inputs`."""
    return tuple(_for_target(tensor, spec, target) for tensor in spec.outputs(model))


def context(model: ModelConfig) -> int:
    """Positions of the language model on the board."""
    return min(CONTEXT, model.llm.max_position_embeddings)


def _for_target(tensor: TensorSpec, spec: ComponentSpec, target: Target) -> TensorSpec:
    if target == "ios":
        return tensor
    if spec.name == "dit":
        return replace(tensor, shape=(GUIDED, *tensor.shape[1:]))
    if tensor.name == "input_ids":
        length = tensor.shape[1]
        assert isinstance(length, Dim)
        return replace(tensor, shape=(1, replace(length, high=min(CONTEXT, length.high))))
    return tensor
