"""Signing in to the admin site (decisions 14d)."""

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import second_factor
from accounts.services.second_factor import generate_recovery_codes
from accounts.sign_in import REFUSAL
from internal_api.models import AuditEvent
from tests.factories import UserFactory

LOGIN = "/admin/login/?next=/admin/"
PASSWORD = "correct horse battery"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = 60_000_000


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_factor, "present_timestep", lambda: STEP)


@pytest.fixture
def root(db: None) -> User:
    return UserFactory.create(username="root", admin=True, password=PASSWORD, otp_secret=SECRET)


def otp() -> str:
    return pyotp.TOTP(SECRET).generate_otp(STEP)


def comes_in(**values: str) -> bool:
    client = Client()
    response: Any = client.post(LOGIN, {"username": "root", "password": PASSWORD, **values})
    if response.status_code == 302:
        return client.get("/admin/").status_code == 200
    assert REFUSAL in response.content.decode()
    assert client.get("/admin/").status_code == 302
    return False


def test_a_password_and_a_code_open_it_once(root: User) -> None:
    code = otp()
    assert comes_in(code=code, username="ROOT")
    assert not comes_in(code=code)


@pytest.mark.parametrize(
    "values",
    [{}, {"code": ""}, {"code": "000000"}, {"code": "x" * 64}, {"password": "wrong"}, {"username": "nobody"}, {"username": "ro\x00ot"}],
)
def test_without_all_of_it_nobody_comes_in(root: User, values: dict[str, str]) -> None:
    """And nothing tells what was right."""
    given = {"code": otp(), **values} if "code" not in values and values else values
    response: Any = Client().post(LOGIN, {"username": "root", "password": PASSWORD, **given})
    assert response.status_code == 200
    assert "_auth_user_id" not in response.client.session


def test_a_recovery_code_works_once(root: User) -> None:
    codes = generate_recovery_codes(root)
    assert comes_in(code=codes[0].upper())
    assert not comes_in(code=codes[0])
    assert comes_in(code=f" {codes[1]} ")


def test_without_a_second_factor_the_password_is_enough(root: User) -> None:
    User.objects.update(otp_secret=None)
    assert comes_in()


def test_ten_failures_shut_the_account_for_ten_minutes_over_ssh_too(root: User, shell: Client) -> None:
    for number in range(10):
        assert not comes_in(**({"password": "wrong"} if number % 2 else {"code": "000000"}))
    assert not comes_in(code=otp())
    answer = shell.post("/api/v4/internal/two_factor_manual_otp_check", {"user_id": root.pk, "otp_attempt": otp()}).json()
    assert answer["message"] == "Your account is locked"
    assert AuditEvent.objects.filter(action="authentication_failed", author_id=root.pk).count() == 10
    User.objects.update(locked_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert comes_in(code=otp())
    root.refresh_from_db()
    assert (root.failed_attempts, root.locked_at) == (0, None)


@pytest.mark.parametrize("fields", [{"admin": False}, {"state": "blocked"}])
def test_only_administrators_come_in(root: User, fields: dict[str, Any]) -> None:
    User.objects.update(otp_secret=None, **fields)
    response = Client().post(LOGIN, {"username": "root", "password": PASSWORD})
    assert response.status_code == 200
    assert "_auth_user_id" not in response.client.session


def test_whoever_is_blocked_is_out_at_once(root: User) -> None:
    client = Client()
    client.force_login(root)
    assert client.get("/admin/").status_code == 200
    User.objects.update(state="blocked")
    assert client.get("/admin/").status_code == 302


def test_pages_run_no_script_but_the_sites_own(db: None) -> None:
    response = Client().get(LOGIN)
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert b"<script>" not in response.content
    assert b"onclick" not in response.content
