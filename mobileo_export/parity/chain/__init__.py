"""Pictures drawn on both sides, from a prompt to the end."""
