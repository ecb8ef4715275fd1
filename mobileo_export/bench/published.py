"""What the paper publishes, Table 6: nothing here was measured by us."""

from __future__ import annotations

from collections.abc import Mapping

from mobileo_export.bench.measurement import Published

ARTICLE = "arXiv 2602.20161v2"


def _row(
    device: str, vision: tuple[float, float], token: tuple[float, float], image: tuple[float, float]
) -> dict[str, Published]:
    source = f"{ARTICLE}, {device}"
    figures = {"vision_encoder": vision, "time_to_first_token": token, "image": image}
    return {name: Published(*figure, source) for name, figure in figures.items()}


# By device and measurement: milliseconds, milliseconds, and seconds a picture of 512 x 512.
PAPER: Mapping[str, Mapping[str, Published]] = {
    "MacBook M2 Pro": _row("MacBook M2 Pro", (56, 7), (187, 31), (4, 0.5)),
    "Jetson Orin Nano": _row("Jetson Orin Nano", (88, 7), (488, 9), (4, 0.6)),
    "iPhone 17 Pro": _row("iPhone 17 Pro", (102, 4), (248, 10), (3, 0.5)),
}
