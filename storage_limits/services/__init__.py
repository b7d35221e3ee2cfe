"""Writes: exclusions, and the flag that decisions read."""
