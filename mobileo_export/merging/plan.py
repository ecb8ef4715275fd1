"""What a merge will do, tensor by tensor: decided from names and shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from mobileo_export.checkpoint.folder import NESTED, Checkpoint, Weights
from mobileo_export.components import COMPONENTS, TRAINING_ONLY, check_foreign
from mobileo_export.errors import CheckpointError, UsageError
from mobileo_export.merging import names, tensors
from mobileo_export.merging.adapter import Adapter, LoraPair, grouped, stem
from mobileo_export.merging.tensors import StoredTensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mobileo_export.checkpoint.safetensors_file import Shape

_EMBEDDINGS, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


@dataclass(frozen=True)
class MergeStep:
    """How one tensor of the output is made: ``start`` is copied, or ``pair`` added to it."""

    name: str
    old: StoredTensor  # what the base holds at top level
    start: StoredTensor
    pair: LoraPair | None
    group: str | None  # under which a change is reported; None for a plain copy

    @property
    def dtype(self) -> str:
        """The output's: the base's, whatever the training used."""
        return self.old.dtype


@dataclass(frozen=True)
class MergePlan:
    """All steps, in the base's order."""

    steps: tuple[MergeStep, ...]
    untied: bool  # the base shares embeddings and head, the output does not
    warnings: tuple[str, ...]

    def layout(self) -> dict[str, tuple[str, Shape]]:
        """Dtype and shape of every tensor of the output."""
        return {step.name: (step.dtype, step.old.shape) for step in self.steps}


def plan(base: Checkpoint, adapter: Adapter | None, weights: Weights) -> MergePlan:
    """Match every trained tensor with the base.

    Raises:
        UsageError: there is nothing to merge.
        CheckpointError: the base is no complete Mobile-O, or a trained tensor fits nothing in it.
    """
    if adapter is None and weights == "released":
        raise UsageError(
            "nothing to merge: name an --adapter, or --weights post-trained to put the nested "
            "copies in the place of the top-level weights"
        )
    base.require_weights(weights)
    for component in COMPONENTS.values():
        component.check(base)
    check_foreign(base)
    old = {name: tensors.of(info) for name, info in base.top_level.items()}
    start = {**old, **_nested(base, old)} if weights == "post-trained" else dict(old)
    tied = base.model.llm.tie_word_embeddings
    targets = {**old, _HEAD: old[_EMBEDDINGS]} if tied else old
    pairs: dict[str, LoraPair] = {}
    whole: dict[str, StoredTensor] = {}
    if adapter is not None:
        for pair in adapter.pairs:
            target = _target(pair.module + ".weight", pair.a, targets, pairs)
            if not pair.fits(targets[target].shape):
                if groups := _groups(pair, targets[target].shape):
                    raise grouped(pair.a, groups)
                raise _misfit(pair.b, pair.b.shape, target, targets[target], pair)
            pairs[target] = pair
        for tensor in (*adapter.replaced, *adapter.trained):
            target = _target(stem(tensor), tensor, targets, whole)
            _check_whole(tensor, target, targets[target])
            whole[target] = tensor
    # An adapter's own embeddings or head were trained beside the tensor that they shared.
    own = pairs.keys() | {
        names.find(stem(t), targets) for t in (adapter.replaced if adapter else ())
    }
    untied = tied and (_HEAD in {*whole, *pairs} or _EMBEDDINGS in own)
    if untied:
        old, start = {**old, _HEAD: old[_EMBEDDINGS]}, {**start, _HEAD: start[_EMBEDDINGS]}
    steps = []
    for name, tensor in old.items():
        first, added = whole.get(name, start[name]), pairs.get(name)
        touched = first is not tensor or added is not None
        steps.append(
            MergeStep(name, tensor, first, added, _group(name, added) if touched else None)
        )
    return MergePlan(tuple(steps), untied, tuple(_warnings(base, adapter, weights, untied, pairs)))


