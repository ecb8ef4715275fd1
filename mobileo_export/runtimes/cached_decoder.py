"""The language model's session over graphs, whatever executes them. Needs NumPy only.

The session looks tokens up, splices image features in, and asks a :class:`Decoder`, which keeps
the keys and values. :class:`HostDecoder` keeps them in NumPy arrays over any :class:`GraphRunner`.
Signatures: docs/jetson-artifacts.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mobileo_export.artifacts.onnx.folder import PROJECTOR
from mobileo_export.errors import UsageError
from mobileo_export.runtimes import language_model, signature
from mobileo_export.runtimes.base import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from mobileo_export.artifacts.onnx.folder import DecoderGraph
    from mobileo_export.components import TensorSpec
    from mobileo_export.runtimes.base import Array, Session

    Float = NDArray[np.float32]

# Added to a score that must not count: far below any other, and a number in half precision.
MASKED = -30000.0
_SLOTS = 256  # of keys and values, which room is made for at a time


class DecoderModel(Protocol):
    """What is known of an artifact: the names of ``artifacts.onnx.folder.OnnxLanguageModel``."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...  # noqa: D102
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...  # noqa: D102
    @property
    def decoder(self) -> Sequence[DecoderGraph]: ...  # noqa: D102
    @property
    def context(self) -> int: ...  # noqa: D102
    @property
    def heads(self) -> int: ...  # noqa: D102
    @property
    def head_dim(self) -> int: ...  # noqa: D102
    @property
    def cache_dtype(self) -> str: ...  # noqa: D102
    @property
    def image_token_id(self) -> int: ...  # noqa: D102
    @property
    def vocab_size(self) -> int: ...  # noqa: D102

    def embed(self, input_ids: NDArray[Any]) -> Float:
        """The rows of the embedding table for valid ids [1, T], as [1, T, d]."""
        ...


