"""A database that can only be read, as a standby or after a failover: pulls are answered, pushes wait (contract: decisions 24a)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.token_use import use_token
from internal_api import health
from internal_api.bookkeeping import best_effort
from internal_api.digests import token_digest
from internal_api.last_calls import last_calls
from repositories.models import Member, Project, Refusal
from tests.factories import SSHKeyFactory
from tests.passes import POSTGRESQL

ALLOWED, ZEROS = "/api/v4/internal/allowed", "0" * 40


@pytest.fixture
def key(transactional_db: None, ann: User, rockets: Project) -> SSHKey:
    """Of a developer; never used, so that its first use is to be written down."""
    Member.objects.create(user=ann, project=rockets, access_level=30)
    return SSHKeyFactory.create(user=ann)


@pytest.fixture
def read_only(key: SSHKey, tmp_path: Path) -> Iterator[None]:
    """The database of the test, which from now on is only read: by a setting, or as a file that is opened so."""
    last_calls.forget()
    if POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
        return
    file, original = tmp_path / "copy.sqlite3", connections["default"]
    with sqlite3.connect(file) as copy:
        original.connection.backup(copy)
    copy.close()
    options = {name: value for name, value in original.settings_dict["OPTIONS"].items() if name != "init_command"}
    settings = {**original.settings_dict, "NAME": f"file:{file}?mode=ro", "OPTIONS": options}
    connections["default"] = type(original)(settings, "default")
    yield
    connections["default"].close()
    connections["default"] = original


def asked(key: SSHKey, action: str, changes: str = "_any") -> dict[str, Any]:
    return {"key_id": key.pk, "project": "acme/rockets", "action": action, "changes": changes, "protocol": "ssh"}


def test_pulls_and_keys_are_answered(shell: Client, key: SSHKey, read_only: None) -> None:
    for _ in range(2):
        assert shell.post(ALLOWED, asked(key, "git-upload-pack"), "application/json").status_code == 200
    assert shell.get("/api/v4/internal/authorized_keys", {"key": key.key.split()[1]}).status_code == 200
    assert shell.get("/api/v4/internal/discover", {"key_id": key.pk}).status_code == 200


def test_a_denial_is_a_denial(shell: Client, key: SSHKey, read_only: None) -> None:
    """The row about it is not written."""
    response = shell.post(ALLOWED, {**asked(key, "git-upload-pack"), "project": "acme/nothing"}, "application/json")
    assert response.status_code == 404
    assert Refusal.objects.count() == 0


def test_pushes_are_refused_for_now(shell: Client, key: SSHKey, read_only: None) -> None:
    changes = f"{ZEROS} {'a' * 40} refs/heads/topic"
    response = shell.post(ALLOWED, asked(key, "git-receive-pack", changes), "application/json")
    body = {"status": False, "message": "The database can only be read at the moment. Try again later."}
    assert (response.status_code, response.json(), response["Retry-After"]) == (503, body, "5")
    report = {"gl_repository": f"project-{Project.objects.get().pk}", "identifier": f"user-{key.user_id}", "changes": changes}
    assert shell.post("/api/v4/internal/post_receive", report, "application/json").status_code == 503


def test_the_use_of_a_token_is_not_noted(ann: User, key: SSHKey, request: pytest.FixtureRequest) -> None:
    PersonalAccessToken.objects.create(user=ann, name="t", token_digest=token_digest("glpat-x"), scopes=["api"])
    request.getfixturevalue("read_only")
    token = use_token("glpat-x", ["api"])
    assert token is not None
    assert PersonalAccessToken.objects.get().last_used_at is None


def test_readiness_says_which(stranger: Client, key: SSHKey, read_only: None) -> None:
    """It goes on being asked: pulls are served."""
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["status"], response.json()["database"]) == (200, "degraded", "read-only")


def test_a_database_that_can_be_written_says_so(key: SSHKey) -> None:
    """SQLite is asked with a write that is rolled back."""
    assert health.database_state() is health.DatabaseState.READ_WRITE


def test_bookkeeping_inside_a_transaction_spares_it(key: SSHKey, shell: Client) -> None:
    """Whatever went wrong, the caller's transaction goes on."""
    with transaction.atomic():
        with best_effort("A test"), connection.cursor() as cursor:
            cursor.execute("INSERT INTO repositories_member (id) VALUES (NULL), (NULL)")
        assert Member.objects.count() == 1
