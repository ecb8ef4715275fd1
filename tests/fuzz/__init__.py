"""Hostile input: every reader of the toolkit on files that were damaged on purpose.

Of each case one thing is asked: it is read, or refused with one line; nothing else is raised,
nothing is written outside the output folder, no file outside the input is opened by a name that
came out of one, and time and memory stay bounded. ``python -m tests.fuzz`` runs thousands.
"""
