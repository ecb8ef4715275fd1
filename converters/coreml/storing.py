"""Put the constants of a lowered program into fewer bits: what Core ML expands as it loads them.

The constants are replaced in the graph, before it is written, one at a time: rewriting a package
that was saved would run the library's passes over it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mobileo_export.checkpoint.mapped_weights import MappedPages
from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.plan import EXACT
from mobileo_export.compression.schemes import compress, squares
from mobileo_export.compression.storage import Storage, StoredMatrix
from mobileo_export.converters.coreml.places import alone, over
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from mobileo_export.compression.schemes import Scheme, Shape, Stored
    from mobileo_export.progress import OnCount

_TAKING = frozenset({"conv", "linear"})  # operations whose weight is a matrix of a plan
_SHOWN = 3


@dataclass(frozen=True)
class Matrices:
    """What a plan says of one component's matrices.

    Attributes:
        name_of: the name that the plan has for what a ``conv`` or ``linear`` operation takes.
        shapes: of all that are to be found, by name.
        scheme: that a matrix is to have, by name.
        made: a stored form that is ready, by name; None where none is.
    """

    name_of: Callable[[Any], str | None]
    shapes: Mapping[str, Shape]
    scheme: Callable[[str], Scheme]
    made: Callable[[str], Stored | None]


def store(
    program: Any,
    folder: Path,
    matrices: Matrices | None = None,
    progress: OnCount = lambda done, total: None,
) -> Storage:
    """Replace the large constants of ``program`` as a plan says; without one, those that halve.

    What replaces them lies where they lay, if nobody else looks there and no error is to be told,
    else in the pages of a file in ``folder`` that ends with the process. The modules that the
    program was made of may have lost their weights.

    Raises:
        ConversionError: a matrix of the plan is not in the program, or one of the program in none.
    """
    told = Storage()
    strange: list[str] = []
    for function in program.functions.values():
        constants = [op for op in function.operations if _is_weight(op)]
        own = set() if matrices is not None else alone(program, constants)
        # Two bytes an element at most; what lies in float16 already stays where it is.
        rest = (op for op in constants if op not in own)
        pages = MappedPages(folder, (2 * op.outputs[0].val.size for op in rest))
        with function:
            for done, op in enumerate(constants):
                progress(done, len(constants))
                values = op.outputs[0].val
                names = _names(op, matrices, strange)
                asked = _asked(names, matrices, values.shape)
                misfit = asked.misfit(values.shape)
                ready = _made(names, matrices, values) if misfit is None else None
                empty = over(values) if op in own else pages.room
                stored = ready or compress(values, EXACT if misfit else asked, empty=empty)
                form = _form(stored)
                told.count(form, values.size, stored.bits)
                sums = squares(stored, values) if names else (0.0, 0.0)
                why = f"{asked}: {misfit}" if misfit else None
                for name in names:
                    told.matrices[name] = StoredMatrix(
                        form, values.size, stored.bits, *sums, why, calibrated=ready is not None
                    )
                if stored.data is not values:
                    data = stored.data if op in own else pages.keep(stored.data)
                    _replace(function, op, replace(stored, data=data))
    if matrices is not None:
        missing = [name for name in matrices.shapes if name not in told.matrices]
        _require("the graph has no", missing)
        _require("the plan has no name for", strange)
    return told


def _is_weight(op: Any) -> bool:
    if op.op_type != "const":
        return False
    values = op.outputs[0].val
    return (
        isinstance(values, np.ndarray)
        and values.dtype in (np.float32, np.float16)
        and values.size >= LEAST_ELEMENTS
        and op.outputs[0] not in op.enclosing_block.outputs
    )


def _names(op: Any, matrices: Matrices | None, strange: list[str]) -> list[str]:
    """Of the matrices that a constant is: several where they are equal to the bit."""
    if matrices is None:
        return []
    constant = op.outputs[0]
    names = []
    for user in constant.child_ops:
        if user.op_type in _TAKING and user.inputs["weight"] is constant:
            name = matrices.name_of(user)
            if name is None or matrices.shapes.get(name) != constant.shape:
                strange.append(f"{user.op_type} {user.name} of {op.name} {list(constant.shape)}")
            else:
                names.append(name)
    return names


def _asked(names: Iterable[str], matrices: Matrices | None, shape: Shape) -> Scheme:
    """The scheme that a plan has for what ``names`` share: the widest."""
    found = [matrices.scheme(name) for name in names] if matrices is not None else []
    return max(found, key=lambda scheme: scheme.stored_bits(shape), default=EXACT)


def _made(names: Iterable[str], matrices: Matrices | None, values: NDArray[Any]) -> Stored | None:
    """What is ready-made of a matrix, in the type that ``values`` have."""
    if matrices is None:
        return None
    for name in names:
        stored = matrices.made(name)
        if stored is not None and (stored.scheme.bits or values.dtype == np.float32):
            if stored.data.shape != values.shape:
                raise ConversionError(
                    f"{name}: {list(stored.data.shape)} of it are stored ready-made, it has "
                    f"{list(values.shape)}; make the plan again"
                )
            return stored.computed_in(values.dtype)
    return None


def _form(stored: Stored) -> str:
    if stored.scheme.bits:
        return str(stored.scheme)
    return str(stored.data.dtype)


def _replace(function: Any, op: Any, stored: Stored) -> None:
    """Let an expansion of ``stored`` stand where the constant ``op`` stood."""
    from coremltools.converters.mil import Builder

    old, name = op.outputs[0], f"{op.name}_expanded"
    if stored.table is not None:
        indices = _narrow(stored.data, stored)
        new = Builder.constexpr_lut_to_dense(
            indices=indices, lut=stored.table, before_op=op, name=name
        )
    else:
        beside = {"scale": stored.scale}
        if stored.zero_point is not None:
            beside["offset"] = _narrow(stored.zero_point, stored)
        new = Builder.constexpr_blockwise_shift_scale(
            data=_narrow(stored.data, stored), before_op=op, name=name, **beside
        )
    new.op.scopes = op.scopes
    for made in new.op.inputs.values():
        if made is not None:
            made.op.scopes = op.scopes
    # After the constant itself: its users are known then, and the graph is not searched for them.
    function.replace_uses_of_var_after_op(
        anchor_op=op, old_var=old, new_var=new, force_replace=True
    )
    function.remove_ops([op])


def _narrow(values: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Integers in the type that coremltools packs; a view."""
    from coremltools.converters.mil.mil import types

    bits = stored.scheme.bits
    if not bits:
        return values
    signed = values.dtype == np.int8
    narrow = types.string_to_builtin(f"{'int' if signed else 'uint'}{bits}")
    return values.view(types.nptype_from_builtin(narrow))


def _require(problem: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ConversionError(
            f"{problem} {', '.join(names[:_SHOWN])}{more}: a compression plan does not fit it; "
            "export with --compression exact"
        )
