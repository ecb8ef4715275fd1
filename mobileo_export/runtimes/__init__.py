"""Runtimes: each executes artifacts of one kind."""
