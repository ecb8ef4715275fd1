"""Core AI assets: one a component, executed by Apple's own runtime, on Linux too."""
