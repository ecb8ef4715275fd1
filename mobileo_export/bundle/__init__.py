"""Bundles: manifest, seal, links, and writes that last."""
