"""What a package stores of a matrix, as the evaluator expands it, is what its scheme says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.artifacts.mlpackage.decode import decode
from mobileo_export.artifacts.mlpackage.limits import Limits
from mobileo_export.artifacts.mlpackage.package import open_package
from mobileo_export.artifacts.mlpackage.program import Constant, Op
from mobileo_export.compression.plan import EXACT
from mobileo_export.compression.schemes import Scheme, Stored, compress
from mobileo_export.converters.coreml import package, storing
from mobileo_export.errors import ConversionError
from mobileo_export.runtimes.mil.ops import KERNELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SHAPES = {
    "linear": (64, 96),
    "pointwise": (48, 64, 1, 1),
    "pointwise of a sequence": (48, 64, 1),
    "square": (32, 64, 3, 3),
    "depthwise": (256, 1, 3, 3),
    "few rows": (3, 1024),
}
SCHEMES = (
    "exact",
    "half",
    "int8",
    "int8 zero-point",
    "int8 block 32",
    "int4",
    "int4 block 32",
    "int4 block 32 zero-point",
    "palette8",
    "palette8 rows 16",
    "palette6 rows 16",
    "palette4 rows 16",
    "palette3 rows 8",
    "palette2",
    "palette1 rows 16",
)


def random(shape: tuple[int, ...], dtype: Any = np.float32, seed: int = 0) -> NDArray[Any]:
    return (np.random.default_rng(seed).standard_normal(shape) * 0.03).astype(dtype)


def program(weights: dict[str, NDArray[Any]]) -> Any:
    """An operation for each of ``weights``, named as they are."""
    import coremltools as ct
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import Function, Program, types

    made = Program()
    kind = types.numpy_type_to_builtin_type(next(iter(weights.values())).dtype)
    inputs = {}
    for name, weight in weights.items():
        # A depthwise convolution has a channel for each of its outputs.
        channels = weight.shape[0] if weight.shape[1] == 1 else weight.shape[1]
        inputs[f"{name}_x"] = Builder.placeholder((1, channels, *(8,) * (weight.ndim - 2)), kind)
    with Function(inputs, opset_version=ct.target.iOS18) as function:
        outputs = []
        for name, weight in weights.items():
            x = function.inputs[f"{name}_x"]
            if weight.ndim == 2:
                outputs.append(Builder.linear(x=x, weight=weight, name=name))
            else:
                groups = weight.shape[0] if weight.shape[1] == 1 else 1
                outputs.append(
                    Builder.conv(x=x, weight=weight, groups=groups, pad_type="same", name=name)
                )
        function.set_outputs(outputs)
    made.add_function("main", function)
    return made


def planned(
    weights: dict[str, NDArray[Any]],
    scheme: str,
    made: Callable[[str], Stored | None] = lambda name: None,
) -> storing.Matrices:
    shapes = {name: weight.shape for name, weight in weights.items()}
    return storing.Matrices(
        lambda op: str(op.name), shapes, lambda name: Scheme.parse(scheme), made
    )


def saved(made: Any, folder: Path) -> dict[str, NDArray[Any]]:
    """The weights that the evaluator finds in ``made`` as it was saved, by operation."""
    import coremltools as ct
    from coremltools.converters.mil.converter import ConverterRegistry

    path = folder / "x.mlpackage"
    protobuf = ConverterRegistry.backends["mlprogram"]()(
        made,
        convert_from="milinternal",
        convert_to="mlprogram",
        weights_dir=str(package.prepare(path)),
        specification_version=ct.target.iOS18.value,
    )
    package.finish(path, protobuf)
    block = decode(open_package(path), Limits()).functions["main"].block
    values: dict[str, NDArray[Any]] = {}
    found = {}
    for op in block.ops:
        given: dict[str, Any] = {}
        for name, (argument, *_) in op.inputs.items():
            given[name] = values.get(argument) if isinstance(argument, str) else argument
        if op.kind == "const" and isinstance(given["val"], Constant):
            values[op.outputs[0].name] = given["val"].array()
        elif op.kind.startswith("constexpr_"):
            values[op.outputs[0].name] = expanded(op, given)
        elif op.kind in {"conv", "linear"}:
            found[op.name] = given["weight"]
    return found


def expanded(op: Op, given: dict[str, Any]) -> NDArray[Any]:
    tensors = {
        name: torch.from_numpy(v.array() if isinstance(v, Constant) else v)
        for name, v in given.items()
    }
    declared: Any = op.outputs[0].type
    made = KERNELS[op.kind].function(**tensors)
    return made.numpy().astype(declared.dtype.storage)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_evaluator_expands_what_the_scheme_leaves(
    scheme: str, dtype: Any, tmp_path: Path
) -> None:
    weights = {name.replace(" ", "_"): random(shape, dtype) for name, shape in SHAPES.items()}
    made = program(weights)
    told = storing.store(made, tmp_path, planned(weights, scheme))
    found = saved(made, tmp_path)
    assert found.keys() == weights.keys() == told.matrices.keys()
    for name, values in weights.items():
        misfit = Scheme.parse(scheme).misfit(values.shape)
        stored = compress(values, EXACT if misfit else Scheme.parse(scheme))
        wanted = stored.expanded()
        assert found[name].dtype == wanted.dtype == dtype
        assert found[name].tobytes() == wanted.tobytes(), name
        entry = told.matrices[name]
        assert entry.bits == stored.bits
        assert (entry.misfit is None) == (misfit is None)
        apart = (wanted.astype(np.float64) - values).reshape(-1)
        error = np.linalg.norm(apart) / np.linalg.norm(values.astype(np.float64))
        assert entry.error == pytest.approx(error, rel=1e-9)
    written = (tmp_path / "x.mlpackage" / package.WEIGHTS / "weight.bin").stat().st_size
    bits = sum(bits for _, bits in told.sizes.values())
    assert written == pytest.approx(bits / 8, rel=0.1)


def test_values_that_break_shortcuts(tmp_path: Path) -> None:
    weights = {
        "zeros": np.zeros((64, 64), np.float32),
        "one_sided": np.abs(random((64, 64))) + np.float32(1),
        "huge": random((64, 64)) * np.float32(1e37),
        "tiny": random((64, 64)) * np.float32(1e-36),
        "few": np.sign(random((64, 64), seed=1)) * np.float32(0.5),
    }
    for scheme in ("int8", "int4 block 32 zero-point", "palette4 rows 16", "palette8"):
        made = program(weights)
        told = storing.store(made, tmp_path, planned(weights, scheme))
        found = saved(made, tmp_path / scheme)
        for name, values in weights.items():
            wanted = compress(values, Scheme.parse(scheme)).expanded()
            assert found[name].tobytes() == wanted.tobytes(), name
        assert told.matrices["zeros"].error == 0


def test_equal_matrices_are_one_constant_with_the_widest_scheme(tmp_path: Path) -> None:
    values = random((64, 64))
    made = program({"one": values, "other": values.copy()})
    main = made.functions["main"]
    one, other = (op for op in main.operations if op.op_type == "linear")
    with main:
        main.replace_uses_of_var_after_op(
            anchor_op=one, old_var=other.weight, new_var=one.weight, force_replace=True
        )
        main.remove_ops([op for op in main.operations if op.name == "other_weight_0"])
    schemes = {"one": Scheme.parse("palette4 rows 16"), "other": Scheme.parse("int8")}
    shapes = {"one": (64, 64), "other": (64, 64)}
    plan = storing.Matrices(lambda op: str(op.name), shapes, schemes.__getitem__, lambda name: None)
    told = storing.store(made, tmp_path, plan)
    assert told.elements == values.size
    assert {name: entry.form for name, entry in told.matrices.items()} == {
        "one": "int8",
        "other": "int8",
    }
    wanted = compress(values, schemes["other"]).expanded()
    assert all(found.tobytes() == wanted.tobytes() for found in saved(made, tmp_path).values())


def test_what_is_ready_made_is_taken(tmp_path: Path) -> None:
    weights = {"one": random((64, 64)), "other": random((64, 64), seed=1)}
    ready = compress(weights["one"] + np.float32(0.01), Scheme.parse("palette4 rows 16"))
    made = program(weights)
    plan = planned(weights, "palette4 rows 16", lambda name: ready if name == "one" else None)
    told = storing.store(made, tmp_path, plan)
    found = saved(made, tmp_path)
    assert found["one"].tobytes() == ready.expanded().tobytes()
    assert told.matrices["one"].error > 2 * told.matrices["other"].error
    wrong = compress(random((32, 64)), Scheme.parse("int8"))
    with pytest.raises(ConversionError, match=r"one: \[32, 64\] of it are stored ready-made"):
        storing.store(program(weights), tmp_path, planned(weights, "int8", lambda name: wrong))


def test_a_plan_and_a_graph_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    weights = {"one": random((64, 64))}
    more = {**weights, "absent": random((64, 64))}
    with pytest.raises(ConversionError, match="the graph has no absent"):
        storing.store(program(weights), tmp_path, planned(more, "int8"))
    with pytest.raises(ConversionError, match=r"has no name for linear other"):
        storing.store(
            program({**weights, "other": random((64, 64), seed=1)}),
            tmp_path,
            planned(weights, "int8"),
        )


def test_halves_are_written_where_the_values_lay(tmp_path: Path) -> None:
    weights = {name.replace(" ", "_"): bfloat16(random(shape)) for name, shape in SHAPES.items()}
    right = {name: values.copy() for name, values in weights.items()}
    made = program(weights)
    told = storing.store(made, tmp_path)
    assert told.sizes.keys() == {"float16"}
    for op in made.functions["main"].find_ops(op_type="constexpr_blockwise_shift_scale"):
        assert any(np.shares_memory(op.data.val, values) for values in weights.values())
    found = saved(made, tmp_path)
    assert all(found[name].tobytes() == values.tobytes() for name, values in right.items())


def test_what_others_look_at_is_not_written_over(tmp_path: Path) -> None:
    whole = bfloat16(random((192, 64)))
    locked = bfloat16(random((64, 64), seed=1))
    locked.setflags(write=False)
    turned = bfloat16(random((64, 96), seed=2)).T
    inexact = random((64, 64), seed=3)
    inexact[:63] = bfloat16(inexact[:63])
    weights = {
        "whole": whole[:128],
        "part": whole[32:96],
        "row": whole[127:128, :16],  # too small to be halved
        "next": whole[128:],
        "locked": locked,
        "turned": turned,
        "inexact": inexact,
    }
    right = {name: values.copy() for name, values in weights.items()}
    made = program(weights)
    storing.store(made, tmp_path)
    touched = {name for name, v in weights.items() if v.tobytes() != right[name].tobytes()}
    assert touched == {"next"}
    found = saved(made, tmp_path)
    assert all(found[name].tobytes() == values.tobytes() for name, values in right.items())


def bfloat16(values: NDArray[Any]) -> NDArray[np.float32]:
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
