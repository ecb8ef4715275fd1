"""The commands of ``mobileo-export``: each parses, calls one function, renders."""
