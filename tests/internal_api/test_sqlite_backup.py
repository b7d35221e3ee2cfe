"""A copy of a SQLite database that others write to has one moment's rows, all of them, or there is no copy."""

import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from internal_api import sqlite_backup
from internal_api.sqlite_backup import BackupError, back_up, verify

pytestmark = pytest.mark.once


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A database in WAL mode with a connection that stays open, so that nothing is checkpointed."""
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("CREATE TABLE django_migrations (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent, filling TEXT)")
        connection.execute("INSERT INTO parent VALUES (1)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO child (parent_id, filling) VALUES (1, ?)", [("x" * 900,)] * 2000)
        connection.execute("COMMIT")
        yield path


def test_a_plain_copy_of_the_file_would_lose_what_the_command_keeps(source: Path, tmp_path: Path) -> None:
    plain, copy = tmp_path / "plain", tmp_path / "copy"
    plain.write_bytes(source.read_bytes())
    with closing(sqlite3.connect(plain)) as connection, pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT COUNT(*) FROM child")
    assert back_up(source, copy) == verify(copy) == {"child": 2000, "django_migrations": 0, "parent": 1}


def test_a_copy_is_one_file_that_only_its_owner_reads(source: Path, tmp_path: Path) -> None:
    directory = tmp_path / "backups"
    directory.mkdir()
    back_up(source, directory / "copy")
    assert [path.name for path in directory.iterdir()] == ["copy"]
    assert (directory / "copy").stat().st_mode & 0o777 == 0o600


def test_a_copy_is_of_one_moment_while_others_write(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction of the writer adds a parent and a child; a copy that mixes moments has more of one."""
    monkeypatch.setattr(sqlite_backup, "PAGES_AT_ONCE", 16)
    stop, written = threading.Event(), threading.Event()
    steps: list[int] = []

    def write() -> None:
        with closing(sqlite3.connect(source, isolation_level=None, timeout=60)) as connection:
            while not stop.is_set():
                connection.execute("BEGIN IMMEDIATE")
                parent = connection.execute("INSERT INTO parent DEFAULT VALUES").lastrowid
                connection.execute("INSERT INTO child (parent_id, filling) VALUES (?, ?)", [parent, "y" * 900])
                connection.execute("COMMIT")
                written.set()

    def note(done: int, total: int) -> None:
        written.clear()
        written.wait(60)  # the writer commits between any two steps
        steps.append(total)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        written.wait(60)
        rows = back_up(source, tmp_path / "copy", note)
    finally:
        stop.set()
        writer.join()
    assert len(steps) > 5
    assert len(set(steps)) == 1
    assert rows["parent"] == rows["child"] - 1999 > 1
    assert verify(tmp_path / "copy", rows) == rows


def test_a_file_that_is_there_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_text("precious")
    with pytest.raises(BackupError, match="exists already"):
        back_up(source, copy)
    assert copy.read_text() == "precious"


def test_of_two_backups_to_one_name_the_second_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / ".copy.partial").touch()
    with pytest.raises(BackupError, match="another backup is running"):
        back_up(source, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_cannot_be_copied_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no such file"):
        back_up(tmp_path / "missing", tmp_path / "copy")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(BackupError, match="cannot be copied: file is not a database"):
        back_up(tmp_path / "text", tmp_path / "copy")
    with pytest.raises(BackupError, match="cannot be written: No such file or directory"):
        back_up(tmp_path / "text", tmp_path / "nowhere" / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_damage_is_found(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    rows = back_up(source, copy)
    content = bytearray(copy.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    copy.write_bytes(content)
    with pytest.raises(BackupError, match="is damaged"):
        verify(copy, rows)
    copy.write_bytes(content[: len(content) // 3])
    with pytest.raises(BackupError, match="is damaged"):
        verify(copy)
    (tmp_path / "text").write_text("no database")
    with pytest.raises(BackupError, match="no SQLite database"):
        verify(tmp_path / "text")


def test_missing_rows_are_found(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    rows = back_up(source, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM child WHERE id = 7")
    with pytest.raises(BackupError, match=r"differs from what was copied, in: child\."):
        verify(copy, rows)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM parent")
    with pytest.raises(BackupError, match="row 1 of child refers to a row of parent that is missing"):
        verify(copy)


def test_another_database_is_no_backup(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as connection, connection:
        connection.execute("CREATE TABLE anything (id INTEGER)")
    with pytest.raises(BackupError, match="is no database of this service"):
        verify(tmp_path / "other")


def test_the_command_copies_verifies_and_tells(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", str(source))
    monkeypatch.setattr("internal_api.seeding.progress.EVERY", 0.0)
    out, err = StringIO(), StringIO()
    copy = tmp_path / "copy"
    call_command("backup_database", str(copy), "--verify", "--json", stdout=out, stderr=err)
    told = json.loads(out.getvalue())
    assert (told["verified"], told["bytes"], told["rows"]["child"]) == (True, copy.stat().st_size, 2000)
    assert re.search(r"pages: \d+ of \d+", err.getvalue())
    out = StringIO()
    call_command("backup_database", str(copy), "--verify-only", stdout=out)
    assert out.getvalue() == f"{copy}: {copy.stat().st_size} bytes, 2001 rows in 3 tables, verified\n"
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup_database", str(copy))


def test_the_command_names_pg_dump_for_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ENGINE", "internal_api.postgresql")
    with pytest.raises(CommandError, match="use pg_dump"):
        call_command("backup_database", str(tmp_path / "copy"))
