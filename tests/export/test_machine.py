"""Sizes as users write them, and the two refusals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from mobileo_export.errors import UsageError
from mobileo_export.export import machine as resources
from mobileo_export.export import plan
from mobileo_export.memory import Available

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2GB", 2_000_000_000),
        ("1.5 gb", 1_500_000_000),
        ("800M", 800_000_000),
        ("2GiB", 2 << 30),
        ("512kib", 512 << 10),
        ("123456B", 123456),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert resources.parse_bytes(text) == count


@pytest.mark.parametrize("text", ["2", "1.5", " 123456 "])
def test_a_number_alone_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"of which unit\? expected a size such as 2GB"):
        resources.parse_bytes(text)


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "nan", "inf", "1e400", "2 XB", "i", "1i"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="expected a size"):
        resources.parse_bytes(text)


def planned(*peaks: int, reused: tuple[str, ...] = ()) -> plan.Plan:
    names = "abcdefgh"
    plans = [
        plan.ComponentPlan(1, peak, 1.0, 100, component=name, artifact=name)
        for name, peak in zip(names, peaks, strict=False)
    ]
    return plan.together(plans, reused=reused)


def test_the_component_that_needs_most_is_named() -> None:
    machine = Available(10**9, "free on this machine")
    resources.check_memory(planned(10**9), machine)
    with pytest.raises(UsageError, match=r"^b: .*2\.00 GB .*1\.00 GB .*close other programs"):
        resources.check_memory(planned(10**8, 2 * 10**9), machine)
    resources.check_memory(planned(10**8, 2 * 10**9, reused=("b",)), machine)
    with pytest.raises(UsageError) as caught:
        resources.check_memory(planned(2 * 10**9), Available(10**9, "--max-memory"))
    assert "close other programs" not in str(caught.value)


def test_a_full_disk_is_told_in_a_unit_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=12_345_678)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(UsageError) as caught:
        resources.check_disk(tmp_path / "bundle", planned(5))
    assert "12.3 MB free, the export takes 16.8 MB" in str(caught.value)


def test_the_user_may_say_otherwise() -> None:
    assert resources.budget(5) == Available(5, "--max-memory")
    assert resources.budget(None).bytes > 1 << 20
