"""POST /two_factor_recovery_codes, _config, _manual_otp_check and _push_otp_check (contract: shell-endpoints 7 to 9, 16.6, 16.8)."""

import logging
import re
import threading
import time
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.errors import CommandRefusedError
from accounts.models import RecoveryCode, SSHKey, User
from accounts.selectors import otp_sessions
from accounts.services import second_factor
from accounts.services.second_factor import consume_recovery_code
from internal_api.models import AuditEvent, InstanceSettings
from internal_api.shared_store import SharedStoreError, database_store, shared_store
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import DeployKeyFactory, SSHKeyFactory, UserFactory

CODES = "/api/v4/internal/two_factor_recovery_codes"
CONFIG = "/api/v4/internal/two_factor_config"
MANUAL = "/api/v4/internal/two_factor_manual_otp_check"
PUSH = "/api/v4/internal/two_factor_push_otp_check"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def ask(client: Client, path: str, **values: Any) -> Any:
    """As GitLab Shell asks: a POST of JSON."""
    response = client.post(path, values, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


STEP = int(time.time()) // 30


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step ends between making a code and giving it."""
    monkeypatch.setattr(second_factor, "present_timestep", lambda: STEP)


def otp(steps: int = 0) -> str:
    return pyotp.TOTP(SECRET).generate_otp(STEP + steps)


def wrong() -> str:
    return next(code for code in ("000000", "111111", "222222", "333333") if code not in {otp(-1), otp(), otp(1)})


@pytest.fixture
def key(ann: User) -> SSHKey:
    return SSHKeyFactory.create(user=ann)


@pytest.fixture
def enrolled(ann: User, key: SSHKey) -> SSHKey:
    """Ann's key, and Ann has a second factor."""
    User.objects.filter(pk=ann.pk).update(otp_secret=SECRET)
    ann.refresh_from_db()
    ann.save()
    return key


def refusal(text: str) -> dict[str, Any]:
    return {"success": False, "message": text}


# --- recovery codes ---


def test_ten_codes_come_and_the_former_ones_go(shell: Client, enrolled: SSHKey, ann: User) -> None:
    """shell-endpoints e19; gitlab-shell 5 #85, #88: the last answer's codes are the good ones."""
    first, second = (ask(shell, CODES, key_id=str(enrolled.pk)) for _ in range(2))
    assert sorted(first) == ["recovery_codes", "success"]
    assert first["success"] is True
    assert len(set(first["recovery_codes"])) == 10
    assert all(re.fullmatch(r"[0-9a-f]{16}", code) for code in first["recovery_codes"])
    assert not consume_recovery_code(ann, first["recovery_codes"][0])
    assert consume_recovery_code(ann, second["recovery_codes"][0])
    assert not consume_recovery_code(ann, second["recovery_codes"][0])
    assert RecoveryCode.objects.count() == 9


def test_codes_are_kept_as_digests(shell: Client, enrolled: SSHKey) -> None:
    codes = ask(shell, CODES, key_id=str(enrolled.pk))["recovery_codes"]
    kept = set(RecoveryCode.objects.values_list("code_digest", flat=True))
    assert len(kept) == 10
    assert not kept & set(codes)


def test_one_persons_code_is_nobody_elses(shell: Client, enrolled: SSHKey) -> None:
    codes = ask(shell, CODES, key_id=str(enrolled.pk))["recovery_codes"]
    assert not consume_recovery_code(UserFactory.create(username="bob"), codes[0])


def test_codes_outlive_a_new_secret_key_while_the_old_one_is_a_fallback(shell: Client, enrolled: SSHKey, ann: User, settings: Any) -> None:
    codes = ask(shell, CODES, key_id=str(enrolled.pk))["recovery_codes"]
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another secret key", [settings.SECRET_KEY]
    assert consume_recovery_code(ann, codes[0])


@pytest.mark.parametrize("named", ["user_id", "username"])
def test_a_session_without_a_key_gets_codes_too(shell: Client, enrolled: SSHKey, ann: User, named: str) -> None:
    """Decisions 9; gitlab-shell 5 #85: `user_id` is a number there."""
    assert ask(shell, CODES, **{named: getattr(ann, named.replace("user_id", "pk"))})["success"] is True


def test_nobody_gets_codes(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.6 #76, 7: the first sentence that fits."""
    assert ask(shell, CODES) == refusal("Could not find the given key")
    assert ask(shell, CODES, key_id="999999") == refusal("Could not find the given key")
    assert ask(shell, CODES, user_id=0) == refusal("Could not find the given user")
    assert ask(shell, CODES, user_id=999999) == refusal("Could not find the given user")
    assert ask(shell, CODES, user_id=999999, key_id="999999") == refusal("Could not find the given user")
    assert ask(shell, CODES, username="nobody") == refusal("Could not find the given key")
    assert ask(shell, CODES, key_id=str(key.pk)) == refusal("Two-factor authentication is not enabled for this user")
    assert not RecoveryCode.objects.exists()


def test_a_deploy_key_gets_no_codes(shell: Client, db: None) -> None:
    """shell-endpoints 16.6 #74."""
    deploy_key = DeployKeyFactory.create()
    assert ask(shell, CODES, key_id=str(deploy_key.pk)) == refusal("Deploy keys cannot be used to retrieve recovery codes")


def test_a_key_of_nobody(shell: Client, db: None) -> None:
    """shell-endpoints 16.6 #73: a deploy key whose ghost is gone."""
    deploy_key = DeployKeyFactory.create()
    User.objects.filter(user_type="ghost").update(user_type="human")
    for path in (CODES, CONFIG, MANUAL):
        assert ask(shell, path, key_id=str(deploy_key.pk), otp_attempt="123456") == refusal("Could not find a user for the given key")


def test_keys_that_are_switched_off_get_nothing_but_certificates_do(shell: Client, enrolled: SSHKey, ann: User) -> None:
    """shell-endpoints 16.7 #94, 16.6 #77."""
    User.objects.filter(pk=ann.pk).update(ssh_keys_disabled=True)
    for path in (CODES, CONFIG, MANUAL):
        assert ask(shell, path, key_id=str(enrolled.pk), otp_attempt=otp()) == refusal("SSH keys are disabled for this user")
    assert ask(shell, CODES, user_id=ann.pk)["success"] is True


def test_the_key_has_been_used(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.2 #26: at most one write a day."""
    ask(shell, CODES, key_id=str(key.pk))
    key.refresh_from_db()
    used = key.last_used_at
    assert used is not None
    ask(shell, CODES, key_id=str(key.pk))
    key.refresh_from_db()
    assert key.last_used_at == used


# --- config ---


def test_who_has_a_second_factor(shell: Client, enrolled: SSHKey, ann: User) -> None:
    """shell-endpoints 16.8 #104, #106, #107, #110."""
    assert ask(shell, CONFIG, key_id=str(enrolled.pk)) == {"success": True, "two_factor_required": True}
    assert ask(shell, CONFIG, user_id=ann.pk) == {"success": True, "two_factor_required": True}
    bob = UserFactory.create(username="bob")
    assert ask(shell, CONFIG, username="BOB") == {"success": True, "two_factor_required": False}
    deploy_key = DeployKeyFactory.create(owner=bob)
    assert ask(shell, CONFIG, key_id=deploy_key.pk) == {"success": True, "two_factor_required": False}
    assert ask(shell, CONFIG, key_id="0") == refusal("Could not find the given key")
    assert ask(shell, CONFIG, user_id="0") == refusal("Could not find the given key")


def test_the_instance_may_switch_it_off(shell: Client, enrolled: SSHKey) -> None:
    """shell-endpoints 16.8 #109, #133, e37."""
    InstanceSettings(feature_flags={"two_factor_for_cli": False}).save()
    assert ask(shell, CONFIG, key_id=str(enrolled.pk)) == {"success": False}
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp()) == refusal("Feature flag is disabled")
    assert ask(shell, PUSH, key_id=str(enrolled.pk))["success"] is False


# --- one-time passwords ---


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_a_right_code_opens_a_session_that_allowed_honours(
    shell: Client, enrolled: SSHKey, rockets: Project, ann: User, store: Any, drift: int
) -> None:
    """shell-endpoints e40, decisions 15; gitlab-shell 5 #89."""
    InstanceSettings(require_two_factor_for_git=True).save()
    set_member(rockets, ann, 30)
    question = {
        "action": "git-upload-pack",
        "project": "acme/rockets.git",
        "changes": "_any",
        "protocol": "ssh",
        "key_id": str(enrolled.pk),
    }
    before = shell.post("/api/v4/internal/allowed", question, content_type="application/json")
    assert before.status_code == 401
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp(drift)) == {"success": True}
    assert shell.post("/api/v4/internal/allowed", question, content_type="application/json").status_code == 200
    store.forget(f"session:otp:{enrolled.pk}")
    assert shell.post("/api/v4/internal/allowed", question, content_type="application/json").status_code == 401


def test_without_a_key_the_session_is_the_users(shell: Client, enrolled: SSHKey, rockets: Project, ann: User, store: Any) -> None:
    """Decisions 9 and 10a."""
    InstanceSettings(require_two_factor_for_git=True).save()
    set_member(rockets, ann, 30)
    assert ask(shell, MANUAL, user_id=ann.pk, otp_attempt=otp()) == {"success": True}
    question = {"action": "git-upload-pack", "project": "acme/rockets", "protocol": "ssh"}
    assert shell.post("/api/v4/internal/allowed", {**question, "username": "ann"}).status_code == 200
    assert shell.post("/api/v4/internal/allowed", {**question, "key_id": enrolled.pk}).status_code == 401


def test_a_code_works_once(shell: Client, enrolled: SSHKey, store: Any) -> None:
    code = otp()
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=code) == {"success": True}
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=code) == refusal("Invalid OTP")
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp(-1)) == refusal("Invalid OTP")


