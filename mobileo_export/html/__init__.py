"""What pages share: escaping, numbers, style."""
