"""Stand-ins for the programs around the service, for tests, the demo and benchmarks alike."""
