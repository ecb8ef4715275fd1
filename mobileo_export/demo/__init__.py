"""The demo: the miniature exported, verified, and put to work."""
