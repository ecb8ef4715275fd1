"""Pages: what a template prints is text, and nothing comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from mobileo_export.html import render

PACKAGE = Path(render.__file__).parents[1]
TEMPLATES = [path for path in PACKAGE.rglob("*.html") if "{%" in path.read_text("utf-8")]
HOSTILE = "</style><script>alert(1)</script>\"'&\x1b[31m\u202e"


def printed(template: str, **values: object) -> str:
    return render.environment({}).from_string(template).render(values)


def test_what_is_printed_is_text() -> None:
    shown = printed('{{ a }}<i title="{{ a }}">{{ "<" ~ a }}</i>', a=HOSTILE)
    assert "<script" not in shown
    assert "\"'" not in shown
    assert shown.count("\\x1b[31m\\u202e") == 3
    assert shown.isprintable()


def test_through_macros_too() -> None:
    macro = '{% from "html/parts.html" import mark, table %}{{ mark(false, a) }}'
    rows = "{% call table(a, (a, a), (1,)) %}<tr><td>{{ a }}</td></tr>{% endcall %}"
    shown = printed(macro + rows, a=HOSTILE)
    assert "<script" not in shown
    assert shown.count("alert(1)") == 6
    assert '<span class="mark bad"><span aria-hidden="true">✕</span> ' in shown
    assert shown.count('<th scope="col" class="n">') == 1


def test_what_is_not_given_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError, match="absent"):
        printed("{{ absent }}")
    with pytest.raises(UndefinedError, match="absent"):
        printed("{{ values.absent }}", values={})


def test_numbers_are_written_as_people_write_them() -> None:
    shown = printed('{{ 1.2e-6|scientific }}, {{ 50|figure("psnr") }}, {{ "dit"|name }}')
    assert shown == "1.2×10⁻⁶, 50 dB, Diffusion transformer"


def test_a_name_goes_on_after_its_parts_and_is_text_all_the_same() -> None:
    assert printed("{{ a|breakable }}", a="a.b_c/<d>") == "a.<wbr>b_<wbr>c/<wbr>&lt;d&gt;"
    assert printed("{{ a|breakable }}", a="a.0.b 1.5") == "a.<wbr>0.<wbr>b 1.5"
    shown = printed("{{ a|breakable }}", a=HOSTILE)
    assert "<script" not in shown
    assert shown.isprintable()


def test_pictures_are_in_the_page() -> None:
    plain = np.zeros((8, 8, 3), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    assert render.data_uri(plain).startswith("data:image/png;base64,")
    assert render.data_uri(noise).startswith("data:image/jpeg;base64,")  # a PNG would be 0.8 MB
    shown = printed('{% from "html/parts.html" import picture %}{{ picture(p, "a & b") }}', p=plain)
    assert 'width="8" height="8" alt="a &amp; b"' in shown


def test_nothing_comes_from_elsewhere() -> None:
    assert len(TEMPLATES) >= 8
    for path in (*TEMPLATES, PACKAGE / "html" / "style.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|\|safe\b", text), path
