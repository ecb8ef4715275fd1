"""Explain a divergence: the first module and operation whose error jumps, the cause and the fix."""
