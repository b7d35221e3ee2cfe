"""Reads: agents, what they may reach, counters, policies, vulnerabilities."""
