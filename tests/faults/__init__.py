"""Exports that are killed, starved and lied to, and what they leave behind.

``python -m tests.faults --kills 300`` does it at length; ``test_faults.py`` a little of it.
"""
