"""Secrets kept in files that only this user may read."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_secret(path: Path, secret: str) -> str:
    """Keep a new secret with mode 0600 and return it. When another process was first, its secret wins and is returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, not the process id's: containers on one volume are all process 1.
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # appears whole or not at all, and never replaces a secret that is in use
    finally:
        Path(draft).unlink()
    return path.read_text().strip()  # what every other process reads, whoever wrote it
