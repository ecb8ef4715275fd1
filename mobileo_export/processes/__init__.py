"""How programs start others, end, and say why."""
