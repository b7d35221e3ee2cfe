"""Signing in to the admin site (decisions 14d)."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pyotp
import pytest
from django.contrib.auth.hashers import get_hasher, make_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import second_factor, sign_in_lock
from accounts.services.second_factor import generate_recovery_codes
from accounts.sign_in import REFUSAL, TOO_MANY
from internal_api import rate_limits
from internal_api.models import AuditEvent
from tests.factories import ProjectFactory, UserFactory

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


@pytest.fixture
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one address try as often as it likes, for tests of the lock."""
    monkeypatch.setattr(sign_in_lock, "TRUSTED_ATTEMPTS_A_MINUTE", 0)


def test_ten_failures_lock_signing_in_for_ten_minutes_and_git_not_at_all(root: User, shell: Client, no_limit: None) -> None:
    """Decisions 14d: no lock of signing in closes Git, nor the commands over SSH."""
    project = ProjectFactory.create(visibility="private")
    for number in range(10):
        assert not comes_in(**({"password": "wrong"} if number % 2 else {"code": "000000"}))
    assert not comes_in(code=otp())
    asked = {"user_id": root.pk, "action": "git-upload-pack", "protocol": "ssh", "gl_repository": f"project-{project.pk}"}
    assert shell.post("/api/v4/internal/allowed", asked).status_code == 200
    answer = shell.post("/api/v4/internal/two_factor_manual_otp_check", {"user_id": root.pk, "otp_attempt": otp()}).json()
    assert answer == {"success": True}
    assert AuditEvent.objects.filter(action="authentication_failed", author_id=root.pk).count() == 10
    User.objects.update(sign_in_locked_at=timezone.now() - timedelta(minutes=10, seconds=1), otp_consumed_timestep=None)
    assert comes_in(code=otp())
    root.refresh_from_db()
    assert (root.failed_sign_ins, root.sign_in_locked_at) == (0, None)


@pytest.mark.parametrize("values", [{"password": ""}, {"password": "", "code": "000000"}, {"password": "\x00"}, {}])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_a_sign_in_without_a_password_forgets_no_failure(root: User, no_limit: None, values: dict[str, str], secret: str | None) -> None:
    """It is no guess, and no success either: else nine guesses and an empty one, again and again, would never lock."""
    User.objects.filter(pk=root.pk).update(failed_sign_ins=3, otp_secret=secret)
    answer: Any = Client().post(LOGIN, {"username": "root", **values})
    assert answer.status_code == 200
    assert "_auth_user_id" not in answer.client.session
    root.refresh_from_db()
    assert root.failed_sign_ins == 3


def test_the_lock_of_one_time_passwords_leaves_signing_in_alone(root: User) -> None:
    User.objects.update(locked_at=timezone.now())
    assert comes_in(code=otp())


def test_nothing_is_written_for_an_account_that_is_locked(root: User, no_limit: None) -> None:
    for _ in range(25):
        comes_in(password="wrong")
    assert AuditEvent.objects.filter(action="authentication_failed").count() == 10


@pytest.mark.parametrize("fields", [{"admin": False}, {"password": "!"}])
def test_nobody_who_cannot_sign_in_is_locked(root: User, no_limit: None, fields: dict[str, Any]) -> None:
    User.objects.update(**fields)
    for _ in range(11):
        comes_in(password="wrong")
    root.refresh_from_db()
    assert (root.failed_sign_ins, AuditEvent.objects.filter(action="authentication_failed").count()) == (0, 0)


@pytest.mark.parametrize(
    ("addresses", "tried"),
    [(["198.51.100.7"], 10), (["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::"], 10), (["127.0.0.1"], 30)],
)
def test_one_address_signs_in_so_often_a_minute_and_nothing_is_hashed_after_it(
    root: User, addresses: list[str], tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_lock, "TRUSTED_ATTEMPTS_A_MINUTE", 30)
    hashed: list[str] = []

    def hashing(form: object) -> None:
        hashed.append("once")
        raise ValidationError(REFUSAL)

    monkeypatch.setattr("accounts.sign_in.AdminAuthenticationForm.clean", hashing)
    monkeypatch.setattr(rate_limits, "time", SimpleNamespace(time=lambda: 1_800_000_000.0))
    for number in range(tried + 5):
        address = addresses[number % len(addresses)]
        response = Client(REMOTE_ADDR=address).post(LOGIN, {"username": "nobody", "password": "wrong"})
    assert TOO_MANY in response.content.decode()
    assert len(hashed) == tried


def test_one_password_is_hashed_at_a_time(root: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_lock, "HASH_WAIT_SECONDS", 0.01)
    with sign_in_lock.one_hash_at_a_time():
        response = Client().post(LOGIN, {"username": "root", "password": PASSWORD})
        assert TOO_MANY in response.content.decode()
    assert comes_in(code=otp())


@pytest.mark.parametrize("known", ["unknown", "locked", "unusable", "blocked", "no administrator"])
def test_a_failure_hashes_once_whoever_is_named(root: User, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions 14d: a sign-in that fails takes the same time and says the same whoever it names."""
    changes: dict[str, dict[str, Any]] = {
        "locked": {"sign_in_locked_at": timezone.now()},
        "unusable": {"password": make_password(None)},
        "blocked": {"state": "blocked"},
        "no administrator": {"admin": False},
    }
    User.objects.update(**changes.get(known, {}))
    hashed: list[str] = []
    encode = get_hasher().encode

    def counting(password: str, salt: str, *rest: Any) -> str:
        hashed.append(password)
        encoded: str = encode(password, salt, *rest)
        return encoded

    monkeypatch.setattr(type(get_hasher()), "encode", lambda self, *given: counting(*given))
    response = Client().post(LOGIN, {"username": "nobody" if known == "unknown" else "root", "password": "wrong"})
    assert REFUSAL in response.content.decode()
    assert len(hashed) == 1


def test_the_address_of_a_failure_is_the_client_s_behind_a_trusted_proxy(root: User) -> None:
    client = Client(REMOTE_ADDR="127.0.0.1", headers={"x-forwarded-for": "6.6.6.6, 198.51.100.7"})
    client.post(LOGIN, {"username": "root", "password": "wrong"})
    assert AuditEvent.objects.get(action="authentication_failed").ip_address == "198.51.100.7"


def test_a_code_is_accepted_though_the_clock_was_once_a_day_ahead(root: User) -> None:
    User.objects.update(otp_consumed_timestep=STEP + 2_880)
    assert comes_in(code=otp())
    root.refresh_from_db()
    assert root.otp_consumed_timestep == STEP


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
