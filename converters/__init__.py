"""Converters: what turns a component into an artifact, one folder a kind."""
