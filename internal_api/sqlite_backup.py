"""Consistent copies of a SQLite database while others write to it, and what makes one trustworthy.

The newest transactions of a database in WAL mode are in a second file, so copying the first one loses them without a word. Here
SQLite's own online backup reads one snapshot, which writers do not wait for.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from internal_api.disk import synchronize

PAGES_AT_ONCE = 4096
"""Pages, of 4 KiB as a rule, between two lines of progress."""
_NONE: Callable[[int, int], None] = lambda _done, _total: None  # noqa: E731  what is called when nobody wants to know

Progress = Callable[[int, int], None]
Rows = dict[str, int]
"""The number of rows of each table."""


class BackupError(Exception):
    """A copy cannot be made, or is not whole: one sentence."""


def back_up(source: Path, target: Path, progress: Progress = _NONE) -> Rows:
    """Copy a database into a new file of mode 0600, and return how many rows each table of that snapshot has.

    The file has its name only when it is complete and on disk. Raises BackupError.
    """
    if target.exists():
        raise BackupError(f"{target} exists already; choose another name.")
    partial = target.with_name(f".{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise BackupError(f"{partial} exists: another backup is running, or one was killed; remove it in that case.") from error
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        rows = _copy(source, partial, progress)
        os.link(partial, target)  # fails where somebody else took the name meanwhile
    except FileExistsError as error:
        raise BackupError(f"{target} exists already; choose another name.") from error
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{source} cannot be copied: {error}.") from error
    finally:
        partial.unlink()
    synchronize(target.parent)
    return rows


def _copy(source: Path, target: Path, progress: Progress) -> Rows:
    with _reading(source) as snapshot, closing(sqlite3.connect(target)) as copy:
        rows = _rows(snapshot)
        snapshot.backup(
            copy,
            pages=PAGES_AT_ONCE,
            progress=lambda _, remaining, total: progress(total - remaining, total),
            sleep=0,
        )
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, which can be read where nothing can be written
    synchronize(target)
    return rows


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading, in one snapshot."""
    if not path.exists():
        raise sqlite3.OperationalError("there is no such file")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # here the snapshot begins
        yield connection


def _rows(connection: sqlite3.Connection) -> Rows:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    quoted = [(name, name.replace('"', '""')) for (name,) in names.fetchall()]
    return {name: connection.execute(f'SELECT COUNT(*) FROM "{q}"').fetchone()[0] for name, q in quoted}  # noqa: S608  tables' names


def verify(path: Path, expected: Rows | None = None) -> Rows:
    """Read a whole copy: every page, index and reference; return how many rows each table has.

    `expected` is what `back_up` returned. Raises BackupError.
    """
    try:
        with _reading(path) as connection:
            problems = [text for (text,) in connection.execute("PRAGMA integrity_check(5)")]
            if problems != ["ok"]:
                raise BackupError(f"{path} is damaged: {'; '.join(problems)}.")
            if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise BackupError(f"{path} is damaged: row {broken[1]} of {broken[0]} refers to a row of {broken[2]} that is missing.")
            rows = _rows(connection)
    except sqlite3.Error as error:
        raise BackupError(f"{path} is damaged, or no SQLite database: {error}.") from error
    if "django_migrations" not in rows:
        raise BackupError(f"{path} is no database of this service: it has no table of migrations.")
    if expected is not None and rows != expected:
        differing = sorted(name for name in rows.keys() | expected.keys() if rows.get(name) != expected.get(name))
        raise BackupError(f"{path} differs from what was copied, in: {', '.join(differing)}.")
    return rows
