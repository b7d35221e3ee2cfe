"""Reads: users, keys and who is asking."""
