"""Lists that may be longer than memory should hold."""

import pickle
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO, Any

KEPT = 1000
"""So many items are in memory; the others are in a file."""


class Spooled:
    """A list that is only appended to and read in order; all but its last items are in a temporary file.

    The file has no name, is nobody else's to read, and is gone with the list or with the process.
    """

    def __init__(self) -> None:
        self._last: list[Any] = []
        self._file: IO[bytes] | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._last)

    def append(self, item: Any) -> None:
        self._last.append(item)
        if len(self._last) > KEPT:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="seed-")  # noqa: SIM115  the next line closes it
            weakref.finalize(self, self._file.close)
        self._file.seek(0, 2)
        pickle.dump(self._last, self._file, pickle.HIGHEST_PROTOCOL)
        self._written += len(self._last)
        self._last = []

    def __iter__(self) -> Iterator[Any]:
        position = done = 0
        while self._file is not None and done < self._written:
            self._file.seek(position)
            items = pickle.load(self._file)  # noqa: S301  what this object wrote
            position = self._file.tell()
            done += len(items)
            yield from items
        yield from self._last

    def settled(self) -> "list[Any] | Spooled":
        """Return a plain list where all items are in memory, else this one."""
        return self._last if self._file is None else self
