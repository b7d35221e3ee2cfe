"""Bring the database to the state that files describe."""

import json
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.models.deletion import ProtectedError

from internal_api.management.operator import ExampleCommand
from internal_api.seeding import Report, SeedError, seed
from internal_api.seeding.documents import read
from internal_api.seeding.progress import ProgressLines

_OPTIONS = ("rows_only", "create_repositories")


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    """Open a file, or what comes from standard input, so that it can be read twice."""
    if name != "-":
        with Path(name).open(encoding="utf-8") as file:
            yield file
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as copy:
        shutil.copyfileobj(sys.stdin, copy)
        copy.seek(0)
        yield copy


class Command(ExampleCommand):
    """`seed FILE [FILE ...]`, `-` for standard input; all files are applied, or none."""

    help = "Load users, keys, groups, projects and settings from YAML or JSON files; applying a file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a YAML or JSON file, or - for standard input")
        parser.add_argument("--rows-only", action="store_true", help="make no repositories at Gitaly for new projects")
        parser.add_argument("--create-repositories", action="store_true", help="make them for the files' other projects too")
        parser.add_argument("--output", choices=["table", "json"], default="table", help="how generated tokens are printed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read all files, then apply them in one transaction."""
        documents = [self._read(name) for name in options["files"]]
        names = iter(options["files"])
        current = {"file": options["files"][0]}

        def each() -> Any:
            for document in documents:
                current["file"] = next(names)
                yield document

        try:
            report = seed(each(), ProgressLines(self.stderr.write), [name for name in _OPTIONS if options[name]])
        except SeedError as error:
            raise CommandError(f"{current['file']}: {error}") from error
        except ProtectedError as error:
            raise CommandError(f"{current['file']}: something that is to be removed is still in use: {error.args[0]}") from error
        except DatabaseError as error:
            raise CommandError(f"{current['file']}: the database refuses it: {' '.join(str(error).split())}") from error
        self._tell(report, as_json=options["output"] == "json")

    def _read(self, name: str) -> dict[str, Any]:
        try:
            with _opened(name) as file:
                return read(file)
        except SeedError as error:
            raise CommandError(f"{name}: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name}: cannot be read: {error}") from error

    def _tell(self, report: Report, *, as_json: bool) -> None:
        if as_json:
            notes = {"notes": report.notes} if report.notes else {}
            self.stdout.write(json.dumps({"changes": report.changes(), "secrets": report.secrets, **notes}, indent=2))
            return
        if not report.changes():
            self.stdout.write("Nothing to change: everything is as the files say.")
        for kind, outcomes in report.changes().items():
            self.stdout.write(f"{kind}: {', '.join(f'{number} {outcome}' for outcome, number in outcomes.items())}")
        for secret in report.secrets:
            self.stdout.write(f"{secret['kind']} {secret['name']}: {secret['token']}   (shown this once)")
        for note in report.notes:
            self.stdout.write(note)
