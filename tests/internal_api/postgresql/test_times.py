"""A time that Python cannot hold is read as the nearest one, so that its row can be read and repaired."""

import json
from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api.postgresql.times import EARLIEST, LATEST, is_nearest
from repositories.models import Member, Namespace
from repositories.services.access import set_member

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


@pytest.mark.parametrize(
    ("stored", "read", "stands_for_another"),
    [
        ("infinity", date.max, True),
        ("-infinity", date.min, True),
        ("20000-01-01", date.max, True),
        ("0044-03-15 BC", date.min, True),
        ("9999-12-31", date.max, False),
    ],
)
def test_every_date_is_read(db: None, stored: str, read: date, stands_for_another: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::date", [stored])
        (found,) = cursor.fetchone()
        assert (found, is_nearest(found)) == (read, stands_for_another)
        cursor.execute("SELECT %s::date = %s::date", [found, read])
        assert cursor.fetchone() == (True,)


def test_the_doctor_names_rows_with_times_that_cannot_be_held(ann: User, acme: Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    token, clear = create_token(user=ann, name="a", scopes=["api"], expires_at=None)
    set_member(acme, ann, 40)
    member = Member.objects.get()
    for sql, pk in (
        ("UPDATE accounts_user SET created_at = '-infinity', password_expires_at = '10000-01-01 05:00+00' WHERE id = %s", ann.pk),
        ("UPDATE accounts_personalaccesstoken SET expires_at = 'infinity' WHERE id = %s", token.pk),
        ("UPDATE repositories_member SET expires_at = '20000-01-01' WHERE id = %s", member.pk),
    ):
        with connection.cursor() as cursor:
            cursor.execute(sql, [pk])
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--seconds", "0.2")
    told = "\n".join(one["text"] for one in json.loads(capsys.readouterr().out) if one["name"] == "stored settings")
    for place in (
        f"accounts_user.created_at of row {ann.pk}",
        f"accounts_user.password_expires_at of row {ann.pk}",
        f"accounts_personalaccesstoken.expires_at of row {token.pk}",
        f"repositories_member.expires_at of row {member.pk}",
    ):
        assert f"{place}: is infinite or beyond the years 1 to 9999" in told
    assert Client(headers={"private-token": clear}).get("/api/v4/namespaces/storage/limit_exclusions").status_code == 403, (
        "no administrator"
    )


def test_a_person_with_such_a_time_is_blocked_and_shown(ann: User, client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET password_expires_at = 'infinity', created_at = '-infinity' WHERE id = %s", [ann.pk])
    call_command("block_user", "ann", stdout=StringIO())
    assert User.objects.get(pk=ann.pk).state == "blocked"
    client.force_login(User.objects.create(username="root", email="root@example.com", admin=True))
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get(f"/admin/accounts/user/{ann.pk}/change/").status_code == 200
