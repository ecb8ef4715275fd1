"""The table of chips: a source for every number, and a line for whoever damages it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobileo_export.bench import chips
from mobileo_export.bench.published import PAPER
from mobileo_export.errors import UsageError

TABLE = Path(chips.__file__).with_name("chips.json")
Change = Callable[[dict[str, Any]], Any]


def test_every_number_has_a_source() -> None:
    assert len(chips.known()) >= 10
    for chip in chips.known():
        for figure in chip.figures():
            assert len(figure.source) > 3, chip.name
            assert figure.estimate is None or 0 < figure.estimate <= 0.2, chip.name
            guessed = ("taken as", "scaled", "at about the clock")
            assert figure.estimate is not None or not any(w in figure.source for w in guessed)


def test_precisions_are_no_slower_the_narrower_they_are() -> None:
    for chip in chips.known():
        gpu = chip.engines["gpu"]
        wide = gpu["float32"].value
        half = [r["float16"].value for r in chip.engines.values() if "float16" in r]
        assert half, chip.name
        assert max(half) >= wide, chip.name


def test_devices_of_the_paper_and_chips_are_found() -> None:
    for device in PAPER:
        assert len(chips.find([device])) == 1, device
    assert [c.name for c in chips.find(["iphone 17  PRO", "A19 Pro", "m4"])] == ["A19 Pro", "M4"]
    assert chips.find([]) == chips.known()


def test_an_unknown_device_is_told_which_are_known() -> None:
    with pytest.raises(UsageError, match="'Pixel' is no chip or device that is known; ") as caught:
        chips.find(["M4", "Pixel"])
    assert "A19 Pro (iPhone 17 Pro)" in str(caught.value)
    assert "\n" not in str(caught.value)


def _first(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["chips"][0]
    return found


DAMAGE: list[tuple[Change, str]] = [
    (lambda c: c.update(schema_version=2), "schema_version is no 1"),
    (lambda c: c.update(chips=[]), "holds no chip"),
    (lambda c: c.pop("chips"), "is no table of chips"),
    (lambda c: c.update(chips=[1]), "is no table of chips"),
    (lambda c: _first(c).update(name=" "), "a chip is called ' '"),
    (lambda c: _first(c).pop("memory"), "M2 Pro has name, "),
    (lambda c: _first(c).update(price=1), "M2 Pro has name, "),
    (lambda c: _first(c)["engines"].pop("gpu"), "M2 Pro has no gpu"),
    (lambda c: _first(c)["engines"].update(abacus={}), "abacus with nothing is no engine"),
    (lambda c: _first(c)["engines"]["gpu"].update(int3=1), "gpu with float32, float16, int3 is"),
    (lambda c: _first(c)["bandwidth"].update(value=0), "M2 Pro, bandwidth is 0, expected"),
    (lambda c: _first(c)["bandwidth"].update(value=True), "M2 Pro, bandwidth is True, expected"),
    (lambda c: _first(c)["bandwidth"].update(value="1"), "M2 Pro, bandwidth is '1', expected"),
    (lambda c: _first(c)["bandwidth"].pop("source"), "M2 Pro, bandwidth has value, estimate;"),
    (lambda c: _first(c)["bandwidth"].update(source=""), "M2 Pro, bandwidth has no source"),
    (lambda c: _first(c)["memory"].update(estimate=2), "M2 Pro, memory: its estimate is 2"),
    (lambda c: c["chips"].append(_first(c)), "'m2 pro' names two chips"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGE)
def test_a_damaged_table_is_refused_in_a_line(change: Change, message: str, tmp_path: Path) -> None:
    content = copy.deepcopy(json.loads(TABLE.read_text(encoding="utf-8")))
    change(content)
    path = tmp_path / "chips.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError) as caught:
        chips.load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chips.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        chips.load(tmp_path / "chips.json")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        chips.load(tmp_path / "none.json")
