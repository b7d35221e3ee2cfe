"""What this service tells kas: its gRPC API, as far as it is needed."""
