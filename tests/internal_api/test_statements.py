"""A kept connection that the database has closed is replaced, and what only reads is asked again on the new one."""

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client

from accounts.models import User
from internal_api.statements import fetch_rows, is_lost
from tests.factories import SSHKeyFactory
from tests.servers import connected
from tests.test_unreadable_rows import INTERNAL


def raised(cause: Exception, kind: type[Exception] = OperationalError) -> Exception:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (raised(psycopg.errors.AdminShutdown("stop")), True),
        (raised(psycopg.errors.CrashShutdown("crash")), True),
        (raised(psycopg.errors.ConnectionFailure("lost")), True),
        (raised(psycopg.OperationalError("server closed the connection unexpectedly")), True),
        (raised(psycopg.InterfaceError("the connection is closed"), InterfaceError), True),
        (raised(psycopg.errors.QueryCanceled("took too long")), False),
        (raised(psycopg.errors.TooManyConnections("full")), False),
        (raised(psycopg.errors.LockNotAvailable("waited")), False),
        (OperationalError("SQLite's"), False),
    ],
)
def test_which_errors_say_that_the_connection_has_ended(error: Exception, lost: bool) -> None:
    assert is_lost(error) is lost


def end_the_connection() -> None:
    """As a failover does: the server's end is gone, and ours does not know."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    settings = connection.settings_dict
    address = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/postgres"
    with connected(address) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_first_requests_after_a_failover_are_answered(shell: Client, ann: User) -> None:
    SSHKeyFactory.create(id=11, user=ann)
    question = {"action": "git-upload-pack", "project": "no/such", "changes": "_any", "protocol": "ssh", "key_id": "11"}
    end_the_connection()
    assert shell.post(f"{INTERNAL}/allowed", question, content_type="application/json").status_code == 404
    end_the_connection()
    assert shell.get(f"{INTERNAL}/discover", {"key_id": "11"}).status_code == 200


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_asked_again() -> None:
    """What the transaction did before is lost with the connection."""

    def ask() -> None:
        with transaction.atomic():
            end_the_connection()
            fetch_rows("SELECT 1", {})

    with pytest.raises((OperationalError, InterfaceError)):
        ask()
    assert fetch_rows("SELECT 1", {}) == [(1,)]
