"""What a model is asked while its weights are judged: plain scenes that every Mobile-O can draw.

Shapes and colors are all that the miniature knows, and are asked of any text-to-image model; the
others are what people ask for. In turns, so that any number of them is a mixture.
"""

from __future__ import annotations

CAPTIONS = (
    "a red circle on a white background",
    "a blue square above a green triangle on a gray background",
    "a red bicycle leaning against a yellow wall in the soft light of a late afternoon",
    "three purple circles",
    "a yellow triangle at the top on a black background",
    "a portrait of an old fisherman with a gray beard",
    "a green square and a red circle",
    "a purple triangle left of a yellow square on a white background",
    "a bowl of oranges on a wooden table",
    "four blue squares",
    "a circle at the bottom on a gray background",
    "a mountain lake at dawn with fog over the water",
    "two yellow triangles",
    "a square right of a circle on a black background",
    "a black cat asleep on a stack of books",
    "a green circle on a black background",
)
INSTRUCTIONS = (
    "make the background black",
    "turn it into a blue one",
    "make the sky darker and add a full moon",
    "make the background white",
)
QUESTIONS = (
    "How many shapes are there?",
    "What is in this picture, and what colour is it?",
    "What color is the background?",
    "Is there a circle?",
)
MESSAGES = ("My name is Ada and I like yellow circles.", "What can you do?")
