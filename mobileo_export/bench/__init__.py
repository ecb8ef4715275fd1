"""Statistics of measured times, and the schema that results are written in."""
