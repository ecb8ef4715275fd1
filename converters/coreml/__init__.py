"""Core ML: trace a reference, lower it to an ML Program, write a deterministic package."""
