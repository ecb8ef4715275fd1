"""The page of fields is the one that the tables give."""

from __future__ import annotations

from mobileo_export.checkpoint.fields import FILES
from tests.checkpoint.fields.page import PAGE, render


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run python -m tests.checkpoint.fields.page"
    )


def test_the_page_names_every_field() -> None:
    page = render()
    for table in FILES.values():
        for name in table:
            assert f"`{name}`" in page
