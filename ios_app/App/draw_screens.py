"""Draws three screens of the app: ``python ios_app/App/draw_screens.py``.

A drawing after the views in ``ios_app/Sources/MobileOViews``, for readers who have no iPhone at
hand; it says itself that it is no screenshot. Words come from the app's String Catalog (others
are refused), pictures from what the miniature's bundle drew. ``tests/test_ios_project.py`` holds
the committed file to it.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "docs" / "pictures" / "app.svg"
CATALOG = Path(__file__).parent / "MobileO" / "Localizable.xcstrings"

WIDTH, HEIGHT, GAP, EDGE = 270, 560, 24, 16
INK, QUIET, LINE, FILL, PAPER = "#1c1c1e", "#6c6c70", "#d1d1d6", "#f2f2f7", "#ffffff"
TINT, GOOD = "#2e6eb4", "#248a3d"
FONT = "-apple-system, 'SF Pro Text', 'Segoe UI', 'DejaVu Sans', sans-serif"
TABS = ("Create", "Library", "Camera", "Checks", "Settings")
NOTE = "Drawn after the app's sources, with the miniature's pictures: no screenshot."


@cache
def _catalog() -> frozenset[str]:
    return frozenset(json.loads(CATALOG.read_text("utf-8"))["strings"])


def say(key: str, *values: str) -> str:
    """Words of the app, ``values`` in place of its format's ``%@``.

    Raises:
        KeyError: the String Catalog has no such words.
    """
    if key not in _catalog():
        raise KeyError(key)
    for value in values:
        key = key.replace("%@", value, 1)
    return key


def text(x: float, y: float, words: str, size: float = 12, color: str = INK, **more: str) -> str:
    """A line of words whose baseline begins at ``(x, y)``."""
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}"{rest}>{escape(words)}</text>'


def box(
    x: float, y: float, width: float, height: float, fill: str, round_: float = 8, **more: str
) -> str:
    """A rounded rectangle."""
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round_}" '
        f'fill="{fill}"{rest}/>'
    )


def picture(x: float, y: float, side: float, name: str) -> str:
    """A picture that the miniature's bundle drew, of ``docs/pictures``."""
    data = base64.b64encode((OUTPUT.parent / name).read_bytes()).decode()
    return (
        f'<image x="{x}" y="{y}" width="{side}" height="{side}" '
        f'href="data:image/png;base64,{data}"/>'
    )


def asked(y: float, intent: str, words: str, height: float = 46) -> str:
    """What the user asked for."""
    inside = text(EDGE + 12, y + 18, say(intent), 10, QUIET) + text(EDGE + 12, y + 35, words)
    return box(EDGE, y, WIDTH - 2 * EDGE, height, FILL, 14) + inside


def buttons(y: float, *keys: str) -> str:
    """A row of actions below an answer."""
    parts, x = [], float(EDGE)
    for key in keys:
        parts.append(text(x, y, say(key), 10.5, TINT))
        x += 10 + 5.9 * len(key)
    return "".join(parts)


def composer(intent: str, placeholder: str, *, runs: bool = False) -> str:
    """The field for words, below the chips of what is wanted; what is made can be stopped."""
    parts, x = [box(0, 432, WIDTH, 78, "#fafafc", 0)], float(EDGE)
    for key in ("Draw", "Edit", "Ask", "Chat"):
        chosen = key == intent
        parts.append(box(x, 440, 54, 24, FILL, 12, stroke=TINT if chosen else FILL))
        color = TINT if chosen else QUIET
        parts.append(text(x + 27, 456, say(key), 11, color, text_anchor="middle"))
        x += 61
    parts.append(box(EDGE + 26, 474, WIDTH - 2 * EDGE - 56, 26, PAPER, 6, stroke=LINE))
    parts.append(text(EDGE + 34, 491, say(placeholder), 11, QUIET))
    parts.append(f'<circle cx="{EDGE + 9}" cy="487" r="9" fill="none" stroke="{TINT}"/>')
    parts.append(text(EDGE + 9, 491, "+", 13, TINT, text_anchor="middle"))
    parts.append(f'<circle cx="{WIDTH - EDGE - 11}" cy="487" r="11" fill="{TINT}"/>')
    if runs:
        parts.append(box(WIDTH - EDGE - 15, 483, 8, 8, PAPER, 1.5))
    else:
        parts.append(text(WIDTH - EDGE - 11, 491, "↑", 12, PAPER, text_anchor="middle"))
    return "".join(parts)


