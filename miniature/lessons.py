"""What the miniature is shown and told: scenes of which nothing is held out, captions, small talk.

Questions, edits and the scenes themselves are those that it is judged by.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from mobileo_export.evaluation import language, scenes
from mobileo_export.evaluation.scenes import (
    BACKGROUNDS,
    COLORS,
    FIRST_RELATIONS,
    HELD_OUT,
    NUMBERS,
    OPPOSITE,
    PLACES,
    SHAPES,
    Key,
    Kind,
    Scene,
)

_LEADS = ("", "", "a picture of ", "draw ")
_ASIDE = (
    ("Hello!", "Hello! How can I help you?"),
    ("Hi", "Hello! How can I help you?"),
    ("Thank you.", "You are welcome."),
    ("Who are you?", "I am a small Mobile-O."),
    ("What can you do?", "I draw shapes, change pictures and answer questions about them."),
    ("How are you?", "I am fine, thank you."),
    ("Goodbye", "Goodbye!"),
)


def many(seed: str, count: int, kinds: Iterable[Kind | None] = (None,)) -> list[Scene]:
    """``count`` trainable scenes, the same for the same seed."""
    rng, order = random.Random(seed), tuple(kinds)
    return [trainable(rng, order[index % len(order)]) for index in range(count)]


def keys(scene: Scene) -> frozenset[Key]:
    """The combinations that a scene shows, of the kinds that ``HELD_OUT`` names."""
    first, ground = scene.things[0], scene.background
    if scene.kind == "single":
        return frozenset(
            {
                ("color", first.color, first.shape, ground),
                ("place", first.shape, scene.layout, ground),
            }
        )
    if scene.kind == "group":
        return frozenset({("count", NUMBERS[len(scene.things) - 1], first.color, first.shape)})
    a, b = scene.things
    pair = sorted(f"{t.color} {t.shape}" for t in (a, b))
    shapes = sorted((a.shape, b.shape))
    return frozenset(
        {
            ("attribution", *pair),
            ("shapes", *shapes, ground),
            ("relation", a.shape, scene.layout, b.shape, ground),
        }
    )


def held_out(scene: Scene) -> bool:
    """Whether training never shows it."""
    return not keys(scene).isdisjoint(HELD_OUT)


def trainable(rng: random.Random, kind: Kind | None = None) -> Scene:
    """A random scene of which nothing is held out."""
    while True:
        scene = sample(rng, kind)
        if not held_out(scene):
            return scene


def sample(rng: random.Random, kind: Kind | None = None) -> Scene:
    """A random scene, held out or not."""
    kind = kind or rng.choice(("single", "pair", "pair", "group"))
    background = rng.choice(tuple(BACKGROUNDS))
    color, shape = rng.choice(tuple(COLORS)), rng.choice(SHAPES)
    if kind == "single":
        return scenes.single(rng, shape, color, rng.choice(tuple(PLACES)), background)
    if kind == "group":
        return scenes.group(rng, rng.randint(2, 4), shape, color, background)
    while True:
        other = rng.choice(SHAPES), rng.choice(tuple(COLORS))
        if other != (shape, color):
            return scenes.pair(rng, (shape, color), rng.choice(FIRST_RELATIONS), other, background)


def caption(scene: Scene, rng: random.Random) -> str:
    """A caption that says some of what a scene shows, and nothing wrong."""
    text = subject(scene, colored=rng.random() < 0.75, layout=rng.random() < 0.6, rng=rng)
    if rng.random() < 0.6:
        text += f" on a {scene.background} background"
    return rng.choice(_LEADS) + text


def prompt(scene: Scene, rng: random.Random) -> str:
    """A caption as prompts are typed: of a pair most often without relation or without colors.

    Two things that only *and* joins are named as one reads: left or upper one first.
    """
    pair = scene.kind == "pair"
    colored, layout = (rng.random() < share for share in ((0.5, 0.4) if pair else (0.8, 0.6)))
    text = subject(scene, colored, layout, rng if layout else None)
    if rng.random() < 0.6:
        text += f" on a {scene.background} background"
    return rng.choice(_LEADS) + text


def full_caption(scene: Scene) -> str:
    """Everything that can be said."""
    return subject(scene, True, True) + f" on a {scene.background} background"


def subject(scene: Scene, colored: bool, layout: bool, rng: random.Random | None = None) -> str:
    """The shapes of a scene, with their colors and places if asked for, without the background."""
    first = scene.things[0]
    if scene.kind == "group":
        return f"{NUMBERS[len(scene.things) - 1]} {language.name(first, colored)}s"
    if scene.kind == "single":
        return f"a {language.name(first, colored)}" + (f" {scene.layout}" if layout else "")
    a, b = scene.things
    colored = colored or a.shape == b.shape
    relation = scene.layout
    if rng is not None and rng.random() < 0.5:
        a, b, relation = b, a, OPPOSITE[relation]
    joint = relation if layout else "and"
    return f"a {language.name(a, colored)} {joint} a {language.name(b, colored)}"


def talk(rng: random.Random) -> list[tuple[str, str]]:
    """A conversation, (what the user says, what the model answers), that recalls what was said."""
    while True:
        who, what = rng.choice(language.NAMES), rng.choice(language.LIKES)
        if (who, what) not in language.HELD_OUT_TALK:
            break
    told, asked = language.introduction(who, what, rng), language.recall(who, what)
    rng.shuffle(asked)
    turns = told + asked[: rng.randint(1, 2)]
    if rng.random() < 0.4:
        turns.insert(rng.randrange(len(turns) + 1), rng.choice(_ASIDE))
    if rng.random() < 0.15:
        turns = rng.sample(_ASIDE, 2)
    return turns


def sentences() -> list[str]:
    """Every word of this world in its place: what a tokenizer is trained on."""
    rng = random.Random("sentences")
    found = []
    for _ in range(3000):
        scene = sample(rng)
        found += [caption(scene, rng), full_caption(scene)]
        found += [text for q in language.questions(scene, rng) for text in (q.text, q.answer)]
        found += [edit.text for edit in language.edits(scene, rng)]
        found += [text for turn in talk(rng) for text in turn]
    return found + ["Describe the picture."] * 300 + list(PLACES) * 20
