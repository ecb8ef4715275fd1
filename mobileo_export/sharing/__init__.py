"""Bundles on the Hugging Face hub: sent there, and taken from there."""
