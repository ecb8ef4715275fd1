"""The model card of a bundle: sealed, made of the manifest alone, and safe from what it quotes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mobileo_export.bundle import card, manifest, seal
from mobileo_export.checkpoint import license
from mobileo_export.pipelines.needs import NEEDS

HOSTILE = (
    'x"\n---\nlicense: mit\n---\n<script>alert(1)</script>',
    "yes: [no, &a *a] # {{ }} `code` ``more`` |cell|",
    "'\\\" \t\u2028\u202e\x00 %",
    "null",
    "- 1.0",
    "`",
    "",
)


def front(text: str) -> dict[str, Any]:
    opening, head, _ = text.split("---\n", 2)
    assert opening == ""
    fields = yaml.safe_load(head)
    assert isinstance(fields, dict)
    return fields


def test_it_is_sealed_and_made_of_the_manifest(tiny_bundle: Path, tiny_jetson: Path) -> None:
    for bundle, library in ((tiny_bundle, "coreml"), (tiny_jetson, "onnx")):
        content = manifest.read(bundle)
        assert seal.strays(bundle, content) == []
        text = (bundle / "README.md").read_text(encoding="utf-8")
        assert text == card.text(content, NEEDS)
        fields = front(text)
        assert fields["license"] == "other"  # random weights have none
        assert fields["license_name"] == license.NONE
        assert (fields["library_name"], fields["pipeline_tag"]) == (library, "any-to-any")
        assert library in fields["tags"]
        assert "Not measured when this was made." in text
        for entry in content["components"].values():
            assert f"`{entry['artifacts'][0]['path']}`" in text


def test_a_changed_card_breaks_the_seal(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (bundle / "README.md").write_text("# mine\n", encoding="utf-8")
    (problem,) = seal.verify(bundle, manifest.read(bundle))
    assert problem.path == "README.md"


def test_a_published_checkpoint_is_named(tiny_bundle: Path) -> None:
    content = manifest.read(tiny_bundle)
    content["source"] |= {"name": "Amshaker/Mobile-O-0.5B", "revision": "0" * 40}
    content["license"] |= {"weights": "CC-BY-NC-SA-4.0", "weights_source": "https://x.example"}
    text = card.text(content, NEEDS)
    fields = front(text)
    assert fields["license"] == "cc-by-nc-sa-4.0"
    assert fields["base_model"] == "Amshaker/Mobile-O-0.5B"
    assert "source" not in fields
    assert f"at revision `{'0' * 40}`" in text
    assert license.of_card(text) == "CC-BY-NC-SA-4.0"


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_it_quotes_means_anything(tiny_bundle: Path, text: str) -> None:
    content = manifest.read(tiny_bundle)
    content["source"] |= {"name": text, "revision": text}
    content["license"] |= {"weights": text, "weights_source": text}
    made = card.text(content, NEEDS)
    fields = front(made)
    assert fields.keys() <= {
        "license", "license_name", "source", "pipeline_tag", "library_name", "tags",
    }  # fmt: skip
    assert fields["license"] == "other"
    assert fields["license_name"] == fields["source"] == text
    assert "\n<script>" not in made
    assert made.count("\n---\n") == 1


def test_a_part_of_a_bundle_says_what_cannot_be_done(tiny_bundle: Path) -> None:
    content = manifest.read(tiny_bundle)
    del content["components"]["vision_encoder"]
    made = card.text(content, NEEDS)
    assert "| ask | needs components that are not here | |" in made
    assert "| chat | " in made


def test_figures_are_shown() -> None:
    shown = card._parity(
        {
            "runtime": "mil",
            "ok": True,
            "components": [
                {
                    "gate": {"component": "dit"},
                    "cases": [
                        {"outputs": [{"metrics": {"relative_l2": 1.5e-6}}, {"metrics": None}]},
                        {"outputs": [{"metrics": {"relative_l2": "Infinity"}}]},
                    ],
                }
            ],
        }
    )
    assert "| dit | 1.5e-06 |" in shown
