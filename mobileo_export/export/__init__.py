"""From a checkpoint and options to a sealed bundle."""
