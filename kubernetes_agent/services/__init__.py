"""Writes: agents and their tokens, configurations, counters, vulnerabilities."""
