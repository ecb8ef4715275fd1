"""Sizes as users write them, and the two refusals."""

from __future__ import annotations

import pytest

from mobileo_export import estimate, resources
from mobileo_export.errors import UsageError
from mobileo_export.memory import Available


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2GB", 2_000_000_000),
        ("1.5 gb", 1_500_000_000),
        ("800M", 800_000_000),
        ("2GiB", 2 << 30),
        ("512kib", 512 << 10),
        ("123456", 123456),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert resources.parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "nan", "inf", "1e400", "2 XB", "i", "1i"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="expected a size"):
        resources.parse_bytes(text)


def planned(*peaks: int, kept: tuple[str, ...] = ()) -> estimate.Plan:
    names = "abcdefgh"
    plans = [
        estimate.ComponentPlan(name, name, 1, peak, 1.0, 100)
        for name, peak in zip(names, peaks, strict=False)
    ]
    return estimate.together(plans, kept=kept)


def test_the_component_that_needs_most_is_named() -> None:
    machine = Available(10**9, "free on this machine")
    resources.check_memory(planned(10**9), machine)
    with pytest.raises(UsageError, match=r"^b: .*2\.00 GB .*1\.00 GB .*close other programs"):
        resources.check_memory(planned(10**8, 2 * 10**9), machine)
    resources.check_memory(planned(10**8, 2 * 10**9, kept=("b",)), machine)
    with pytest.raises(UsageError) as caught:
        resources.check_memory(planned(2 * 10**9), Available(10**9, "--max-memory"))
    assert "close other programs" not in str(caught.value)


def test_the_user_may_say_otherwise() -> None:
    assert resources.budget(5) == Available(5, "--max-memory")
    assert resources.budget(None).bytes > 1 << 20
