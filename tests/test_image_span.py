from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobileo_export.errors import UsageError
from mobileo_export.recipe import image_span

IMAGE = 9


def ids(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def test_one_token_stands_for_all() -> None:
    assert image_span(ids(1, 2, IMAGE, 3), IMAGE, 4) == (2, 3)


def test_a_row_of_tokens_stands_one_for_one() -> None:
    assert image_span(ids(1, IMAGE, IMAGE, IMAGE, 3), IMAGE, 3) == (1, 4)


def test_a_picture_of_one_token() -> None:
    assert image_span(ids(IMAGE), IMAGE, 1) == (0, 1)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (ids(1, 2, 3), "0 image tokens"),
        (ids(1, IMAGE, IMAGE, 3), "2 image tokens"),
        (ids(IMAGE, IMAGE, IMAGE, IMAGE, 1), "4 image tokens"),
        (ids(IMAGE, 1, IMAGE, IMAGE), "not consecutive"),
    ],
)
def test_anything_else_is_refused(prompt: np.ndarray, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        image_span(prompt, IMAGE, 3)


@given(before=st.integers(0, 9), count=st.integers(2, 9), after=st.integers(0, 9))
def test_both_forms_of_a_prompt_have_one_length(before: int, count: int, after: int) -> None:
    for tokens in (1, count):
        prompt = ids(*[1] * before, *[IMAGE] * tokens, *[2] * after)
        start, stop = image_span(prompt, IMAGE, count)
        assert prompt.shape[1] - (stop - start) + count == before + count + after
        assert start == before
