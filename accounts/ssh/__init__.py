"""SSH public keys, without any database: reading them, their fingerprints, and which ones nobody should use."""
