"""Reads: exclusions and usage."""
