"""TensorRT as it is found, or not, or broken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mobileo_export.errors import RuntimeUnavailableError
from mobileo_export.runtimes.tensorrt import library


def module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return name


def test_the_first_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, "trt_of_a_test", "__version__ = '10.3.0'", monkeypatch)
    found = library.load(("no_such_tensorrt", name))
    assert (found.name, found.version, found.rehearsal) == (name, "10.3.0", False)


def test_none(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"TensorRT is not found .*python3-libnvinfer.*--system-site-packages"
    with pytest.raises(RuntimeUnavailableError, match=message):
        library.load(("no_such_tensorrt",))


@pytest.mark.parametrize(
    "text",
    [
        "raise ImportError('libnvinfer.so.10: cannot open shared object file')",
        "import no_such_dependency",
        "raise OSError('wrong ELF class')",
    ],
)
def test_one_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    name = module(tmp_path, f"trt_broken_{abs(hash(text))}", text, monkeypatch)
    with pytest.raises(RuntimeUnavailableError, match="is installed but does not load") as raised:
        library.load((name,))
    assert "apt install --reinstall" in str(raised.value)


def test_types() -> None:
    found = library.Library(SimpleNamespace(), "tensorrt", "10")
    assert found.dtype(SimpleNamespace(name="HALF")) == np.float16
    with pytest.raises(RuntimeUnavailableError, match="BF16 values, which this release does not"):
        found.dtype(SimpleNamespace(name="BF16"))


def test_messages_keep_the_last_errors() -> None:
    lines: list[str] = []
    messages = library.Messages(lines.append)
    assert messages.last == ""
    messages.add("INFO", "fine\nso far")
    messages.add("ERROR", "Error Code 2:\n  OutOfMemory")
    assert messages.last == " (Error Code 2: OutOfMemory)"
    assert lines == ["[INFO] fine so far", "[ERROR] Error Code 2: OutOfMemory"]


def test_a_real_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx-cu12 (no GPU is needed)")
    found = library.load((library.REHEARSAL,))
    assert found.rehearsal
    messages = library.Messages()
    runtime = found.module.Runtime(messages.logger(found))
    assert runtime.deserialize_cuda_engine(b"no engine") is None
