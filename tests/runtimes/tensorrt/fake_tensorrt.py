"""TensorRT's names over ONNX Runtime: an engine file says which graph it runs, and its profiles.

It is as strict as TensorRT about what callers get wrong: shapes outside a profile, addresses that
were not set, scratch that is missing, a context that outlives its engine.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from mobileo_export.artifacts.engine import stamp as stamps
from mobileo_export.runtimes.tensorrt.library import Library

from .fake_cuda import FakeCuda

MAGIC = b"FAKEENGINE"
VERSION = "10.3.0"
_TYPES = {
    "tensor(float)": "FLOAT",
    "tensor(float16)": "HALF",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(bool)": "BOOL",
}
_NUMPY = {"FLOAT": "f4", "HALF": "f2", "INT32": "i4", "INT64": "i8", "BOOL": "?"}

Profile = Mapping[str, tuple[Sequence[int], Sequence[int], Sequence[int]]]


class _Mode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class _Strategy(enum.Enum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class _Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class _Logger:
    Severity = _Severity

    def __init__(self) -> None:
        pass

    def log(self, severity: _Severity, msg: str) -> None:
        raise NotImplementedError


@dataclass
class Behaviour:
    """How the fake misbehaves."""

    no_context: bool = False
    refuse_run: bool = False
    refuse_run_while_capturing: bool = False
    refuse_load: str = ""  # what it says then
    scratch: int = 1000


def library(cuda: FakeCuda, behaviour: Behaviour | None = None, version: str = VERSION) -> Library:
    """The fake as the runtime finds it."""
    how = behaviour or Behaviour()
    module = SimpleNamespace(
        __version__=version,
        ILogger=_Logger,
        TensorIOMode=_Mode,
        ExecutionContextAllocationStrategy=_Strategy,
        Runtime=lambda logger: _Runtime(cuda, how, logger),
    )
    return Library(module, "tensorrt", version)


def write_engine(
    onnx: Path,
    profiles: Sequence[Profile],
    cuda: FakeCuda,
    version: str = VERSION,
    options: Mapping[str, Any] | None = None,
) -> stamps.Place:
    """An engine of ``onnx`` with its stamp, where the runtime looks for it."""
    where = stamps.place(onnx)
    where.engine.parent.mkdir(exist_ok=True)
    content = {"onnx": str(where.onnx), "profiles": [dict(profile) for profile in profiles]}
    where.engine.write_bytes(MAGIC + json.dumps(content).encode())
    data = where.engine.read_bytes()
    major, minor = cuda.capability
    stamp = stamps.Stamp(
        source=onnx.name,
        source_sha256=stamps.source_digest(onnx, trust_manifest=True),
        target=stamps.Target("tensorrt", version, f"{major}.{minor}"),
        options=dict(options or {}),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        scratch=(1000,) * len(profiles),
        build_seconds=1.0,
    )
    stamps.write(where, stamp)
    return where


class _Runtime:
    def __init__(self, cuda: FakeCuda, how: Behaviour, logger: _Logger) -> None:
        self._cuda, self._how, self._logger = cuda, how, logger

    def deserialize_cuda_engine(self, data: Any) -> _Engine | None:
        raw = bytes(data)
        try:
            if self._how.refuse_load:
                raise ValueError(self._how.refuse_load)
            if not raw.startswith(MAGIC):
                raise ValueError("Magic tag does not match")
            content = json.loads(raw[len(MAGIC) :])
        except ValueError as error:
            self._logger.log(_Severity.ERROR, f"IRuntime::deserializeCudaEngine: {error}")
            return None
        return _Engine(content, self._cuda, self._how, self._logger)


@lru_cache(maxsize=16)
def _graph(path: str, modified: int) -> onnxruntime.InferenceSession:
    """Graphs keep nothing between runs, so that engines can share them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class _Engine:
    def __init__(
        self, content: dict[str, Any], cuda: FakeCuda, how: Behaviour, logger: _Logger
    ) -> None:
        self.session = _graph(content["onnx"], Path(content["onnx"]).stat().st_mtime_ns)
        self.profiles = content["profiles"]
        self.cuda, self.how, self.logger = cuda, how, logger
        self.inputs = {value.name: value for value in self.session.get_inputs()}
        self.outputs = {value.name: value for value in self.session.get_outputs()}
        self.num_optimization_profiles = len(self.profiles)
        self.num_io_tensors = len(self.inputs) + len(self.outputs)
        self.contexts: list[_Context] = []

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name: str) -> _Mode:
        return _Mode.INPUT if name in self.inputs else _Mode.OUTPUT

    def _value(self, name: str) -> Any:
        return self.inputs.get(name) or self.outputs[name]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=_TYPES[self._value(name).type])

    def dtype(self, name: str) -> np.dtype[Any]:
        return np.dtype(_NUMPY[_TYPES[self._value(name).type]])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(d if isinstance(d, int) else -1 for d in self._value(name).shape)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        shape = self.get_tensor_shape(name)
        three = self.profiles[profile].get(name, (shape, shape, shape))
        return [tuple(part) for part in three]

    def get_device_memory_size_for_profile_v2(self, profile: int) -> int:
        return self.how.scratch * (profile + 1)

    def create_execution_context(self, strategy: _Strategy) -> _Context | None:
        assert strategy is _Strategy.USER_MANAGED
        if self.how.no_context:
            self.logger.log(_Severity.ERROR, "Error Code 2: OutOfMemory")
            return None
        self.contexts.append(_Context(self))
        return self.contexts[-1]


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._profile: int | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._scratch: tuple[int, int] | None = None
        self._fresh = True  # the first call after a change of shapes cannot be captured

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self._profile = profile
        self._engine.cuda.host_work(stream, {}, lambda arrays: {}, {}, None)
        return 0 <= profile < self._engine.num_optimization_profiles

    def set_device_memory(self, address: int, size: int) -> None:
        assert self._profile is not None
        assert size >= self._engine.get_device_memory_size_for_profile_v2(self._profile)
        self._scratch = (address, size)

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address % 256 == 0, "TensorRT wants 256-byte alignment"
        self._addresses[name] = address
        return name in self._engine.inputs or name in self._engine.outputs

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        assert self._profile is not None
        smallest, _, largest = self._engine.get_tensor_profile_shape(name, self._profile)
        fits = len(shape) == len(smallest) and all(
            low <= size <= high for low, size, high in zip(smallest, shape, largest, strict=True)
        )
        if fits:
            self._fresh = self._fresh or self._shapes.get(name) != tuple(shape)
            self._shapes[name] = tuple(shape)
        return fits

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return self._shapes[name]
        sizes = {}
        for value in self._engine.inputs.values():
            for dim, size in zip(value.shape, self._shapes[value.name], strict=True):
                if isinstance(dim, str):
                    sizes[dim] = size
        declared = self._engine.outputs[name].shape
        return tuple(d if isinstance(d, int) else sizes.get(d, -1) for d in declared)

    def execute_async_v3(self, stream: int) -> bool:
        engine = self._engine
        cuda = engine.cuda
        capturing = cuda.capturing(stream)
        if engine.how.refuse_run or (capturing and engine.how.refuse_run_while_capturing):
            engine.logger.log(_Severity.ERROR, "Error Code 1: Cask (Cask convolution execution)")
            return False
        assert not (capturing and self._fresh), "captured before the first call with these shapes"
        self._fresh = False
        assert self._scratch is not None, "no scratch"
        missing = {*engine.inputs, *engine.outputs} - self._addresses.keys()
        assert not missing, f"no address for {missing}"
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        out = {name: self.get_tensor_shape(name) for name in engine.outputs}

        def size(name: str, shape: tuple[int, ...]) -> int:
            return int(np.prod(shape, dtype=np.int64)) * engine.dtype(name).itemsize

        def work(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            feed = {
                name: raw.view(engine.dtype(name)).reshape(shapes[name]).copy()
                for name, raw in arrays.items()
            }
            results = dict(
                zip(engine.outputs, engine.session.run(list(engine.outputs), feed), strict=True)
            )
            for name, array in results.items():
                assert array.shape == out[name], f"{name}: {array.shape} is not {out[name]}"
            return {n: np.ascontiguousarray(a).reshape(-1).view("u1") for n, a in results.items()}

        cuda.host_work(
            stream,
            {name: (addresses[name], size(name, shapes[name])) for name in engine.inputs},
            work,
            {name: (addresses[name], size(name, out[name])) for name in engine.outputs},
            self._scratch,
        )
        return True
