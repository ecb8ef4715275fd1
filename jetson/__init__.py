"""The device side: check a Jetson, build engines, run and measure there. Imports no torch."""