def screen(index: int, title: str, tab: str, inside: str) -> str:
    """One telephone: a title, what it shows, the bar of tabs."""
    parts = [
        box(0, 0, WIDTH, HEIGHT, PAPER, 34, stroke=LINE, stroke_width="2"),
        text(EDGE, 52, say(title), 20, font_weight="700"),
        inside,
        f'<path d="M1 510H{WIDTH - 1}" stroke="{LINE}"/>',
    ]
    step = (WIDTH - 2 * EDGE) / len(TABS)
    for number, name in enumerate(TABS):
        x, color = EDGE + step * (number + 0.5), TINT if name == tab else QUIET
        parts.append(f'<circle cx="{x}" cy="524" r="5" fill="{color}"/>')
        parts.append(text(x, 543, say(name), 9.5, color, text_anchor="middle"))
    x = 2 + index * (WIDTH + GAP)
    return f'<g transform="translate({x} 2)">{"".join(parts)}</g>'


def drawing() -> str:
    """A picture that was drawn, and what it was drawn with."""
    side = 216
    return "".join(
        (
            asked(68, "Draw", "four green circles"),
            picture(EDGE, 124, side, "counting.png"),
            text(EDGE, 358, say("%@ steps, guidance %@, seed %@", "20", "1.5", "7"), 10.5, QUIET),
            buttons(382, "Make again", "Change and resend"),
            buttons(402, "Ask about it", "Edit it", "Share"),
            composer("Draw", "Describe a picture"),
        )
    )


def editing() -> str:
    """An edit, with its before and after, and a picture on its way."""
    done = 0.65
    bar = WIDTH - 2 * EDGE
    return "".join(
        (
            asked(68, "Edit", "make the background black"),
            picture(EDGE, 124, 132, "edit_background.png"),
            box(EDGE, 262, 132, 24, FILL, 7),
            box(EDGE + 67, 264, 63, 20, PAPER, 6, stroke=LINE),
            text(EDGE + 33, 278, say("Before"), 10.5, text_anchor="middle"),
            text(EDGE + 98, 278, say("After"), 10.5, text_anchor="middle"),
            asked(300, "Draw", "a red circle"),
            text(EDGE, 366, say("Drawing"), 12),
            box(EDGE, 374, bar, 5, FILL, 2.5),
            box(EDGE, 374, bar * done, 5, TINT, 2.5),
            text(EDGE, 396, say("Step %@ of %@", "13", "20"), 10.5, QUIET),
            text(WIDTH - EDGE, 396, say("%@ left", "2 s"), 10.5, QUIET, text_anchor="end"),
            composer("Draw", "Describe a picture", runs=True),
        )
    )


def checking() -> str:
    """The self-test after it passed."""
    verdict = say("This device computes what the model computes.").split()
    parts = [
        f'<circle cx="{EDGE + 8}" cy="86" r="7.5" fill="none" stroke="{GOOD}"/>',
        text(EDGE + 8, 89.5, "✓", 10, GOOD, text_anchor="middle"),
        text(EDGE + 22, 84, " ".join(verdict[:4]), 12, GOOD),
        text(EDGE + 22, 99, " ".join(verdict[4:]), 12, GOOD),
        text(EDGE, 124, say("Start"), 12, TINT),
        text(EDGE, 150, say("Stages"), 11, QUIET),
    ]
    stages = ("Vision encoder", "Language model", "Connector", "Transformer", "Picture decoder")
    parts.append(box(EDGE, 160, WIDTH - 2 * EDGE, 38 * len(stages), FILL, 12))
    for number, name in enumerate(stages):
        y = 160 + 38 * number
        parts.append(text(EDGE + 12, y + 23, "✓", 12, GOOD))
        parts.append(text(EDGE + 30, y + 23, say(name), 12))
        parts.append(text(WIDTH - EDGE - 14, y + 23, ">", 11, QUIET))
        if number:
            parts.append(f'<path d="M{EDGE + 30} {y}H{WIDTH - EDGE}" stroke="{LINE}"/>')
    parts.append(text(EDGE, 380, say("Reports"), 11, QUIET))
    parts.append(box(EDGE, 390, WIDTH - 2 * EDGE, 38, FILL, 12))
    parts.append(text(EDGE + 12, 413, say("Self-test"), 12))
    parts.append(text(WIDTH - EDGE - 12, 413, say("Share"), 11, TINT, text_anchor="end"))
    return "".join(parts)


def page() -> str:
    """The whole drawing."""
    width, height = 3 * WIDTH + 2 * GAP + 4, HEIGHT + 30
    screens = (
        screen(0, "Create", "Create", drawing()),
        screen(1, "Create", "Create", editing()),
        screen(2, "Self-test", "Checks", checking()),
    )
    note = text(width / 2, height - 8, NOTE, 11, QUIET, text_anchor="middle")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="{FONT}" role="img">\n'
        f"<title>{escape(NOTE)}</title>\n"
        f"{box(0, 0, width, height, PAPER, 12)}\n" + "\n".join((*screens, note)) + "\n</svg>\n"
    )


if __name__ == "__main__":
    OUTPUT.write_text(page(), "utf-8")
