"""Writes: what changes accounts, keys and tokens."""
