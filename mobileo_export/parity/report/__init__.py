"""Reports of parity: page, JSON, JUnit."""
