"""Files that have to outlive a power cut."""

import os
from pathlib import Path


def synchronize(path: Path) -> None:
    """Wait until the disk has a file, or the names in a directory. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
