"""Reading OpenSSH's sshd_config: which values hold for one user, and where sshd's own reading surprises (sshd_config(5))."""

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

DEEPEST_INCLUDE = 16
"""As sshd has it."""
SSHD = Path("/usr/sbin/sshd")
KEYS_COMMAND = "authorizedkeyscommand"
PRINCIPALS_COMMAND = "authorizedprincipalscommand"
_DEFAULTS = {
    "acceptenv": "",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
    "kbdinteractiveauthentication": "yes",
    "passwordauthentication": "yes",
    "permituserenvironment": "no",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file that holds for the user; `in_match` where it stands below a `Match` that covers the user."""

    keyword: str
    value: str
    in_match: bool
    place: str


@dataclass(frozen=True, slots=True)
class SSHDConfig:
    """The values that hold for one user, by lower-case keyword, and what sshd drops although the file says it."""

    values: Mapping[str, str]
    dropped: tuple[Line, ...]

    def get(self, keyword: str) -> str:
        """Return a value; empty for an absent one and for `none`."""
        value = self.values.get(keyword, _DEFAULTS.get(keyword, ""))
        return "" if value.lower() == "none" else value


def read_sshd_config(path: Path, user: str) -> SSHDConfig:
    """Return what the file says for a user: as sshd itself tells it, where it is installed, else as we read the file.

    Raises OSError and ValueError for a file that cannot be read.
    """
    lines = list(_lines(path, user, in_match=False, depth=0))
    values, dropped = _effective(lines)
    return SSHDConfig(_asked_of_sshd(path, user) or values, dropped)


def _lines(path: Path, user: str, *, in_match: bool, depth: int) -> Iterator[Line]:
    """Yield the lines that hold for the user, those of included files in their place."""
    if depth > DEEPEST_INCLUDE:
        raise ValueError(f"{path} is included too deeply")
    matching, covers = in_match, True
    for number, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
        keyword, value = _split(text)
        if keyword == "match":
            matching, covers = True, _covers(value, user)
        elif keyword == "include" and covers:
            for pattern in shlex.split(value):
                for included in sorted(Path("/").glob(str(Path("/etc/ssh", pattern)).lstrip("/"))):
                    yield from _lines(included, user, in_match=matching, depth=depth + 1)
        elif keyword and covers:
            yield Line(keyword, value, matching, f"{path}:{number}")


def _split(text: str) -> tuple[str, str]:
    """Return keyword and value of a line; both empty for a comment."""
    stripped = text.strip()
    if not stripped or stripped.startswith("#"):
        return "", ""
    keyword, _, value = stripped.replace("=", " ", 1).partition(" ") if "=" in stripped.split()[0] else _partition(stripped)
    value = value.strip().removeprefix("=").strip()
    quoted = value.startswith('"') and value.endswith('"') and value.count('"') == 2  # noqa: PLR2004  a pair
    return keyword.lower(), value[1:-1] if quoted else value


def _partition(text: str) -> tuple[str, str, str]:
    keyword, *rest = text.split(None, 1)
    return keyword, " ", rest[0] if rest else ""


def _covers(criteria: str, user: str) -> bool:
    """Whether a `Match` line covers the user. Criteria that depend on the connection count as not met."""
    words = criteria.split()
    if [word.lower() for word in words] == ["all"]:
        return True
    pairs = list(zip(words[::2], words[1::2], strict=False))
    return bool(pairs) and all(name.lower() == "user" and _in_pattern_list(user, patterns) for name, patterns in pairs)


def _in_pattern_list(user: str, patterns: str) -> bool:
    found = False
    for pattern in patterns.split(","):
        if fnmatchcase(user, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _effective(lines: list[Line]) -> tuple[dict[str, str], tuple[Line, ...]]:
    """Return the values, and the lines that sshd drops: the first principals' command, if after a keys' command of the same scope.

    OpenSSH 9.2 and its neighbours look at the wrong variable there and drop it without a word.
    """
    scopes: tuple[dict[str, str], dict[str, str]] = ({}, {})
    dropped = []
    for line in lines:
        scope = scopes[line.in_match]
        if line.keyword == PRINCIPALS_COMMAND and KEYS_COMMAND in scope and PRINCIPALS_COMMAND not in scope:
            if line.value.lower() != "none":
                dropped.append(line)
        elif line.keyword == "acceptenv":
            scope["acceptenv"] = f"{scope.get('acceptenv', '')} {line.value}".strip()
        else:
            scope.setdefault(line.keyword, line.value)
    return {**scopes[False], **scopes[True]}, tuple(dropped)


def _asked_of_sshd(path: Path, user: str) -> dict[str, str]:
    """Return what `sshd -T` tells for a user; nothing where it is not installed or cannot read its own host keys."""
    if not SSHD.exists():
        return {}
    connection = f"user={user},host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
    command = [str(SSHD), "-T", "-f", str(path), "-C", connection]
    try:
        told = subprocess.run(  # noqa: S603  sshd itself, and a file that the administrator names
            command, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if told.returncode:
        return {}
    values: dict[str, str] = {}
    for line in told.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        values[keyword] = f"{values[keyword]} {value}" if keyword == "acceptenv" and keyword in values else value
    return values
