"""The pages of docs/reference that are made from the code: `python -m testing.reference_pages`.

`PAGES` names them; a test compares what is in the repository with what this module makes.
"""

import argparse
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import django
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from repositories.policy import Reason
from settings.environment import OPTIONS, SECRETS, Option

ROOT = Path(__file__).resolve().parent.parent
DIRECTORY = ROOT / "docs" / "reference"
WIDTH = 100
_DJANGOS_OWN = frozenset(
    {"help", "version", "settings", "pythonpath", "traceback", "no_color", "force_color", "verbosity"} | {"skip_checks"}
)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_on_hyphens=False,
        break_long_words=False,
    )


def denial_reasons() -> str:
    """Why Git access is refused: the message, what it means and what to do."""
    lines = [
        "# Denial reasons",
        "",
        _wrapped(
            "Every refusal of a Git command has a reason. Its code stands in the log, in "
            "`internal_api_decisions_total` and on the admin site; the user reads its message at "
            "the terminal. This page is made by `make reference` from "
            "`repositories/policy/reasons.py`."
        ),
        "",
        _wrapped(
            "`python manage.py explain_access --user USER --project PATH --action "
            "git-receive-pack` tells which rule refuses a command, and what each rule before it "
            "says."
        ),
        "",
    ]
    for reason in Reason:
        lines += [f"## `{reason.value}`", "", f"Status {reason.status.value}.", ""]
        for message in (reason.message, *reason.other_messages):
            lines += ["```text", *message.strip("\n").split("\n"), "```", ""]
        lines += [_wrapped(reason.meaning), "", _wrapped(f"**What to do**: {reason.remedy}"), ""]
    return "\n".join(lines)


def _commands() -> Iterator[tuple[str, BaseCommand]]:
    for name, app in sorted(get_commands().items()):
        command = load_command_class(app, name)
        file = Path(inspect.getfile(type(command)))
        if file.is_relative_to(ROOT) and ".venv" not in file.parts:
            yield name, command


def _invocation(action: argparse.Action) -> str:
    if not action.option_strings:
        return action.metavar if isinstance(action.metavar, str) else action.dest
    if action.nargs == 0:
        return ", ".join(action.option_strings)
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    value = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
    return f"{', '.join(action.option_strings)} {value}"


def _meaning(action: argparse.Action) -> str:
    notes = [action.help or ""]
    if action.required and action.option_strings:
        notes.append("required")
    has_default = action.default not in (None, False, argparse.SUPPRESS, [], "")
    if has_default and action.option_strings and action.nargs != 0 and "%(default)" not in notes[0]:
        notes.append(f"default `{action.default}`")
    return "; ".join(note for note in notes if note)


def _arguments(actions: Iterable[argparse.Action]) -> Iterator[str]:
    for action in actions:
        if action.dest in _DJANGOS_OWN:
            continue
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  argparse has no other way
            for name, parser in action.choices.items():
                yield _wrapped(f"`{name}`: {parser.description or ''}".rstrip(": "), "* ")
                yield from (f"  {line}" for line in _arguments(parser._actions))  # noqa: SLF001  likewise
            continue
        yield _wrapped(f"`{_invocation(action)}`: {_meaning(action)}".removesuffix(": "), "* ")


def commands() -> str:
    """The management commands: what each does, takes and prints."""
    lines = [
        "# Commands",
        "",
        _wrapped(
            "All are run as `python manage.py COMMAND`, with the environment of the service. "
            "`python manage.py help COMMAND` prints the same. This page is made by "
            "`make reference` from the commands."
        ),
        "",
    ]
    for name, command in _commands():
        parser = command.create_parser("manage.py", name)
        lines += [f"## `{name}`", ""]
        if parser.description:
            lines += [_wrapped(parser.description), ""]
        arguments = list(_arguments(parser._actions))  # noqa: SLF001  argparse has no other way
        if arguments:
            lines += [*arguments, ""]
        example = re.sub(r"^Example: ", "", parser.epilog or "")
        if example:
            lines += ["```shell", example, "```", ""]
    return "\n".join(lines)


def _default(option: Option) -> str:
    if isinstance(option.default, list):
        return ",".join(option.default)
    text = str(option.default)
    return text.lower() if isinstance(option.default, bool) else text


def settings() -> str:
    """The settings of the environment: default and meaning."""
    lines = [
        "# Settings",
        "",
        _wrapped(
            "All come from the environment. Lists are separated by commas. This page is made by "
            "`make reference` from `settings/environment.py`. Settings of the instance that are "
            "changed while it runs are on the admin site and in the seed file."
        ),
        "",
        _wrapped(
            "A setting that is marked *may be a file* can also be given as the name of a file, in "
            "a variable of the setting's name and `_FILE`."
        ),
        "",
    ]
    for option in OPTIONS:
        default = _default(option)
        notes = [f"default `{default}`" if default else "no default"]
        notes += ["may be a file"] if option.name in SECRETS else []
        lines += [f"## `{option.name}`", "", _wrapped(f"{option.meaning} ({', '.join(notes)})."), ""]
    lines += [
        "## Of gunicorn",
        "",
        _wrapped(
            "`BIND` is an address, or several with commas, such as `localhost:3001` (the default) "
            "or `unix:/path`. `WEB_CONCURRENCY` is the number of processes: by default as many as "
            "the CPUs that the process may use, limits of its container included."
        ),
        "",
    ]
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "denial-reasons.md": denial_reasons,
    "settings.md": settings,
}


def main() -> None:
    """Write all pages."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(page())


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
    django.setup()
    main()
