"""Artifacts on disk: what converters write and runtimes read, one folder a kind."""
