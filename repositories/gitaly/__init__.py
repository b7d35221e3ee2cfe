"""Asking Gitaly, over gRPC, what only Git knows (contract: gitaly 4). `client` is the way in, `errors` what can go wrong."""
