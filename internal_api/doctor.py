"""What is wrong with this installation, and what to do: checks that the apps register, run by `manage.py doctor`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from internal_api.registrations import load_registrations


class Level(StrEnum):
    """How a check came out; problems make `doctor` fail."""

    WELL = "well"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and, unless it is well, what to do."""

    name: str
    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Consultation:
    """What the administrator has said: addresses to ask at, the clients' own secret file, the sshd_config of an OpenSSH."""

    urls: Sequence[str] = ()
    secret_file: str | None = None
    seconds: float = 5.0
    sshd_config: str | None = None
    repositories: bool = False
    """Whether to look for each project's repository, which takes a while."""
    progress: Callable[[str], None] = lambda _: None


_checks: dict[str, tuple[int, Callable[[Consultation], Iterable[Finding]]]] = {}


def register_check(name: str, order: int, check: Callable[[Consultation], Iterable[Finding]]) -> None:
    """Make a check known; those of a lower order come first. One that needs the database comes after `database`."""
    _checks[name] = (order, check)


def examine(consultation: Consultation) -> Iterable[Finding]:
    """Run all checks. A check that breaks is a finding too, and the others go on."""
    load_registrations("doctor_checks")
    for name, (_, check) in sorted(_checks.items(), key=lambda item: item[1][0]):
        try:
            yield from check(consultation)
        except Exception as error:  # noqa: BLE001  whatever is broken, the doctor goes on to the next
            yield Finding(name, Level.PROBLEM, f"could not be checked: {type(error).__name__}", "Look at the findings above first.")


def well(name: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Level.WELL, text)


def warning(name: str, text: str, advice: str) -> Finding:
    """Works, but should be looked at."""
    return Finding(name, Level.WARNING, text, advice)


def problem(name: str, text: str, advice: str) -> Finding:
    """Does not work."""
    return Finding(name, Level.PROBLEM, text, advice)
