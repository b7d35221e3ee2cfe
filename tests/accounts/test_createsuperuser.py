"""`createsuperuser` makes an administrator by the rules of `create_user`, at the terminal and without one."""

import getpass
import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from internal_api.models import AuditEvent
from repositories.models import Namespace

PASSWORD = "correct horse battery"


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is typed, line by line; the test fails where fewer lines are asked for than there are."""
    lines: list[str] = []

    def next_line(_: str = "") -> str:
        if not lines:
            raise EOFError
        return lines.pop(0)

    monkeypatch.setattr("builtins.input", next_line)
    monkeypatch.setattr(getpass, "getpass", next_line)
    yield lines
    assert lines == []


def the_administrator(username: str) -> User:
    user = User.objects.get(username=username)
    assert (user.admin, user.is_staff) == (True, True)
    assert Namespace.objects.filter(owner=user).count() == 1
    event = AuditEvent.objects.get(action="user_created", entity_id=user.pk)
    assert (event.actor_kind, event.operation) == ("command", "createsuperuser")
    assert PASSWORD not in json.dumps(event.changes)
    return user


def test_everything_is_asked_for(db: None, typing: list[str]) -> None:
    typing += ["boss", "boss@example.com", PASSWORD, PASSWORD]
    call_command("createsuperuser")
    assert the_administrator("boss").check_password(PASSWORD)


def test_what_is_not_accepted_is_asked_again(db: None, typing: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    typing += ["two words", "", "boss", "nowhere", "boss@example.com", "boss", "boss", PASSWORD, "another", PASSWORD, PASSWORD]
    call_command("createsuperuser")
    assert the_administrator("boss").check_password(PASSWORD)
    told = capsys.readouterr().err
    for part in ("A username has letters", "Enter a valid email address", "is too short", "The two passwords differ."):
        assert part in told


def test_what_is_said_is_not_asked_for(db: None, typing: list[str]) -> None:
    typing += [PASSWORD, PASSWORD]
    call_command("createsuperuser", "--username", "boss", "--email", "boss@example.com", "--name", "The Boss")
    assert the_administrator("boss").name == "The Boss"


def test_an_end_of_input_makes_nothing(db: None, typing: list[str]) -> None:
    typing += ["boss"]
    with pytest.raises(CommandError, match="Nothing was made"):
        call_command("createsuperuser")
    assert not User.objects.filter(username="boss").exists()


def test_without_a_terminal_the_environment_is_read(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"USERNAME": "boss", "EMAIL": "boss@example.com", "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)
    call_command("createsuperuser", "--noinput")
    assert the_administrator("boss").check_password(PASSWORD)


def test_without_a_password_there_is_none_to_guess(db: None) -> None:
    call_command("createsuperuser", "--no-input", username="boss", email="boss@example.com")
    assert not the_administrator("boss").has_usable_password()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "--username is needed"),
        ({"USERNAME": "boss"}, "--email is needed"),
        ({"USERNAME": "boss", "EMAIL": "boss@example.com", "PASSWORD": "boss"}, "is too short"),
        ({"USERNAME": "ann", "EMAIL": "boss@example.com"}, "is not accepted"),
        ({"USERNAME": "boss", "EMAIL": "nowhere"}, "email: Enter a valid email address"),
    ],
)
def test_a_refusal_is_one_line_and_makes_nothing(
    ann: User, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], told: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)
    with pytest.raises(CommandError, match=told):
        call_command("createsuperuser", "--noinput")
    assert not User.objects.filter(admin=True).exists()