def test_a_code_works_once_over_one_connection(shell: Client, enrolled: SSHKey, store: Any, ann: User) -> None:
    """Decisions 15: gitlab-sshd sends one X-Request-Id for all that is done over one SSH connection."""
    body = {"key_id": str(enrolled.pk), "otp_attempt": otp()}
    answers = [shell.post(MANUAL, body, content_type="application/json", headers={"x-request-id": "01H"}) for _ in range(3)]
    assert [answer.json() for answer in answers] == [{"success": True}, refusal("Invalid OTP"), refusal("Invalid OTP")]
    ann.refresh_from_db()
    assert ann.failed_attempts == 2


@pytest.mark.parametrize(
    "attempt", ["", None, "12345", "1234567", "abcdef", "\N{FULLWIDTH DIGIT ONE}23456", " 123456", "0" * 64, "12345\n6"]
)
def test_what_is_no_code(shell: Client, enrolled: SSHKey, attempt: str | None, store: Any) -> None:
    """shell-endpoints e38, decisions 15: a missing code is `Invalid OTP`."""
    values = {} if attempt is None else {"otp_attempt": attempt}
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), **values) == refusal("Invalid OTP")
    assert store.get(f"session:otp:{enrolled.pk}") is None


def test_a_missing_code_is_not_counted(shell: Client, enrolled: SSHKey, ann: User) -> None:
    for _ in range(12):
        ask(shell, MANUAL, key_id=str(enrolled.pk))
    ann.refresh_from_db()
    assert (ann.failed_attempts, ann.locked_at) == (0, None)


