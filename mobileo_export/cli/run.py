"""``mobileo-export run``: one component on given arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobileo_export import whole_file
from mobileo_export.cli.component_options import One
from mobileo_export.cli.options import Json, Weights
from mobileo_export.cli.output import print_json, say
from mobileo_export.errors import UsageError, first_line
from mobileo_export.runtimes import registry

if TYPE_CHECKING:
    from mobileo_export.runtimes.base import Array


def command(
    *,
    source: Annotated[
        str, typer.Argument(help="A bundle, a checkpoint folder, a hub id, or miniature.")
    ],
    component: One,
    inputs: Annotated[
        Path, typer.Option(help="An .npz whose keys are the names of the signature.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write.")],
    runtime: Annotated[
        registry.Choice,
        typer.Option(
            help="A checkpoint runs on torch, a bundle's packages on mil or coreml, its MLX "
            "folders on mlx or mlx-dequantized (the same numbers in PyTorch), its graphs on "
            "onnxruntime, its Core AI assets on coreai."
        ),
    ] = "auto",
    weights: Weights = "released",
    json: Json = False,
) -> None:
    """Run one component: arrays in, arrays out.

    For a bundle, auto is coreml and mlx on macOS; elsewhere it is mil and mlx-dequantized, or mlx
    for a tiny MLX folder. Graphs and Core AI assets have onnxruntime and coreai anywhere. `inspect`
    shows the names, shapes and dtypes of the arrays.
    """
    from mobileo_export.components import select
    from mobileo_export.runtimes.select import open_session

    specs = select(component)
    if len(specs) != 1:
        raise UsageError(f"{component}: name one component")
    arrays = read_npz(inputs)
    session = open_session(source, specs[0], runtime, weights)
    try:
        results = session.run(arrays)
    finally:
        session.close()
    write_npz(output, results)
    shapes = {name: list(array.shape) for name, array in results.items()}
    if json:
        print_json({"output": str(output), "shapes": shapes})
    else:
        for name, array in results.items():
            say(f"{name} {array.dtype} {list(array.shape)}")
        say(f"wrote {output}")


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz``; pickled objects are refused.

    Raises:
        UsageError: the file is missing or is not an ``.npz`` of plain arrays.
    """
    import zipfile
    import zlib

    import numpy as np

    # Damage shows in any layer: the archive, its compression, the header of an array, its size.
    damage = (
        ValueError,
        EOFError,
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        MemoryError,
    )
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise UsageError(f"{path}: not a file; name an .npz file")
    try:
        with path.open("rb") as file:
            head = file.read(6)
            if head == b"\x93NUMPY":
                raise UsageError(f"{path}: holds a single array; save named ones with numpy.savez")
            # numpy would take anything else for a pickle and advise to trust it.
            if not head.startswith(b"PK"):
                raise UsageError(f"{path}: is no .npz; save the arrays with numpy.savez")
            file.seek(0)  # a file that numpy opens stays open where the archive is damaged
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: _array(path, archive, name) for name in archive.files}
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except damage as error:
        raise UsageError(f"{path}: not an .npz of plain arrays ({first_line(error)})") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # any other file in the archive comes as bytes
            raise UsageError(f"{path}: not an .npz of plain arrays ({name} is none)")
    return arrays


def _array(path: Path, archive: Any, name: str) -> Array:
    try:
        array: Array = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise UsageError(
            f"{path}: {name} holds Python objects, not numbers; save arrays of one shape and dtype"
        ) from None
    return array


def write_npz(path: Path, arrays: dict[str, Array]) -> None:
    """Write arrays to ``path``, whole or not at all."""
    import numpy as np

    contents: dict[str, Any] = dict(arrays)
    with whole_file.writing(path) as file:
        np.savez(file, **contents)
