"""Merging an adapter, or the nested copies that post-training left, into a plain checkpoint."""
