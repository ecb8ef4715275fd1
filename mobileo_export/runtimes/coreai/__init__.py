"""Apple's Core AI runtime: the processor of a Linux machine or of a Mac."""
