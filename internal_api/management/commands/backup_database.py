"""Copy the SQLite database while the service runs."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from internal_api.management.operator import ExampleCommand
from internal_api.seeding.progress import ProgressLines
from internal_api.sqlite_backup import BackupError, Rows, back_up, verify


class Command(ExampleCommand):
    """`backup_database /var/backups/control-plane.sqlite3 --verify`."""

    help = "Copy the SQLite database to a new file while the service runs, or verify such a copy. PostgreSQL has pg_dump for it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the copy goes, and whether it is read again."""
        parser.add_argument("file", type=Path, metavar="FILE", help="the copy; it must not exist yet")
        parser.add_argument("--verify", action="store_true", help="then read the whole copy, and compare the number of rows of each table")
        parser.add_argument("--verify-only", action="store_true", help="make no copy, verify the one that is there")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Copy and verify, as told."""
        try:
            if options["verify_only"]:
                rows = verify(file)
            else:
                lines = ProgressLines(self.stderr.write)
                rows = back_up(self._source(), file, lambda done, total: lines("pages", done, total))
                if options["verify"]:
                    verify(file, rows)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self._tell(file, rows, is_verified=options["verify"] or options["verify_only"], as_json=options["json"])

    def _source(self) -> Path:
        database = connection.settings_dict
        if database["ENGINE"] != "django.db.backends.sqlite3":
            raise CommandError("The database is PostgreSQL: use pg_dump, as docs/deployment/backup-and-restore.md has it.")
        return Path(database["NAME"])

    def _tell(self, file: Path, rows: Rows, *, is_verified: bool, as_json: bool) -> None:
        number = sum(rows.values())
        if as_json:
            self.stdout.write(json.dumps({"file": str(file), "bytes": file.stat().st_size, "verified": is_verified, "rows": rows}))
            return
        self.stdout.write(f"{file}: {file.stat().st_size} bytes, {number} rows in {len(rows)} tables{', verified' if is_verified else ''}")
