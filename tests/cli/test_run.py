"""``run``: a component on arrays from a file, by a checkpoint's reference and by a bundle."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.cli.run import read_npz, write_npz
from mobileo_export.components import COMPONENTS
from mobileo_export.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..command import Command

    Arrays = dict[str, Any]


def example(checkpoint: Path, component: str, **sizes: int) -> Arrays:
    model = Checkpoint.open(checkpoint).model
    return COMPONENTS[component].example_inputs(model, **sizes)


@pytest.fixture
def mcp_inputs(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    path = tmp_path / "in.npz"
    np.savez(path, **example(tiny_checkpoint, "mcp", N=21))
    return path


@pytest.mark.parametrize("component", ["mcp", "dit", "vision_encoder", "vae_decoder"])
def test_a_bundle_agrees_with_its_checkpoint(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path, component: str
) -> None:
    sizes = {"N": 21} if component in {"mcp", "dit"} else {}
    np.savez(tmp_path / "in.npz", **example(tiny_checkpoint, component, **sizes))
    arguments = (component, "--inputs", tmp_path / "in.npz", "--output")
    first = command("run", tiny_checkpoint, *arguments, tmp_path / "torch.npz")
    assert (first.code, first.err) == (0, "")
    second = command("run", tiny_bundle, *arguments, tmp_path / "mil.npz", "--runtime", "mil")
    assert (second.code, second.err) == (0, "")
    expected: dict[str, Any] = read_npz(tmp_path / "torch.npz")
    found: dict[str, Any] = read_npz(tmp_path / "mil.npz")
    (name,) = expected
    assert list(found) == [name]
    assert found[name].dtype == expected[name].dtype == np.float32
    assert found[name].shape == expected[name].shape
    error = np.linalg.norm((found[name] - expected[name]).astype(np.float64))
    scale = np.linalg.norm(expected[name].astype(np.float64))
    assert scale > 0
    assert error / scale < 1e-4
    assert name in first.out


def test_the_language_model_runs_from_the_checkpoint_and_from_the_bundle(
    command: Command, tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "in.npz", **example(tiny_checkpoint, "llm", T=9))
    arguments = ("llm", "--inputs", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    shown = command("run", tiny_checkpoint, *arguments, "--json")
    assert json.loads(shown.out)["shapes"]["stacked_hidden_states"] == [1, 4, 9, 128]
    expected: Any = read_npz(tmp_path / "out.npz")["stacked_hidden_states"]
    for runtime in ("auto", "mlx-dequantized"):
        assert command("run", tiny_bundle, *arguments, "--runtime", runtime).code == 0
        found: Any = read_npz(tmp_path / "out.npz")["stacked_hidden_states"]
        assert np.linalg.norm(found - expected) < 0.04 * np.linalg.norm(expected)
    shown = command("run", tiny_bundle, *arguments, "--runtime", "mil")
    assert shown.code == 2
    assert "choose --runtime mlx-dequantized or mlx" in shown.error()


def test_weights_are_chosen(
    command: Command, tiny_checkpoint: Path, mcp_inputs: Path, tmp_path: Path
) -> None:
    results = []
    for weights in ("released", "post-trained"):
        output = tmp_path / f"{weights}.npz"
        arguments = ("--inputs", mcp_inputs, "--output", output, "--weights", weights)
        assert command("run", tiny_checkpoint, "mcp", *arguments).code == 0
        results.append(read_npz(output)["conditioning"])
    released, post_trained = results
    assert not np.array_equal(released, post_trained)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mcp,dit"], "name one component"),
        (["projector"], "unknown component 'projector'"),
        (["mcp", "--runtime", "mil"], "a checkpoint runs on the torch runtime only"),
        (["mcp", "--output", "out.txt"], "name an .npz file"),
        (["mcp", "--output", "nowhere/out.npz"], "nowhere: no such folder"),
    ],
)
def test_requests_that_make_no_sense(
    command: Command,
    tiny_checkpoint: Path,
    mcp_inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--output" not in arguments:
        arguments = [*arguments, "--output", "out.npz"]
    shown = command("run", tiny_checkpoint, *arguments, "--inputs", mcp_inputs)
    assert shown.code == 2
    assert message in shown.error()
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


def test_requests_of_a_bundle(
    command: Command, tiny_bundle: Path, mcp_inputs: Path, tmp_path: Path
) -> None:
    arguments = ("mcp", "--inputs", mcp_inputs, "--output", tmp_path / "out.npz", "--runtime")
    assert (
        "torch runtime runs checkpoints" in command("run", tiny_bundle, *arguments, "torch").error()
    )
    nowhere = command("run", tmp_path / "nowhere", *arguments, "mil")
    assert "no such folder" in nowhere.error()


def test_coreml_needs_macos(
    command: Command, tiny_bundle: Path, mcp_inputs: Path, tmp_path: Path
) -> None:
    import platform

    if platform.system() == "Darwin":
        pytest.skip("this is macOS")
    arguments = ("--inputs", mcp_inputs, "--output", tmp_path / "out.npz", "--runtime", "coreml")
    shown = command("run", tiny_bundle, "mcp", *arguments)
    assert shown.code == 2
    assert "--runtime mil" in shown.error()


WRONG: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "missing": (lambda a: {}, "stacked_hidden_states: input is missing"),
    "unknown": (lambda a: {**a, "extra": np.zeros(1)}, "extra: unknown input"),
    "double": (lambda a: {k: v.astype("f8") for k, v in a.items()}, "float64, expected float32"),
    "flat": (lambda a: {k: v[0] for k, v in a.items()}, "has shape"),
    "short": (lambda a: {k: v[:, :, :7] for k, v in a.items()}, "N 8 to 768"),
    "nan": (lambda a: {k: v * np.float32("nan") for k, v in a.items()}, "NaN or infinity"),
}


@pytest.mark.parametrize("runtime", ["torch", "mil"])
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_arrays_that_do_not_fit(
    command: Command,
    tiny_checkpoint: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    runtime: str,
    change: Callable[[Arrays], Arrays],
    message: str,
) -> None:
    np.savez(tmp_path / "in.npz", **change(example(tiny_checkpoint, "mcp", N=21)))
    source = tiny_checkpoint if runtime == "torch" else tiny_bundle
    arguments = ("--inputs", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    shown = command("run", source, "mcp", *arguments, "--runtime", runtime)
    assert shown.code == 2
    assert message in shown.error()
    assert not (tmp_path / "out.npz").exists()


# -- the .npz files themselves -------------------------------------------------------------------


def test_npz_comes_back_as_it_was(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "a": np.arange(3, dtype=np.int32),
        "b": np.float32(2.5) * np.ones((1, 2), "f4"),
    }
    write_npz(tmp_path / "x.npz", arrays)
    back = read_npz(tmp_path / "x.npz")
    assert all(np.array_equal(arrays[name], back[name]) for name in arrays)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"old")

    class Unwritable:
        def __array__(self, *arguments: object, **options: object) -> Any:
            raise RuntimeError("cannot become an array")

    with pytest.raises(RuntimeError):
        write_npz(tmp_path / "x.npz", {"a": np.ones(9), "b": Unwritable()})  # type: ignore[dict-item]
    assert (tmp_path / "x.npz").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def damaged(kind: str, path: Path) -> None:
    np.savez_compressed(path, a=np.arange(5000), b=np.arange(5000))
    content = bytearray(path.read_bytes())
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no arrays here")
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "flipped":
        content[200] ^= 0xFF
        path.write_bytes(content)
    elif kind == "pickle":
        np.savez(path, a=np.array([{"an": "object"}], dtype=object))
    elif kind == "bare pickle":
        np.save(path.with_suffix(".npy"), np.array([{}], dtype=object), allow_pickle=True)
        path.with_suffix(".npy").rename(path)
    elif kind == "single":
        np.save(path.with_suffix(".npy"), np.arange(3))
        path.with_suffix(".npy").rename(path)
    elif kind == "zip of texts":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", "no array")
    elif kind == "absurd":
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 64), }\n"
        with zipfile.ZipFile(path, "w") as archive:
            size = len(header).to_bytes(2, "little")
            archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + size + header.encode())
    elif kind == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "kind",
    ["empty", "text", "truncated", "flipped", "pickle", "bare pickle", "single", "zip of texts",
     "absurd", "folder"],
)  # fmt: skip
def test_a_file_that_is_no_npz_of_arrays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in.npz"
    damaged(kind, path)
    with pytest.raises(UsageError) as caught:
        read_npz(path)
    assert str(caught.value).startswith(str(path))
    assert "allow_pickle" not in str(caught.value)  # numpy's advice to trust whoever sent it


def test_objects_among_arrays_are_named(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, a=np.arange(3), b=np.array([[1], [2, 3]], dtype=object))
    with pytest.raises(UsageError) as caught:
        read_npz(path)
    said = "b holds Python objects, not numbers; save arrays of one shape and dtype"
    assert str(caught.value) == f"{path}: {said}"


def test_a_missing_npz(command: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("--inputs", tmp_path / "no.npz", "--output", tmp_path / "out.npz")
    shown = command("run", tiny_checkpoint, "mcp", *arguments)
    assert shown.code == 2
    assert shown.error() == f"{tmp_path / 'no.npz'}: no such file"
