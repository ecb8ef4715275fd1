"""Reports made up for the page."""

from __future__ import annotations

from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

import numpy as np

from mobileo_export.parity import gates, results
from mobileo_export.parity.chain.results import (
    ChainComparison,
    ChainGate,
    ChainResult,
    ChainStep,
    Drift,
    ImageDrift,
    Pictures,
    Pixels,
    Seconds,
)
from mobileo_export.parity.judge import judge
from mobileo_export.parity.metrics import SliceError
from mobileo_export.parity.profile import profiles
from mobileo_export.parity.results import CaseResult, Comparison, ComponentResult

VOID = {"meta", "img", "br", "link", "input", "hr"}
Json = dict[str, Any]


class Parsed(HTMLParser):
    """Checks that tags nest, and keeps what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def figures(self) -> list[str]:
        return [attrs["value"] or "" for tag, attrs in self.tags if tag == "data"]


def component(
    name: str, output: str, shape: tuple[int, ...], error: float, case: str = "prompt"
) -> tuple[ComponentResult, list[Json]]:
    random = np.random.default_rng(len(name))
    reference = random.standard_normal(shape, dtype=np.float32)
    found = reference + np.float32(error) * random.standard_normal(shape, dtype=np.float32)
    gate = gates.find(name, "float32", "mil")
    judged = judge(gate, output, reference, found)
    layout: Any = "image" if len(shape) == 4 else "sequence"
    drawn = [asdict(profile) for profile in profiles(reference, found, layout)]
    return ComponentResult(gate, "a.mlpackage", (CaseResult(case, (judged,), 0.5, 0.25),)), drawn


def document(*parts: tuple[ComponentResult, list[Json]], **names: Any) -> Json:
    components = tuple(result for result, _ in parts)
    fields = {"bundle": "bundle", "checkpoint": "checkpoint", **names}
    skipped = fields.pop("skipped", ())
    comparison = Comparison(
        fields["bundle"], fields["checkpoint"], "released", "mil", components, skipped
    )
    content = results.as_json(comparison)
    for entry, (_, drawn) in zip(content["components"], parts, strict=True):
        entry["cases"][0]["outputs"][0]["profiles"] = drawn
    return content


def chain(psnr: float = 120.0, problem: str | None = None, name: str = "prompt") -> ChainComparison:
    gate = ChainGate("float32", "coreml all", 60.0, 2e-5, 1e-3, provisional=True)
    worst = SliceError("patch", (1, 2), 3e-6, 1.0)
    steps = tuple(
        ChainStep(i, 999 - 100 * i, Drift(1e-6 * (i + 1), worst), Drift(1e-7 * (i + 1), worst))
        for i in range(5)
    )
    rows = (
        gates.Row("psnr", psnr, 60.0, psnr >= 60),
        gates.Row("latent", 5e-7, 2e-5, True),
    )
    image = ImageDrift(psnr, 1e-6, 2e-6, worst, Pixels(3, 64, 1), 100000.0)
    seconds = Seconds(0.1, 2.0, 0.3)
    result = ChainResult(
        name, 79, {"conditional": Drift(1e-7, None)}, steps, image, rows, seconds, seconds, problem
    )
    plane = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    drawing = {"steps": 5, "guidance": 1.5, "seed": 0}
    return ChainComparison(gate, drawing, (result,), {name: Pictures(plane, plane, plane)})
