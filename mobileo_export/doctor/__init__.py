"""What this machine can do with Mobile-O and what it lacks; imports nothing heavy to find out."""
