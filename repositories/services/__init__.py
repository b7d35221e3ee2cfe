"""Writes: what changes namespaces, projects and access to them."""
