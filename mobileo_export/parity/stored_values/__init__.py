"""The values that an artifact stores, against those of the checkpoint."""
