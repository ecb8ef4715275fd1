"""What the demo found as one HTML file to look at: no network, no script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mobileo_export.evaluation import scenes
from mobileo_export.html.style import STYLE
from mobileo_export.html.text import figure, mark, plural, section, table, text
from mobileo_export.parity.report.page_chain import data_uri

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mobileo_export.demo.run import Demo
    from mobileo_export.evaluation.run import Done

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:1.25rem 1rem}
.gallery.wide{grid-template-columns:repeat(auto-fill,minmax(min(19rem,100%),1fr))}
.gallery img{display:block;width:100%;height:auto;border-radius:8px;border:1px solid var(--line);
image-rendering:pixelated}
.gallery figcaption{margin-top:.4rem;line-height:1.4}.gallery b{color:var(--ink);font-weight:600}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.5rem}
.asked{display:grid;grid-template-columns:5.5rem 1fr;gap:.9rem;align-items:start}
.asked figcaption{margin:0}
.said{border:1px solid var(--line);border-radius:12px;background:var(--card);padding:.9rem 1.1rem}
.said p{padding:.15rem 0}.said .who{color:var(--soft);display:inline-block;min-width:4rem}
h3{margin:1.75rem 0 .75rem}
a{color:var(--blue)}
"""


def render(demo: Demo) -> str:
    """The page. The same values give the same text."""
    ok, terms = demo.findings.ok, demo.manifest["license"]
    body = "\n".join(
        (_drawn(demo), _edited(demo), _asked(demo), _said(demo), _scores(demo), _bundle(demo))
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<title>Mobile-O in miniature</title>"
        f"<style>{STYLE}{_STYLE}</style></head>\n<body>\n{_head(demo, ok)}\n<main>\n{body}\n"
        f"</main>\n<footer>Weights of the miniature: {text(terms['weights'])}, "
        f"{text(terms['weights_source'])}.</footer></body></html>\n"
    )


def _head(demo: Demo, ok: bool) -> str:
    sign = '<span class="sign" aria-hidden="true">✓</span> ' if ok else ""
    title = (
        f"{sign}The exported miniature computes what PyTorch computes"
        if ok
        else "The exported miniature does not compute what PyTorch computes"
    )
    count = plural(len(demo.items), "thing")
    sub = (
        f"Its bundle, as saved on disk, was asked for {count} that its training never showed. "
        "All of them are below, right and wrong, as a program judged them that reads pixels and "
        "words."
    )
    tiles = [
        (_TITLES[score.suite], f"{score.right} of {score.count}", "right", True)
        for score in demo.results.scores()
        if score.category == "overall"
    ]
    rows = [
        row.holds
        for component in demo.findings.comparison.components
        for case in component.cases
        for output in case.outputs
        for row in output.rows
    ]
    tiles.append(("Parity bounds that hold", f"{sum(rows)} of {len(rows)}", "", all(rows)))
    chain = demo.findings.chain
    images = [c.image.psnr for c in chain.chains if c.image is not None] if chain else []
    if images:
        tiles.append(("Picture beside PyTorch's", figure("psnr", min(images)), "at least", True))
    shown = "".join(
        f"<div{'' if good else ' class=failed'}><dt>{title_}</dt><dd>{value}"
        f"<small>{note}</small></dd></div>"
        for title_, value, note, good in tiles
    )
    return (
        f'<header class="verdict {"ok" if ok else "bad"}"><p class="eyebrow">Mobile-O in miniature'
        f'</p><h1>{title}</h1><p class="sub">{text(sub)}</p><dl class="tiles">{shown}</dl></header>'
    )


_TITLES = {"draw": "Drawn", "edit": "Edited", "ask": "Answered", "chat": "Remembered"}
_CATEGORIES = {
    "single_object": "One object, at a place",
    "two_objects": "Two objects",
    "counting": "Counting",
    "colors": "Colors",
    "position": "Position",
    "color_attribution": "Which is of which color",
    "name": "A name",
    "liking": "What somebody likes",
}


def _drawn(demo: Demo) -> str:
    parts = []
    for category, items in _by_category(demo, "draw"):
        figures = "".join(
            f"<figure>{_image(done.pixels, done.item.text)}<figcaption><b>{text(done.item.text)}"
            f"</b><br>{_verdict(done)}</figcaption></figure>"
            for done in items
            if done.pixels is not None
        )
        parts.append(f'<h3>{_category(category)}</h3><div class="gallery">{figures}</div>')
    return section("drawn", "Drawn", "The prompt under each picture is all it got.", "".join(parts))


