"""Writes: provisioning people, groups, tokens."""
