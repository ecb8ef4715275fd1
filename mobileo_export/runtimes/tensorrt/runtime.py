"""The ``tensorrt`` runtime: engines that ``mobileo-jetson build`` made from a jetson bundle."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mobileo_export.artifacts.engine import stamp
from mobileo_export.artifacts.onnx.folder import OnnxLanguageModel, open_folder
from mobileo_export.errors import BundleError
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession
from mobileo_export.runtimes.tensorrt import libcudart, library
from mobileo_export.runtimes.tensorrt.decoder import DeviceDecoder
from mobileo_export.runtimes.tensorrt.engine import Engine, open_engine
from mobileo_export.runtimes.tensorrt.session import EngineSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mobileo_export.runtimes.base import Array, Session
    from mobileo_export.runtimes.cached_decoder import DecoderModel, GraphRunner
    from mobileo_export.runtimes.tensorrt.libcudart import Cuda
    from mobileo_export.runtimes.tensorrt.library import Library


@dataclass(frozen=True)
class Device:
    """TensorRT and CUDA of this machine."""

    library: Library
    cuda: Cuda

    @classmethod
    def here(cls) -> Device:
        """Raises RuntimeUnavailableError when one of the two, or the device, is missing."""
        found = cls(library.load(), libcudart.load())
        found.cuda.compute_capability()  # a driver or device that is missing shows here
        return found


class TensorRTRuntime:
    """Executes the graphs of a jetson bundle by the engines beside it."""

    name = "tensorrt"

    def __init__(self, device: Device | None = None) -> None:
        """``device`` is this machine's if none is given."""
        self._given = device

    @cached_property
    def _device(self) -> Device:
        return self._given or Device.here()

    def load(self, path: Path) -> Session:
        """Load the engine of the graph ``path``, or those of the language model's folder.

        Raises:
            BundleError: an engine is missing, damaged or not for this machine and this bundle.
            RuntimeUnavailableError: there is no TensorRT or CUDA here, or too little memory.
        """
        if path.is_dir():
            return self._language_model(path)
        if path.suffix != ".onnx":
            raise BundleError(
                f"{path}: the tensorrt runtime executes jetson bundles (mobileo-export export "
                "CHECKPOINT --target jetson)"
            )
        device = self._device
        engine = open_engine(stamp.place(path), device.library, device.cuda)
        return EngineSession(engine, device.cuda)

    def _language_model(self, path: Path) -> CachedLanguageModelSession:
        model = open_folder(path)
        engines = Engines(model, self._device)
        return CachedLanguageModelSession(model, engines, engines.decoder)


class Engines:
    """The engines of a language model: satisfies ``cached_decoder.GraphRunner``.

    The projector is small and loaded when a picture comes. Decoders share the weights; each has
    keys and values of its own, for as long as somebody holds it.
    """

    def __init__(self, model: OnnxLanguageModel, device: Device) -> None:
        """Opens the decoder's engines. Raises as :meth:`TensorRTRuntime.load`."""
        self._model = model
        self._device = device
        self._projector: EngineSession | None = None
        self._opened: list[Engine] = []
        self._decoders: weakref.WeakSet[DeviceDecoder] = weakref.WeakSet()
        try:
            for graph in model.decoder:
                where = stamp.place(model.graphs[graph.name])
                self._opened.append(open_engine(where, device.library, device.cuda))
        except BaseException:
            self.close()
            raise

    def run(self, name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Run the projector; the decoder runs in :meth:`decoder`."""
        if self._projector is None:
            device = self._device
            where = stamp.place(self._model.graphs[name])
            self._projector = EngineSession(
                open_engine(where, device.library, device.cuda), device.cuda
            )
        return self._projector.run(arrays)

    def decoder(self, model: DecoderModel, engine: GraphRunner) -> DeviceDecoder:
        """A decoder over these engines, closed with them if not before."""
        made = DeviceDecoder(model, self._opened, self._device.cuda)
        self._decoders.add(made)
        return made

    def close(self) -> None:
        """Release engines and memory; a second call does nothing."""
        opened, self._opened = self._opened, []
        projector, self._projector = self._projector, None
        for closing in (*self._decoders, *opened, projector):
            if closing is not None:
                closing.close()