def _edited(demo: Demo) -> str:
    figures = "".join(
        f'<figure><div class="pair">{_before(done)}'
        f"{_image(done.pixels, f'After: {done.item.text}')}</div><figcaption>"
        f"<b>{text(done.item.text)}</b><br>{_verdict(done)}</figcaption></figure>"
        for _, items in _by_category(demo, "edit")
        for done in items
        if done.pixels is not None
    )
    lead = "Picture and instruction in, another picture out."
    return section("edited", "Edited", lead, f'<div class="gallery wide">{figures}</div>')


def _asked(demo: Demo) -> str:
    figures = "".join(
        f'<figure class="asked">{_before(done)}<figcaption><b>{text(done.item.text)}</b><br>'
        f"{text(done.outcome.got)}<br>{_verdict(done)}</figcaption></figure>"
        for _, items in _by_category(demo, "ask")
        for done in items
    )
    lead = "Questions about pictures of held-out combinations."
    return section("asked", "Asked", lead, f'<div class="gallery wide">{figures}</div>')


def _said(demo: Demo) -> str:
    talks = []
    for _, items in _by_category(demo, "chat"):
        for done in items:
            said = "".join(f"<p>{_who('You')}{text(line)}</p>" for line in done.item.before)
            talks.append(
                f'<div class="said">{said}<p>{_who("You")}{text(done.item.text)}</p>'
                f"<p>{_who('Model')}<b>{text(done.outcome.got)}</b></p>{_verdict(done)}</div>"
            )
    lead = "It recalls what was said before; its other answers on the way are left out."
    return section("said", "Said", lead, f'<div class="gallery wide">{"".join(talks)}</div>')


def _who(name: str) -> str:
    return f'<span class="who">{name}</span>'


def _scores(demo: Demo) -> str:
    rows = [
        (
            text(_TITLES[score.suite]),
            _category(score.category),
            f"{score.right} of {score.count}",
            "{:.0%} to {:.0%}".format(*score.interval),
        )
        for score in demo.results.scores()
    ]
    shown = table("Judged", ("set", "category", "right", "95 % interval"), rows, (2, 3))
    lead = (
        f"Few items of each, chosen by seed {demo.results.seed}; "
        "<code>mobileo-export evaluate</code> takes as many as you like."
    )
    return section("judged", "Judged", lead, shown)


def _bundle(demo: Demo) -> str:
    sizes = {item["path"]: int(item["size"]) for item in demo.manifest["files"]}
    rows = []
    for name, entry in demo.manifest["components"].items():
        for artifact in entry["artifacts"]:
            path = artifact["path"]
            size = sum(
                value
                for file, value in sizes.items()
                if file == path or file.startswith(path + "/")
            )
            rows.append(
                (text(name), text(path), text(artifact["weight_precision"]), f"{size / 1e6:.2f} MB")
            )
    shown = table("Artifacts", ("component", "artifact", "weights", "size"), rows, (3,))
    lead = (
        'How far each is from PyTorch: <a href="parity/report.html">the parity report</a>. '
        "The bundle itself is the folder <code>bundle</code> beside this page."
    )
    return section("bundle", "The bundle", lead, shown)


def _by_category(demo: Demo, suite: str) -> Iterable[tuple[str, list[Done]]]:
    ours = [done for done in demo.items if done.item.suite == suite]
    for category in dict.fromkeys(done.item.category for done in ours):
        yield category, [done for done in ours if done.item.category == category]


def _category(name: str) -> str:
    return text(_CATEGORIES.get(name, name.capitalize()))


def _verdict(done: Done) -> str:
    outcome = done.outcome
    if outcome.right:
        return mark(True, "right")
    what = outcome.expected if done.pixels is None else f"wrong {', '.join(outcome.wrong)}"
    return mark(False, f"asked for {what}" if done.pixels is None else what)


def _before(done: Done) -> str:
    assert done.item.scene is not None
    return _image(scenes.draw(done.item.scene), "The picture it was given")


def _image(pixels: NDArray[np.uint8] | None, alt: str) -> str:
    assert pixels is not None
    height, width = pixels.shape[:2]
    return f'<img src="{data_uri(pixels)}" width="{width}" height="{height}" alt="{text(alt)}">'
