"""Reads: scopes, identities, groups."""