def component_of(name: str) -> str:
    """The component that a tensor belongs to; ``vae_encoder`` for what only training uses."""
    for component in COMPONENTS.values():
        if name.startswith(component.prefixes):
            return component.name
    return "vae_encoder" if name.startswith(TRAINING_ONLY) else "other"


def _nested(base: Checkpoint, old: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    for name, info in base.nested.items():
        namesake = old.get(name)
        if namesake is None or namesake.shape != info.shape:
            raise CheckpointError(
                f"{info.file}: tensor {info.name} has no top-level namesake of its shape; "
                "the nested copies come from another model"
            )
    return {name: tensors.of(info) for name, info in base.nested.items()}


def _target(
    name: str, tensor: StoredTensor, base: dict[str, StoredTensor], taken: Iterable[str]
) -> str:
    target = names.find(name, base)
    if target is None:
        raise CheckpointError(
            f"{tensor} matches no tensor of the base (looked for {name}); "
            "it was trained on another model, or this name needs a prefix that is not known"
        )
    if target in taken:
        raise CheckpointError(
            f"{tensor} is a second one for {target}; keep one adapter in the folder"
        )
    return target


def _check_whole(tensor: StoredTensor, target: str, base: StoredTensor) -> None:
    if tensor.shape == (0,):
        raise CheckpointError(
            f"{tensor} is empty, as ZeRO stage 3 leaves it; join the parts with DeepSpeed's "
            "zero_to_fp32.py"
        )
    if tensor.shape != base.shape:
        raise _misfit(tensor, tensor.shape, target, base, None)
    if tensor.floating != base.floating or not (tensor.floating or tensor.dtype == base.dtype):
        raise CheckpointError(
            f"{tensor} is {tensor.dtype}, {target} of the base {base.dtype}; "
            "they come from different models"
        )


def _misfit(
    tensor: StoredTensor, shape: Shape, target: str, base: StoredTensor, pair: LoraPair | None
) -> CheckpointError:
    found = f"{list(shape)}" if pair is None else f"{list(shape)} with A {list(pair.a.shape)}"
    return CheckpointError(
        f"{tensor} has shape {found}, which does not fit {target} {list(base.shape)} of the base; "
        "it was trained on a model of another size or vocabulary"
    )


def _groups(pair: LoraPair, shape: Shape) -> int:
    """In how many groups a convolution of this ``shape`` takes A's channels; 0 if it has none."""
    a = pair.a.shape
    if len(shape) < 3 or a[2:] != shape[2:] or a[1] <= shape[1]:
        return 0
    groups, rest = divmod(a[1], shape[1])
    return 0 if rest or shape[0] % groups else groups


def _group(name: str, pair: LoraPair | None) -> str:
    component = component_of(name)
    return f"{component} {name.split('.')[-2]}" if pair else component


def _warnings(
    base: Checkpoint,
    adapter: Adapter | None,
    weights: Weights,
    untied: bool,
    pairs: dict[str, LoraPair],
) -> Iterable[str]:
    if base.nested and weights == "released":
        yield (
            f"the base has {len(base.nested)} nested copies ({NESTED}*), which are left out; "
            "--weights post-trained puts them at top level"
        )
    if base.nested and pairs:
        yield (
            "the base has nested copies, so it is the result of a merge itself: make sure that it "
            "does not hold this adapter already"
        )
    if untied:
        yield (
            "the base shares its embeddings with its head; the adapter changes one of them, so "
            "both are written and tie_word_embeddings becomes false"
        )
    if adapter is None:
        return
    trained_on = adapter.config.base
    if trained_on and PurePath(trained_on).name != base.path.resolve().name:
        yield (
            f"the adapter was trained on {trained_on}, the base is {base.path.name}; "
            "the result is right only if they are the same"
        )
    modules = {name.split(".")[-2] for name in pairs}
    for target in adapter.config.targets:
        if target.split(".")[-1] not in modules:
            yield f"{adapter.config.path.name} targets {target}, but no tensor of it is stored"
