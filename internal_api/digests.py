"""What is stored of a token that callers show."""

import hashlib


def token_digest(token: str) -> str:
    """Its SHA-256. Tokens are made with at least 128 bits of chance, so one round without a salt is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
