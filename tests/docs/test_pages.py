"""The pages as a whole: every link leads somewhere, every page is found, words mean one thing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "jetson").glob("*.md"),
     *(ROOT / "ios_app").glob("*.md"), *(ROOT / "ios_app" / "App").glob("*.md")]
)  # fmt: skip
_LINK = re.compile(r"\]\(([^()\s]+)\)|<img src=\"([^\"]+)\"")
_FENCED = re.compile(r"```.*?```|<!--.*?-->|^    .*?$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")


def text(page: Path) -> str:
    """A page without its blocks of code and comments."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The names of its headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).replace("`", "") for title in found)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where each link of a page leads: the file, and the heading in it."""
    for target in (first or second for first, second in _LINK.findall(text(page))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [
        f"{path.name}#{anchor}"
        for path, anchor in links(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]
    assert broken == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` & c!\n[x](#a-b--c) [y](gone.md) ![z](page.md#d)\n", encoding="utf-8")
    assert anchors(page) == {"a-b--c"}
    assert [(p.name, a) for p, a in links(page)] == [
        ("page.md", "a-b--c"), ("gone.md", ""), ("page.md", "d"),
    ]  # fmt: skip


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = {path for path, _ in links(index)}
    assert set(DOCS.glob("*.md")) - {index} <= listed
    assert index in {path for path, _ in links(ROOT / "README.md")}


def words() -> list[str]:
    """Those of the glossary."""
    return re.findall(r"^## (.+)$", text(DOCS / "glossary.md"), re.MULTILINE)


def test_the_glossary_has_ten_words() -> None:
    assert len(words()) == 10


@pytest.mark.parametrize("word", words())
@pytest.mark.parametrize("name", ["README.md", "docs/first-app.md"])
def test_a_word_is_linked_where_it_first_stands(name: str, word: str) -> None:
    page = ROOT / name
    plain = re.sub(r"^#.*$", "", _CODE.sub("", text(page)), flags=re.MULTILINE)
    plain = re.sub(r"\[([^]]*)\]\((?!\S*glossary)[^)]*\)", r"", plain)  # titles of other pages
    first = re.search(rf"\b{word}s?\b", plain, re.IGNORECASE)
    if first is None:
        return
    anchor = word.replace(" ", "-")
    before = plain[: first.start()]
    after = plain[first.start() :]
    linked = re.match(rf"[^]]*\]\(\S*glossary\.md#{anchor}\)", after)
    assert linked or f"glossary.md#{anchor}" in before, plain[first.start() - 60 : first.end() + 30]


# Words of the field that would be second names of what has one.
SECOND_NAMES = (
    "checksum", "golden file", "golden data", "denoiser", "unet", "u-net", "mil interpreter",
    "threshold", "reference implementation", "model package", "export folder",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_thing_has_one_name(page: Path) -> None:
    plain = _CODE.sub("", text(page))
    found = [n for n in SECOND_NAMES if re.search(rf"\b{n}s?\b", plain, re.IGNORECASE)]
    assert found == []


def test_words_are_spelled_right(tmp_path: Path) -> None:
    """By the same list as ``make check``, with what the project allows."""
    pytest.importorskip("codespell_lib", reason="codespell is not installed")
    program = [sys.executable, "-m", "codespell_lib"]
    done = subprocess.run(
        [*program, *map(str, PAGES)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    wrong = tmp_path / "page.md"
    misspelt = "".join(("lan", "gauge"))  # this file itself is checked too
    wrong.write_text(f"a {misspelt} model\n", encoding="utf-8")
    found = subprocess.run([*program, wrong], cwd=ROOT, capture_output=True, text=True, check=False)
    assert misspelt in found.stdout