def test_a_wrong_code_is_written_down(shell: Client, enrolled: SSHKey, ann: User, caplog: pytest.LogCaptureFixture) -> None:
    """shell-endpoints 16.8 #119, #121."""
    with caplog.at_level(logging.WARNING):
        assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=wrong()) == refusal("Invalid OTP")
    (record,) = [record for record in caplog.records if record.message == "Failed OTP login"]
    assert record.__dict__["fields"] == {"user_id": ann.pk, "failed_attempts": 1, "ip": "127.0.0.1", "method": "OTP"}
    event = AuditEvent.objects.get(action="authentication_failed")
    assert (event.author_id, event.ip_address, event.details) == (ann.pk, "127.0.0.1", {"method": "OTP", "failed_attempts": 1})


def test_ten_failures_lock_the_account_for_ten_minutes(shell: Client, enrolled: SSHKey, ann: User, store: Any) -> None:
    """Decisions 14d and 15."""
    for _ in range(10):
        assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=wrong()) == refusal("Invalid OTP")
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp()) == refusal("Your account is locked")
    User.objects.filter(pk=ann.pk).update(locked_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=wrong()) == refusal("Invalid OTP")
    ann.refresh_from_db()
    assert (ann.failed_attempts, ann.locked_at) == (1, None)
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp()) == {"success": True}
    ann.refresh_from_db()
    assert ann.failed_attempts == 0


