"""The ``coreai`` runtime: Core AI assets by Apple's own compiler and interpreter, on the processor.

The asset's program is lowered into a temporary folder, which takes the room of its weights, and
executed in float32 as it is written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.artifacts.aimodel import asset
from mobileo_export.artifacts.aimodel.folder import AssetLanguageModel, open_folder
from mobileo_export.errors import BundleError, first_line
from mobileo_export.runtimes import registry
from mobileo_export.runtimes.base import opened
from mobileo_export.runtimes.cached_decoder import CachedLanguageModelSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.runtimes.base import Array


class LoadedAsset:
    """The functions of an asset, ready to run; satisfies ``cached_decoder.GraphRunner``."""

    def __init__(self, path: Path) -> None:
        """Lower the checked asset at ``path``.

        Raises:
            BundleError: the library does not take it.
        """
        from coreai.authoring import AIModelAsset

        self._path = path
        # The library's interface is asynchronous; nothing here runs beside a call.
        self._loop: asyncio.AbstractEventLoop | None = asyncio.new_event_loop()
        try:
            with _quiet():
                self._executable: Any = AIModelAsset.load(path).executable(_options())
                model = self._loop.run_until_complete(self._executable.__aenter__())
                names = model.function_names
                self._functions: dict[str, Any] = {n: model.load_function(n) for n in names}
        except Exception as error:  # every failure of the library has a type of its own
            self._loop.close()
            raise BundleError(
                f"{path}: Core AI cannot load it ({first_line(error)}); "
                "export it again or download it again"
            ) from error

    def run(self, name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Map the named inputs of the function ``name`` to its named outputs.

        Raises:
            UsageError: the asset is closed.
            BundleError: it has no such function, or the function fails.
        """
        from coreai.runtime import NDArray as Tensor

        loop = opened(self._loop)
        if name not in self._functions:
            raise BundleError(f"{self._path}: has no function {name}; export it again")
        given = {key: Tensor(np.ascontiguousarray(array)) for key, array in arrays.items()}
        try:
            made = loop.run_until_complete(self._functions[name](given))
        except Exception as error:  # see __init__
            raise BundleError(
                f"{self._path}: Core AI cannot run it ({first_line(error)})"
            ) from error
        # A result shares the memory of what made it.
        return {key: np.array(value.numpy(), order="C") for key, value in made.items()}

    def close(self) -> None:
        """Release the asset, and what was lowered of it."""
        if self._loop is None:
            return
        self._functions = {}
        self._loop.run_until_complete(self._executable.__aexit__(None, None, None))
        self._loop.close()
        self._loop = None


class AssetSession:
    """An asset of one function."""

    def __init__(self, loaded: LoadedAsset) -> None:
        self._loaded = loaded

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays."""
        return self._loaded.run(asset.MAIN, inputs)

    def close(self) -> None:
        """Release the asset."""
        self._loaded.close()


@dataclass(frozen=True)
class _RunningModel:
    """The language model as its session asks for it: the table's rows are a function too."""

    folder: AssetLanguageModel
    loaded: LoadedAsset

    def __getattr__(self, name: str) -> Any:
        return getattr(self.folder, name)

    def embed(self, input_ids: NDArray[Any]) -> NDArray[np.float32]:
        ids = np.asarray(input_ids, np.int32).reshape(1, -1)
        rows: Any = self.loaded.run(asset.EMBED, {"input_ids": ids})["embeddings"]
        return np.asarray(rows, np.float32)


class CoreAIRuntime:
    """Executes ``.aimodel`` folders, and the folder ``llm`` of a bundle with one in it."""

    name = "coreai"

    def load(self, path: Path) -> AssetSession | CachedLanguageModelSession:
        """Load the asset ``path``.

        Raises:
            BundleError: it is damaged.
            RuntimeUnavailableError: the library is missing or of another version.
        """
        registry.check_available([self.name])
        if path.suffix == asset.SUFFIX:
            asset.check(path)
            return AssetSession(LoadedAsset(path))
        folder = open_folder(path)
        loaded = LoadedAsset(folder.asset)
        model: Any = _RunningModel(folder, loaded)
        return CachedLanguageModelSession(model, loaded)


def _options() -> Any:
    """The processor alone, where the system would choose; elsewhere there is no other."""
    if not bool(sys.platform == "darwin"):
        return None
    from coreai.runtime import SpecializationOptions

    return SpecializationOptions.cpu_only()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library writes to standard error as it loads a function."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
