"""What fewer bits of a weight do to what a model makes, and the best plan under a size."""
