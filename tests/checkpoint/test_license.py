"""What is said of licences is what the checkpoint states."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobileo_export.checkpoint import license
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.checkpoint.license import NONE, UNKNOWN, Terms, card, terms
from mobileo_export.merging import folder, merge
from tests import surgery

CARDS = {
    "plain": ("---\nlicense: mit\nsource: somewhere\n---\n# A model\n", Terms("MIT", "somewhere")),
    "quoted": ('---\r\nlicense: "apache-2.0"\r\n---\r\n', Terms("Apache-2.0", UNKNOWN)),
    "other": ("---\nlicense: other\nlicense_name: my-terms\n---\n", Terms("my-terms", UNKNOWN)),
    "comment": ("---\ntags:\n- license: x\nlicense: mit # of ours\n---\n", Terms("MIT", UNKNOWN)),
    "unknown to SPDX": ("---\nlicense: gemma\n---\n", Terms("gemma", UNKNOWN)),
    "no head": ("license: mit\n", Terms(UNKNOWN, UNKNOWN)),
    "head without end": ("---\nlicense: mit\n", Terms(UNKNOWN, UNKNOWN)),
    "below the head": ("---\ntags: []\n---\nlicense: mit\n", Terms(UNKNOWN, UNKNOWN)),
    "empty": ("", Terms(UNKNOWN, UNKNOWN)),
    "binary": ("---\nlicense: \0\x1b[31m\n---\n", Terms("\0\x1b[31m", UNKNOWN)),
}


@pytest.fixture
def trained(tiny_copy: Path) -> Path:
    """The tiny checkpoint, not marked as random."""
    surgery.configure(tiny_copy, {"mobileo_export": ...})
    return tiny_copy


@pytest.mark.parametrize("name", CARDS)
def test_the_model_card_counts(trained: Path, name: str) -> None:
    content, expected = CARDS[name]
    (trained / "README.md").write_bytes(content.encode())
    assert terms(Checkpoint.open(trained)) == expected


def test_a_card_in_the_named_folder_counts(trained: Path) -> None:
    (trained.parent / "README.md").write_text(CARDS["plain"][0])
    assert terms(Checkpoint.open(trained.parent)).license == "MIT"
    assert terms(Checkpoint.open(trained)).license == UNKNOWN


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, Terms(UNKNOWN, UNKNOWN)),
        ("miniature", Terms(UNKNOWN, UNKNOWN)),
        (
            "Amshaker/Mobile-O-0.5B",
            Terms("CC-BY-NC-SA-4.0", "https://huggingface.co/Amshaker/Mobile-O-0.5B"),
        ),
        ("somebody/else", Terms(UNKNOWN, "https://huggingface.co/somebody/else")),
    ],
)
def test_a_hub_id_is_a_source(trained: Path, name: str | None, expected: Terms) -> None:
    checkpoint = Checkpoint.open(trained)
    assert terms(checkpoint, name) == expected
    checkpoint.origin = name
    assert terms(checkpoint) == expected


def test_a_card_counts_more_than_the_owner(trained: Path) -> None:
    (trained / "README.md").write_text(CARDS["plain"][0])
    found = terms(Checkpoint.open(trained), "Amshaker/Mobile-O-0.5B")
    assert found == Terms("MIT", "https://huggingface.co/Amshaker/Mobile-O-0.5B")


def test_random_weights_have_neither(tiny_copy: Path) -> None:
    (tiny_copy / "README.md").write_text(CARDS["plain"][0])
    assert terms(Checkpoint.open(tiny_copy), "Amshaker/x") == Terms(NONE, NONE)


def test_the_notice_says_what_is_known() -> None:
    published = Terms("CC-BY-NC-SA-4.0", "https://huggingface.co/Amshaker/x").notice()
    for text in ("CC-BY-NC-SA-4.0", "no commercial use", "Amshaker/x", "Qwen2"):
        assert text in published
    assert "ask whoever made it" in Terms(UNKNOWN, UNKNOWN).notice()
    own = Terms("MIT", "me").notice()
    assert "Licence of the weights: MIT\nFrom: me" in own
    assert "Qwen2" not in own
    assert "CC" not in own


def test_a_card_states_what_it_was_given(trained: Path) -> None:
    for given in (Terms("Apache-2.0", "me"), Terms(UNKNOWN, UNKNOWN), Terms("gemma", "you")):
        (trained / "README.md").write_text(card(given, "# A model\n"))
        assert terms(Checkpoint.open(trained)) == given


@pytest.mark.parametrize("origin", [None, "Amshaker/Mobile-O-0.5B"])
def test_a_merge_keeps_the_terms_of_its_base(
    trained: Path, tmp_path: Path, origin: str | None
) -> None:
    base = Checkpoint.open(trained)
    base.origin = origin
    report = merge.merge(base, None, tmp_path / "out", merge.MergeOptions("post-trained"))
    assert license.CARD in report.files
    assert terms(Checkpoint.open(tmp_path / "out")) == terms(base)


def test_merged_random_weights_have_no_card(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = Checkpoint.open(tiny_checkpoint)
    merge.merge(base, None, tmp_path / "out", merge.MergeOptions("post-trained"))
    assert not (tmp_path / "out" / license.CARD).exists()
    assert (tmp_path / "out" / folder.RECORD).is_file()
