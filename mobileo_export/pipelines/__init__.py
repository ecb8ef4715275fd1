"""Draw, answer, edit and chat: one implementation over any runtime."""
