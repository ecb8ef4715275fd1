"""Let the modules of a reference compute with matrices in fewer bits, as a plan says.

Core AI has an operation for each form: an integer times the scale of its block, and an index into a
table. The converter writes what stands before a matrix's use as it is found here. The checkpoint's
own values are stored: a norm behind a convolution stays a norm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils import parametrize

from mobileo_export.compression.exact import LEAST_ELEMENTS
from mobileo_export.compression.plan import EXACT, matrices, matrix_name
from mobileo_export.compression.schemes import compress, squares
from mobileo_export.compression.storage import Storage, StoredMatrix
from mobileo_export.errors import ConversionError
from mobileo_export.reference.names import checkpoint_names

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.compression.plan import CompressionPlan
    from mobileo_export.compression.schemes import Stored
    from mobileo_export.progress import OnCount

_OPERATIONS = "coreai_torch._compression.custom_layers"
_AXIS = 0  # of entries that are vectors; ours are numbers


def store(
    reference: torch.nn.Module,
    spec: ComponentSpec,
    checkpoint: Checkpoint,
    plan: CompressionPlan,
    progress: OnCount = lambda done, total: None,
) -> Storage:
    """Put an expansion in the place of each matrix of ``reference`` that ``plan`` compresses.

    Raises:
        ConversionError: a matrix of the plan is not in the reference.
    """
    sources = checkpoint_names(spec.name, checkpoint)
    shapes = matrices(spec, checkpoint.model)
    told = Storage()
    parameters = list(reference.named_parameters())
    for done, (path, parameter) in enumerate(parameters):
        progress(done, len(parameters))
        if parameter.numel() < LEAST_ELEMENTS:
            continue
        name = matrix_name(sources[path], spec.prefixes) if path in sources else ""
        if shapes.get(name) != tuple(parameter.shape):
            told.count("float32", parameter.numel(), 32 * parameter.numel())
            continue
        values = parameter.detach().numpy()
        asked = plan.asked(spec.name, name)
        misfit = asked.misfit(values.shape)
        exact = misfit is not None or asked == EXACT
        if exact:
            form, bits = "float32", 32 * values.size
            sums = 0.0, float(np.square(values, dtype=np.float64).sum())
        else:
            stored = compress(values, asked)
            form, bits, sums = str(asked), stored.bits, squares(stored, values)
            _expand(reference.get_submodule(path.removesuffix(".weight")), stored)
        told.count(form, values.size, bits)
        why = f"{asked}: {misfit}" if misfit else None
        told.matrices[name] = StoredMatrix(form, values.size, bits, *sums, why)
    if missing := [name for name in shapes if name not in told.matrices]:
        raise ConversionError(
            f"{spec.name}: its modules have no {', '.join(missing[:3])}: a compression plan does "
            "not fit it; export with --compression none"
        )
    return told


class ExpandedWeight(torch.nn.Module):
    """Gives a matrix from its stored form, by Core AI's operations.

    The converter knows the parts by their names, and the bits of indices by the size of the table.
    """

    def __init__(self, stored: Stored) -> None:
        super().__init__()
        self._integers: torch.dtype | None = None
        if stored.table is not None:
            self.register_buffer("indices", torch.from_numpy(stored.data))
            self.register_buffer("lut", torch.from_numpy(stored.table))
            return
        zero = stored.zero_point
        signed = "int" if zero is None else "uint"
        self._integers = getattr(torch, f"{signed}{stored.scheme.bits}")
        self.register_buffer("quantized_data", torch.from_numpy(stored.data))
        self.register_buffer("scale", torch.from_numpy(stored.scale))
        self.register_buffer("zero_point", None if zero is None else torch.from_numpy(zero))

    def forward(self, instead_of: torch.Tensor) -> torch.Tensor:
        """The matrix; ``instead_of`` is what the module had, which is not looked at."""
        operations: Any = import_module(_OPERATIONS)
        made: torch.Tensor
        if self._integers is None:
            made = operations.lut_to_dense(self.indices, self.lut, _AXIS)
        else:
            made = operations.constexpr_blockwise_shift_scale(
                self.quantized_data, self.scale, self.zero_point, input_dtype=self._integers
            )
        return made


def _expand(owner: torch.nn.Module, stored: Stored) -> None:
    """Let ``owner`` take its weight from ``stored``, and forget the one it has."""
    owner.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    parametrize.register_parametrization(owner, "weight", ExpandedWeight(stored), unsafe=True)
