"""Write an ONNX model as two files: the graph, and all its weights beside it.

Tensors are written one after the other from where they lie, each once and never in a second copy
of its own size, in the order in which the graph first uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.bundle.manifest import EXTERNAL_DATA

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    import onnx_ir as ir
    from numpy.typing import NDArray

_ALIGNMENT = 64  # bytes: what vector instructions and mapped tensors want
_INLINE = 1024  # a tensor of fewer bytes stays in the graph: shapes, axes, scalars
_BLOCK = 1 << 22  # elements of a strided tensor made contiguous at a time


def write(model: ir.Model, path: Path) -> None:
    """Write ``model`` as ``path`` and its weights as ``path`` + ``.data``; same model, same bytes.

    The weights of ``model`` are then those of the file.
    """
    import onnx_ir as ir

    data = path.with_name(path.name + EXTERNAL_DATA)
    with data.open("xb") as file:
        for value in ordered(model):
            tensor = value.const_value
            assert tensor is not None
            if tensor.nbytes < _INLINE:
                continue
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            offset = file.tell()
            _write(file, tensor.numpy())
            value.const_value = ir.ExternalTensor(
                data.name,
                offset,
                file.tell() - offset,
                tensor.dtype,
                shape=ir.Shape(tensor.shape.numpy()),
                name=str(value.name),
                base_dir=path.parent,
            )
    proto: Any = ir.serde.serialize_model(model)
    with path.open("xb") as graph:
        graph.write(proto.SerializeToString(deterministic=True))


def ordered(model: ir.Model) -> list[ir.Value]:
    """The initializers of ``model`` in the order of first use, unused ones dropped from it."""
    used: dict[str, ir.Value] = {}
    for node in model.graph:
        for value in node.inputs:
            if value is not None and value.is_initializer():
                used.setdefault(str(value.name), value)
    for name in list(model.graph.initializers):
        if name not in used:
            del model.graph.initializers[name]
    for name in used:  # the graph's own order is the order of insertion
        model.graph.initializers[name] = model.graph.initializers.pop(name)
    return list(used.values())


def _write(file: BinaryIO, array: NDArray[Any]) -> None:
    if array.flags.c_contiguous:
        file.write(array.reshape(-1).view(np.uint8).data)
        return
    rows = max(1, _BLOCK // max(1, array[0].size))
    for start in range(0, len(array), rows):
        block = np.ascontiguousarray(array[start : start + rows])
        file.write(block.reshape(-1).view(np.uint8).data)
