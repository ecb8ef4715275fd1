"""Stand in for the Core ML framework: ``MLModel.predict`` answered by our evaluator.

Only the outside of a prediction is imitated, as ``MLModel.predict`` documents it: inputs are
converted to the types the model declares, images become arrays, scalars are arrays of one element.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.errors import BundleError
from mobileo_export.runtimes.mil import MilRuntime, MilSession, State

if TYPE_CHECKING:
    from collections.abc import Callable

MACOS = (15, 4)
_HALF = 10  # FLOAT16 in MIL.proto


class Device:
    """Answers predictions and notes which operations each of them ran."""

    def __init__(self) -> None:
        self._sessions: dict[int, tuple[Any, MilSession]] = {}
        self.kinds: set[str] = set()
        self.predictions = 0
        self.half = False

    def reset(self) -> None:
        """Forget what ran so far."""
        self._sessions.clear()
        self.kinds = set()
        self.predictions = 0
        self.half = False

    def session(self, model: Any) -> MilSession:
        """The loaded package of ``model``; its operations are noted even if loading fails."""
        # The model is kept beside its session so that its identity cannot be reused.
        if id(model) not in self._sessions:
            spec = model.get_spec()
            if not spec.HasField("mlProgram"):
                pytest.skip("a neural network, not an ML Program")
            kinds, half = _census(spec)
            self.kinds |= kinds
            self.half |= half
            session = MilRuntime().load(Path(_saved(model)))
            self._sessions[id(model)] = (model, session)
        return self._sessions[id(model)][1]

    def predict(self, model: Any, data: Any, state: State | None = None) -> Any:
        """What ``MLModel.predict`` returns."""
        if isinstance(data, list):
            return [self.predict(model, item, state) for item in data]
        session = self.session(model)
        arrays = {
            feature.name: _array(data[feature.name], feature.dtype, len(feature.sizes))
            for feature in session.signature.inputs
            if feature.name in data
        }
        try:
            outputs = session.run(arrays, state=state)
        except BundleError as error:
            # The framework reports every failure of a prediction as a RuntimeError.
            raise RuntimeError(str(error)) from error
        self.predictions += 1
        return {name: value.reshape(value.shape or (1,)) for name, value in outputs.items()}

    def make_state(self, model: Any) -> State:
        """What ``MLModel.make_state`` returns."""
        return self.session(model).make_state()

    def install(self) -> Callable[[], None]:
        """Put this device in place of the framework; the result undoes it."""
        import coremltools as ct
        from coremltools.converters.mil import testing_utils
        from coremltools.models import utils

        device = self
        replaced: list[tuple[Any, str, Any]] = []

        def replace(target: Any, name: str, value: Any) -> None:
            replaced.append((target, name, getattr(target, name)))
            setattr(target, name, value)

        replace(testing_utils, "_IS_MACOS", True)
        replace(utils, "_macos_version", lambda: MACOS)
        replace(ct.utils, "_macos_version", lambda: MACOS)

        # Functions, so that they bind to a model as methods do.
        def predict(model: Any, data: Any, state: State | None = None) -> Any:
            return device.predict(model, data, state)

        def make_state(model: Any) -> State:
            return device.make_state(model)

        replace(ct.models.MLModel, "predict", predict)
        replace(ct.models.MLModel, "make_state", make_state)

        def undo() -> None:
            for target, name, value in reversed(replaced):
                setattr(target, name, value)

        return undo


def _array(value: Any, dtype: str, rank: int) -> Any:
    if hasattr(value, "mode"):  # a PIL image: H x W (x C) becomes 1 x C x H x W
        pixels = np.asarray(value)
        channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        value = channels[None]
    array = np.asarray(value)
    if rank == 0 and array.size == 1:
        array = array.reshape(())
    return np.array(array, dtype=dtype)


def _saved(model: Any) -> str:
    """Where the package of ``model`` lies; models built in memory are written first."""
    if model.package_path is None:
        folder = tempfile.mkdtemp(prefix="conformance-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        model.save(f"{folder}/model.mlpackage")
        return f"{folder}/model.mlpackage"
    return str(model.package_path)


def _census(spec: Any) -> tuple[set[str], bool]:
    """Operations a model holds, and whether it declares values of half precision."""
    kinds: set[str] = set()
    half = False

    def walk(block: Any) -> None:
        nonlocal half
        for op in block.operations:
            kinds.add(op.type)
            half |= any(output.type.tensorType.dataType == _HALF for output in op.outputs)
            for inner in op.blocks:
                walk(inner)

    for function in spec.mlProgram.functions.values():
        half |= any(value.type.tensorType.dataType == _HALF for value in function.inputs)
        walk(function.block_specializations[function.opset])
    return kinds - {"const"}, half