class GraphRunner(Protocol):
    """Executes the graphs of an artifact."""

    def run(self, name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Map the named inputs of the graph ``name`` to its named outputs.

        Raises:
            BundleError: the graph cannot be executed.
        """
        ...

    def close(self) -> None:
        """Release what is loaded."""
        ...


class SessionEngine:
    """An :class:`GraphRunner` of one session a graph."""

    def __init__(self, sessions: Mapping[str, Session]) -> None:
        self._sessions = sessions

    def run(self, name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Map the named inputs of the graph ``name`` to its named outputs."""
        return self._sessions[name].run(arrays)

    def close(self) -> None:
        """Release all graphs."""
        for session in self._sessions.values():
            session.close()


class Decoder(Protocol):
    """The decoder with its keys and values."""

    @property
    def used(self) -> int:
        """How many positions were read since :meth:`reset`."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...

    def read(self, embeddings: Float) -> tuple[Float, Float]:
        """Read [1, T, d] after what was read before, keep its keys and values.

        T is 1 where anything was read before.

        Returns:
            stacked_hidden_states [1, K, T, d] and logits [1, V] of the last position, the caller's
            own.
        """
        ...


class HostDecoder:
    """A decoder whose keys and values are NumPy arrays, copied into every call."""

    def __init__(self, model: DecoderModel, engine: GraphRunner) -> None:
        self._model = model
        self._engine = engine
        self._past: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._used = 0

    @property
    def used(self) -> int:
        """How many positions were read since :meth:`reset`."""
        return self._used

    def reset(self) -> None:
        """Forget everything."""
        self._past = []
        self._used = 0

    def read(self, embeddings: Float) -> tuple[Float, Float]:
        """As :meth:`Decoder.read`: a prompt in the ``prefill`` profile, then single tokens."""
        used, length = self._used, embeddings.shape[1]
        past = self._past or [self._empty(graph.layers, 1) for graph in self._model.decoder]
        shared = {
            "position_ids": np.arange(used, used + length, dtype=np.int32)[None],
            "attention_mask": causal_mask(length),
            "past_mask": past_mask(used, past[0][0].shape[3]),
        }
        hidden, stacked, new = embeddings, [], []
        for graph, (keys, values) in zip(self._model.decoder, past, strict=True):
            given = {"hidden_states": hidden, **shared, "past_keys": keys, "past_values": values}
            made: Mapping[str, Any] = self._engine.run(graph.name, given)
            new.append((made["keys"], made["values"]))
            if graph.stacked:
                stacked.append(made["stacked_hidden_states"])
            if graph.last:
                logits: Float = made["logits"]
            else:
                hidden = made["next_hidden_states"]
        self._keep(new, length)
        return np.concatenate(stacked, axis=1), logits

    def _keep(self, new: list[tuple[NDArray[Any], NDArray[Any]]], length: int) -> None:
        self._make_room(self._used + length)
        slots = slice(self._used, self._used + length)
        for (keys, values), (new_keys, new_values) in zip(self._past, new, strict=True):
            keys[:, :, :, slots] = new_keys
            values[:, :, :, slots] = new_values
        self._used += length

    def _make_room(self, positions: int) -> None:
        """A block of slots at a time: every call is given all that there are."""
        if self._past and self._past[0][0].shape[3] >= positions:
            return
        slots = min(self._model.context, -(-positions // _SLOTS) * _SLOTS)
        grown = [self._empty(graph.layers, slots) for graph in self._model.decoder]
        for old, larger in zip(self._past, grown, strict=False):
            for kept, into in zip(old, larger, strict=True):
                into[:, :, :, : self._used] = kept[:, :, :, : self._used]
        self._past = grown

    def _empty(self, layers: int, slots: int) -> tuple[NDArray[Any], NDArray[Any]]:
        shape = (layers, 1, self._model.heads, slots, self._model.head_dim)
        dtype = np.dtype(self._model.cache_dtype)
        return np.zeros(shape, dtype), np.zeros(shape, dtype)


class CachedLanguageModelSession:
    """A language model over an engine and a decoder; see :class:`base.LanguageModelSession`."""

    def __init__(
        self,
        model: DecoderModel,
        engine: GraphRunner,
        decoder: Callable[[DecoderModel, GraphRunner], Decoder] = HostDecoder,
    ) -> None:
        """``decoder`` is called when a prompt is first read; its keys and values last as long."""
        self.inputs = model.inputs
        self.outputs = model.outputs
        self._model = model
        self._engine: GraphRunner | None = engine
        self._make_decoder = decoder
        self._decoder: Decoder | None = None
        self._owner = True

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Map named input arrays to named output arrays, without a memory of them.

        Raises:
            UsageError: the inputs do not fit the signature, or the image tokens the features.
        """
        embeddings = self._embed(inputs)
        stacked, logits = self._make_decoder(self._model, opened(self._engine)).read(embeddings)
        return {
            spec.name: value for spec, value in zip(self.outputs, (stacked, logits), strict=True)
        }

    def prefill(self, input_ids: Array, image_features: Array | None = None) -> tuple[Array, Array]:
        """Forget everything, read a prompt, keep its keys and values.

        Raises:
            UsageError: the inputs do not fit the signature, or the image tokens the features.
        """
        if self._decoder is not None:
            self._decoder.reset()
        inputs = {"input_ids": input_ids}
        if image_features is not None:
            inputs["image_features"] = image_features
        embeddings = self._embed(inputs)
        if self._decoder is None:
            self._decoder = self._make_decoder(self._model, opened(self._engine))
        return self._decoder.read(embeddings)

    def step(self, token_id: int) -> Array:
        """Append one token to what was read; the logits [1, V] float32 after it.

        Raises:
            UsageError: nothing was read yet, no position is left, or the id is out of range.
        """
        opened(self._engine)
        if self._decoder is None or not self._decoder.used:
            raise UsageError("step: nothing was read yet; prefill a prompt first")
        language_model.check_room(self.inputs, self._decoder.used)
        ids = language_model.token(token_id)
        language_model.check_ids(ids, self._model.vocab_size)
        return self._decoder.read(self._model.embed(ids))[1]

    def project(self, image_features: Float) -> Float:
        """Image features [1, M, F] as embeddings [1, M, d]."""
        given = {"image_features": image_features}
        projected: Any = opened(self._engine).run(PROJECTOR, given)["image_embeddings"]
        return np.asarray(projected, np.float32)

    def beside(self) -> CachedLanguageModelSession:
        """Another session over the same engine, which has read nothing."""
        other = CachedLanguageModelSession(self._model, opened(self._engine), self._make_decoder)
        other._owner = False
        return other

    def close(self) -> None:
        """Release the engine, if it was not another session's before, and what was read."""
        if self._engine is not None and self._owner:
            self._engine.close()
        self._engine = None
        self._decoder = None

    def _embed(self, inputs: Mapping[str, Array]) -> Float:
        """Embeddings [1, T, d] with the projected image features in their place."""
        opened(self._engine)
        signature.check_inputs(self.inputs, inputs)
        ids: NDArray[Any] = inputs["input_ids"]
        features: Any = inputs.get("image_features")
        language_model.check_ids(ids, self._model.vocab_size)
        start, stop = language_model.image_span(ids, features, self._model.image_token_id)
        embeddings = self._model.embed(ids)
        if features is not None:
            image = self.project(features)
            parts = [embeddings[:, :start], image, embeddings[:, stop:]]
            embeddings = np.concatenate(parts, axis=1)
        language_model.check_room(self.inputs, 0, embeddings.shape[1])
        return embeddings


def causal_mask(length: int) -> Float:
    """The additive mask [1, 1, T, T] in which a position sees itself and those before it."""
    return np.triu(np.full((length, length), MASKED, np.float32), 1)[None, None]


def past_mask(used: int, slots: int) -> Float:
    """The additive mask [1, 1, 1, P] of which the first ``used`` slots are filled."""
    mask = np.full((1, 1, 1, slots), MASKED, np.float32)
    mask[..., :used] = 0
    return mask
