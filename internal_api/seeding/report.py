"""What applying seed files has done."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from internal_api.models import InstanceSettings

Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What files did, and with which options.

    `secrets` are the generated ones, shown this once; `former` are the settings before the files.
    """

    former: InstanceSettings
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    secrets: list[dict[str, str]] = field(default_factory=list)
    options: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)
    """What the administrator should know besides."""
    afterwards: "dict[Callable[[Report, list[Any]], None], list[Any]]" = field(default_factory=dict)
    """What is done when everything is written, and for which rows: work that a rolled back transaction could not undo."""
    progress: Progress = field(default=lambda _name, _done, _total: None)

    def count(self, kind: str, outcome: str, number: int = 1) -> None:
        """Note that something, or so many of them, was made, changed, removed or left as it was."""
        if number:
            self.outcomes[kind, outcome] += number

    def changed(self, kind: str, changed: bool) -> None:
        self.count(kind, "changed" if changed else "unchanged")

    def postpone(self, act: "Callable[[Report, list[Any]], None]", row: Any) -> None:
        """Let something be done for a row when everything is written; once for all such rows."""
        self.afterwards.setdefault(act, []).append(row)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Forget what was noted inside when it ends with an error."""
        outcomes, secrets, notes = self.outcomes.copy(), len(self.secrets), len(self.notes)
        afterwards = {act: len(rows) for act, rows in self.afterwards.items()}
        try:
            yield
        except BaseException:
            self.outcomes = outcomes
            del self.secrets[secrets:], self.notes[notes:]
            for act, rows in self.afterwards.items():
                del rows[afterwards.get(act, 0) :]
            raise

    def secret(self, kind: str, name: str, value: str) -> None:
        """Keep a generated secret for the end of the output."""
        self.secrets.append({"kind": kind, "name": name, "token": value})

    def changes(self) -> dict[str, dict[str, int]]:
        """Per kind of thing, how many were made, changed or removed."""
        found: dict[str, dict[str, int]] = {}
        for (kind, outcome), number in sorted(self.outcomes.items()):
            if outcome != "unchanged":
                found.setdefault(kind, {})[outcome] = number
        return found
