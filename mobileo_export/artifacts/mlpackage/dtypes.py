"""The element types of MIL and how each is stored, unpacked and computed with.

``MIL.proto`` (enum ``DataType``) gives the codes of the graph, ``MILBlob`` the codes of the weight
file. Half-precision values are *carried* in float32: kernels compute in float32 and every result is
rounded (half kernels on a CPU are slow, and accumulate in float32 anyway).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["float", "int", "bool", "string"]


@dataclass(frozen=True)
class DType:
    """One element type.

    Attributes:
        name: the name ``cast`` and coremltools use.
        kind: what family the values belong to.
        bits: width of an element in the weight file.
        storage: NumPy type of stored elements (of bytes for packed sub-byte elements).
        carrier: name of the torch type that values have while the graph runs.
        blob: code in the weight file's metadata record, if it can be stored there.
    """

    name: str
    kind: Kind
    bits: int
    storage: str
    carrier: str
    blob: int | None = None

    @property
    def packed(self) -> bool:
        """Whether several elements share a byte."""
        return self.bits < 8 and self.kind == "int"

    @property
    def signed(self) -> bool:
        """Whether an integer type has a sign."""
        return not self.name.startswith("uint")

    def nbytes(self, elements: int) -> int:
        """Bytes that ``elements`` take in storage."""
        return (elements * self.bits + 7) // 8


def _ints(signed: bool, bits: int, carrier: str, blob: int | None) -> DType:
    name = f"{'' if signed else 'u'}int{bits}"
    storage = name if bits >= 8 else "uint8"
    return DType(name, "int", bits, storage, carrier, blob)


FP16 = DType("fp16", "float", 16, "float16", "float32", 1)
FP32 = DType("fp32", "float", 32, "float32", "float32", 2)
BOOL = DType("bool", "bool", 8, "bool", "bool")
STRING = DType("string", "string", 8, "object", "object")

# Unsigned types that torch hardly computes with are carried in the next wider signed one.
BY_CODE: dict[int, DType] = {
    1: BOOL,
    2: STRING,
    10: FP16,
    11: FP32,
    12: DType("fp64", "float", 64, "float64", "float64"),
    21: _ints(True, 8, "int8", 4),
    22: _ints(True, 16, "int16", 6),
    23: _ints(True, 32, "int32", 14),
    24: _ints(True, 64, "int64", None),
    25: _ints(True, 4, "int8", 8),
    31: _ints(False, 8, "uint8", 3),
    32: _ints(False, 16, "int32", 7),
    33: _ints(False, 32, "int64", 15),
    34: _ints(False, 64, "int64", None),
    35: _ints(False, 4, "uint8", 11),
    36: _ints(False, 2, "uint8", 10),
    37: _ints(False, 1, "uint8", 9),
    38: _ints(False, 6, "uint8", 13),
    39: _ints(False, 3, "uint8", 12),
}
BY_NAME: dict[str, DType] = {dtype.name: dtype for dtype in BY_CODE.values()}
