"""Secrets kept in files that only this user may read."""

import os
from pathlib import Path


def write_secret(path: Path, secret: str) -> str:
    """Keep a new secret with mode 0600 and return it. When another process was first, its secret wins and is returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    try:
        os.link(draft, path)  # appears whole or not at all, and never replaces a secret that is in use
    except FileExistsError:
        return path.read_text().strip()
    finally:
        draft.unlink()
    return secret
