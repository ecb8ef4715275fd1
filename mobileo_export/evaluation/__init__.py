"""What a model can do: judged prompts, questions, edits and small talk, and their judges.

The miniature's world (:mod:`.scenes`, :mod:`.language`) is small enough for a program to tell from
the pixels whether a picture shows what was asked. Training and evaluation share its words here.
"""
