"""A time that Python cannot hold is read as the nearest one, so that its row can be read and repaired."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from internal_api.postgresql.times import EARLIEST, LATEST

pytestmark = pytest.mark.postgresql


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("infinity", LATEST),
        ("-infinity", EARLIEST),
        ("10000-01-01 04:59:59+00", LATEST),
        ("0044-03-15 12:00:00+00 BC", EARLIEST),
        ("2026-11-27 03:15:00.25+00", datetime(2026, 11, 27, 3, 15, 0, 250_000, UTC)),
        ("9999-12-31 23:59:59+00", datetime(9999, 12, 31, 23, 59, 59, 0, UTC)),
    ],
)
def test_every_time_is_read(db: None, stored: str, read: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [stored])
        assert cursor.fetchone() == (read,)


def test_a_person_with_such_a_time_is_blocked_and_shown(ann: User, client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET password_expires_at = 'infinity', created_at = '-infinity' WHERE id = %s", [ann.pk])
    call_command("block_user", "ann", stdout=StringIO())
    assert User.objects.get(pk=ann.pk).state == "blocked"
    client.force_login(User.objects.create(username="root", email="root@example.com", admin=True))
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get(f"/admin/accounts/user/{ann.pk}/change/").status_code == 200
