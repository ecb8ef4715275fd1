"""What an export may be asked for; light, since the command line reads it."""

DEFAULT = "exact"
CHOICES = ("none", "exact")

# Below this a scale and the operation that applies it cost more than they save; coremltools' own
# compression leaves the same tensors alone.
LEAST_ELEMENTS = 2048
