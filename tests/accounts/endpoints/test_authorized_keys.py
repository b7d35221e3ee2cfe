"""GET /authorized_keys (contract: shell-endpoints 3 and 16.5, gitlab-shell 2.2 and 5)."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import SSHKey, User
from tests import public_keys
from tests.factories import DeployKeyFactory, SSHKeyFactory

PATH = "/api/v4/internal/authorized_keys"


def blob(line: str) -> str:
    return line.split()[1]


def test_a_key_is_found_by_its_base64(shell: Client, ann: User) -> None:
    """shell-endpoints 16.5 #64, #67; the stored comment is replaced by the owner's name and the host."""
    key = SSHKeyFactory.create(user=ann, title="laptop", id=11, created_at=datetime(2019, 6, 27, 15, 29, 2, 219_900, tzinfo=UTC))
    response = shell.get(PATH, {"key": blob(public_keys.ED25519)})
    assert response.status_code == 200
    assert response.json() == {
        "id": key.pk,
        "title": "laptop",
        "created_at": "2019-06-27T15:29:02.219Z",
        "expires_at": None,
        "key": f"ssh-ed25519 {blob(public_keys.ED25519)} Ann (localhost)",
        "usage_type": "auth_and_signing",
    }


@pytest.mark.parametrize(
    "line",
    [
        public_keys.RSA_2048, public_keys.RSA_3072, public_keys.RSA_4096, public_keys.ECDSA_256, public_keys.ECDSA_384,
        public_keys.ECDSA_521, public_keys.ED25519, public_keys.DSA, public_keys.SK_ED25519, public_keys.SK_ECDSA,
    ],
)  # fmt: skip
def test_every_type_is_found_with_and_without_padding(shell: Client, ann: User, line: str) -> None:
    """gitlab-shell 5 #28, #29, #37: gitlab-sshd strips the padding, OpenSSH keeps it."""
    key = SSHKeyFactory.create(user=ann, key=line)
    padded = shell.get(PATH, {"key": blob(line)})
    bare = shell.get(PATH, {"key": blob(line).rstrip("=")})
    assert padded.status_code == bare.status_code == 200
    assert padded.json()["id"] == bare.json()["id"] == key.pk


def test_a_raw_plus_is_a_blank_and_changes_the_key(shell: Client, ann: User) -> None:
    """shell-endpoints e10, gitlab-shell 5 #31."""
    SSHKeyFactory.create(user=ann, key=public_keys.RSA_2048)
    assert "+" in blob(public_keys.RSA_2048)
    response = shell.get(f"{PATH}?key={blob(public_keys.RSA_2048)}")
    assert response.status_code == 404


def test_a_signing_key_is_not_shown(shell: Client, ann: User) -> None:
    """shell-endpoints 16.5 #65."""
    SSHKeyFactory.create(user=ann, usage_type="signing")
    response = shell.get(PATH, {"key": blob(public_keys.ED25519)})
    assert (response.status_code, response.json()) == (404, {"message": "404 Key Not Found"})


def test_an_expired_key_is_shown_and_says_so(shell: Client, ann: User) -> None:
    """shell-endpoints e11: /allowed is where it is refused."""
    SSHKeyFactory.create(user=ann, expires_at=datetime(2020, 1, 2, tzinfo=UTC))
    response = shell.get(PATH, {"key": blob(public_keys.ED25519)})
    assert (response.status_code, response.json()["expires_at"]) == (200, "2020-01-02T00:00:00.000Z")


def test_the_key_of_a_blocked_user_is_shown(shell: Client, ann: User) -> None:
    """shell-endpoints 3, which keys are returned."""
    ann.state = "blocked"
    ann.save()
    key = SSHKeyFactory.create(user=ann)
    assert shell.get(PATH, {"key": blob(public_keys.ED25519)}).json()["id"] == key.pk


def test_a_deploy_key_without_owner_bears_the_ghosts_name(shell: Client, db: None) -> None:
    """shell-endpoints e12."""
    DeployKeyFactory.create()
    response = shell.get(PATH, {"key": blob(public_keys.CI_KEY)})
    assert response.json()["key"] == f"ssh-ed25519 {blob(public_keys.CI_KEY)} Ghost User (localhost)"


def test_a_name_with_a_line_break_stays_on_the_line(shell: Client, ann: User) -> None:
    """gitlab-shell 2.2: a line break in `key` would end the line of authorized_keys."""
    ann.name = "Ann\ncommand=evil"
    ann.save()
    SSHKeyFactory.create(user=ann)
    assert "\n" not in shell.get(PATH, {"key": blob(public_keys.ED25519)}).json()["key"]


@pytest.mark.parametrize("key", ["", "whatever!", "A" * 10_000, "ssh-ed25519 AAAA", blob(public_keys.ED25519)[:-3], "é", "=", "AAAA%00"])
def test_what_no_key_is_found_by_is_not_found(shell: Client, ann: User, key: str) -> None:
    """shell-endpoints 16.5 #68, gitlab-shell 5 #32, #34."""
    SSHKeyFactory.create(user=ann)
    response = shell.get(PATH, {"key": key})
    assert (response.status_code, response.json()) == (404, {"message": "404 Key Not Found"})


def test_without_a_key_the_request_is_bad(shell: Client, db: None) -> None:
    """shell-endpoints e8, decisions 17: 400, where upstream has a 500."""
    response = shell.get(PATH)
    assert (response.status_code, response.json()) == (400, {"message": "400 Bad request - key is missing"})


def test_a_stranger_learns_nothing(stranger: Client, ann: User) -> None:
    SSHKeyFactory.create(user=ann)
    response = stranger.get(PATH, {"key": blob(public_keys.ED25519)})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize("others", [10, 10_000])
def test_one_statement_however_many_keys_there_are(
    shell: Client, ann: User, others: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    SSHKeyFactory.create(user=ann)
    SSHKey.objects.bulk_create(
        SSHKey(user=ann, title="other", key="ssh-ed25519 A", key_type="ssh-ed25519", bits=256, fingerprint=f"{n:043}")
        for n in range(others)
    )
    with django_assert_num_queries(1):
        assert shell.get(PATH, {"key": blob(public_keys.ED25519)}).status_code == 200
