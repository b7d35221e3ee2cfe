"""What was uploaded and is not stored yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Upload:
    """Content in a temporary file, or in a temporary object of an object storage.

    `size` and `sha256` are what the receiver, who is trusted, has counted and computed.
    """

    size: int
    sha256: str
    path: str = ""
    remote_id: str = ""
