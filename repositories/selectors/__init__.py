"""Reads: what a decision needs to know, in as few statements as can be."""