def test_what_the_lock_of_one_time_passwords_closes(shell: Client, enrolled: SSHKey, ann: User, store: Any) -> None:
    """Git by key, and further one-time passwords; not the commands that make tokens and recovery codes (decisions 14d)."""
    User.objects.filter(pk=ann.pk).update(locked_at=timezone.now())
    pull = {"key_id": enrolled.pk, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}
    refused = shell.post("/api/v4/internal/allowed", pull, content_type="application/json")
    assert (refused.status_code, refused.json()["message"]) == (401, "Your account has been blocked.")
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp()) == refusal("Your account is locked")
    for command in ({"path": "two_factor_recovery_codes"}, {"path": "personal_access_token", "name": "ci", "scopes": ["read_api"]}):
        path = command.pop("path")
        told = shell.post(f"/api/v4/internal/{path}", {"key_id": enrolled.pk, **command}, content_type="application/json").json()
        assert told["success"] is True


def test_a_blocked_user_opens_no_session(shell: Client, enrolled: SSHKey, ann: User, store: Any) -> None:
    User.objects.filter(pk=ann.pk).update(state="blocked")
    assert ask(shell, MANUAL, key_id=str(enrolled.pk), otp_attempt=otp()) == refusal("Your account is locked")


def test_others_open_no_session(shell: Client, ann: User, key: SSHKey) -> None:
    """shell-endpoints 16.8 #115, #116, #122."""
    assert ask(shell, MANUAL, key_id="0", otp_attempt="123456") == refusal("Could not find the given key")
    deploy_key = DeployKeyFactory.create(owner=ann)
    assert ask(shell, MANUAL, key_id=deploy_key.pk, otp_attempt="123456") == refusal("Deploy keys cannot be used for Two Factor")
    expected = refusal("Two-factor authentication is not enabled for this user")
    assert ask(shell, MANUAL, key_id=key.pk, otp_attempt="123456") == expected


class Away:
    """A store that cannot be reached."""

    def get(self, *_: object) -> str | None:
        raise SharedStoreError("away")

    def put(self, *_: object) -> None:
        raise SharedStoreError("away")


def test_while_no_store_keeps_anything_the_code_is_not_used_up(
    shell: Client, enrolled: SSHKey, monkeypatch: pytest.MonkeyPatch, store: Any, ann: User
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(second_factor, "stores", lambda: (Away(), Away()))
        code = otp()
        response = shell.post(MANUAL, {"key_id": enrolled.pk, "otp_attempt": code})
    assert response.status_code == 503
    assert ask(shell, MANUAL, key_id=enrolled.pk, otp_attempt=code) == {"success": True}


def test_while_redis_is_away_the_session_is_kept_in_the_database(
    shell: Client, enrolled: SSHKey, monkeypatch: pytest.MonkeyPatch, store: Any, ann: User
) -> None:
    """It counts while Redis is away, and after it has come back without it."""
    for module in (second_factor, otp_sessions):
        monkeypatch.setattr(module, "stores", lambda: (Away(), database_store()))
    assert not otp_sessions.has_otp_session(enrolled.pk, ann.pk)
    assert ask(shell, MANUAL, key_id=enrolled.pk, otp_attempt=otp()) == {"success": True}
    assert otp_sessions.has_otp_session(enrolled.pk, ann.pk)
    monkeypatch.setattr(otp_sessions, "stores", lambda: (shared_store(), database_store()))
    assert otp_sessions.has_otp_session(enrolled.pk, ann.pk)


@pytest.mark.parametrize("values", [{}, {"key_id": "7"}, {"user_id": 3}, {"key_id": []}])
def test_a_push_lets_nobody_in(shell: Client, db: None, values: dict[str, Any]) -> None:
    """shell-endpoints 16.8 #112, #113; gitlab-shell 0 #10: success would be a way around the second factor."""
    assert ask(shell, PUSH, **values) == refusal("Feature is not available")


@pytest.mark.parametrize("path", [CODES, CONFIG, MANUAL, PUSH])
def test_strangers_learn_nothing(stranger: Client, enrolled: SSHKey, path: str) -> None:
    response = stranger.post(path, {"key_id": enrolled.pk, "otp_attempt": otp()})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize("path", [CODES, CONFIG, MANUAL])
def test_a_misprinted_get_changes_nothing(shell: Client, enrolled: SSHKey, path: str) -> None:
    """Decisions 14b."""
    assert shell.get(path, {"key_id": enrolled.pk}).status_code == 405
    assert not RecoveryCode.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_eight_threads_with_one_code_one_gets_in(store: Any) -> None:
    user = UserFactory.create(username="ann", otp_secret=SECRET)
    code, outcomes = otp(), []

    def attempt() -> None:
        try:
            second_factor.check_otp(user, 11, code)
            outcomes.append(True)
        except CommandRefusedError:
            outcomes.append(False)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 7 + [True]
