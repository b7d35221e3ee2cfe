"""The one range of bytes that a request asks for (RFC 9110, 14.2)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


class UnsatisfiableRangeError(ValueError):
    """Nothing of what is asked for is there."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """From `start` on, up to and without `stop`, of `size` bytes."""

    start: int
    stop: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of `Content-Range`."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def read_range(header: str, size: int) -> ByteRange | None:
    """Return the range in a `Range` header; None where the whole is to be sent.

    That is so for several ranges too, and for what cannot be read, as the RFC allows. Raises UnsatisfiableRangeError.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    first, last = match[1], match[2]
    if not first:  # the last so many bytes
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRangeError
    return ByteRange(start, stop, size)
