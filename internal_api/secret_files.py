"""Secrets kept in files that only this user may read, and the secrets beside them while one is being changed.

Beside the file NAME of a secret may lie NAME.next and NAME.previous. What NAME holds signs and encrypts; what the other two
hold is accepted as well. So a secret is known everywhere before its first use, and stays known until its last one.
"""

import contextlib
import os
import tempfile
from pathlib import Path

BESIDE = (".next", ".previous")
"""What the names of the files end in whose secrets are accepted, and used for nothing else."""


def files_beside(path: Path) -> tuple[Path, ...]:
    """Return those of NAME.next and NAME.previous that exist beside the secret file NAME."""
    candidates = (path.with_name(path.name + ending) for ending in BESIDE)
    return tuple(file for file in candidates if file.exists())


def secrets_beside(path: Path | None) -> tuple[str, ...]:
    """Return the secrets of the files beside a secret file, each also with the line end that its file has.

    A secret named by a variable such as SECRET_KEY_FILE is used with its line end. Raises ValueError for an empty file.
    """
    found: list[str] = []
    for file in files_beside(path) if path is not None else ():
        text = file.read_text()
        if not text.strip():
            raise ValueError(f"{file} holds an empty secret.")
        found += dict.fromkeys((text.strip(), text))
    return tuple(found)


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
