"""Core AI assets: what a converter writes and a runtime reads."""
