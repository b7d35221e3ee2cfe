"""GET /authorized_certs (contract: shell-endpoints 4, 16.9; gitlab-shell 2.3)."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from accounts.errors import InvalidKeyError
from accounts.models import User
from accounts.services.ssh_keys import add_user_key
from repositories.errors import InvalidAccessError
from repositories.models import GroupSSHCertificate, Namespace, Project
from repositories.services.access import set_member
from repositories.services.certificates import add_certificate_authority, apply_ssh_key_rule, set_enterprise_group
from tests import public_keys
from tests.factories import GroupFactory, UserFactory

PATH = "/api/v4/internal/authorized_certs"


@pytest.fixture
def authority(acme: Namespace) -> str:
    """The fingerprint of acme's certificate authority."""
    return add_certificate_authority(acme, key=public_keys.ED25519, title="CA")[0].fingerprint


@pytest.fixture
def employee(ann: User, acme: Namespace) -> User:
    """Ann: a member of acme, whose account is acme's."""
    set_member(acme, ann, 5)
    set_enterprise_group(ann, acme)
    return ann


def asked(client: Client, **values: Any) -> tuple[int, Any]:
    response = client.get(PATH, values, content_type="application/json")
    return response.status_code, response.json()


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@example.com", "Ann@Example.COM"])
def test_an_enterprise_user_of_the_group(shell: Client, authority: str, employee: User, login: str) -> None:
    """gitlab-shell 5 #40, shell-endpoints e41, 16.9 #145; the stored spellings are answered."""
    assert asked(shell, key=authority, user_identifier=login) == (200, {"success": True, "namespace": "acme", "username": "ann"})


def test_an_unknown_authority(shell: Client, authority: str, employee: User) -> None:
    """shell-endpoints 16.9 #139, #146, e42, e43; the fingerprint is told exactly."""
    for key in ("invalid", "", f"SHA256:{authority}", authority.swapcase()):
        assert asked(shell, key=key, user_identifier="ann") == (404, {"message": "Certificate Not Found"})
    assert asked(shell) == (404, {"message": "Certificate Not Found"})


def test_an_unknown_user(shell: Client, authority: str, employee: User) -> None:
    """shell-endpoints 16.9 #140."""
    for login in ("invalid", "", "@", "ann@elsewhere.example"):
        assert asked(shell, key=authority, user_identifier=login) == (404, {"message": "User Not Found"})
    assert asked(shell, key=authority) == (404, {"message": "User Not Found"})


def test_a_user_outside_the_group(shell: Client, authority: str, ann: User, acme: Namespace, rockets: Project) -> None:
    """gitlab-shell 5 #41: a member of one of its projects only, an invitation that is pending, a membership that is over."""
    set_enterprise_group(ann, acme)
    set_member(rockets, ann, 30)
    outside = (404, {"message": "User Not Found"})
    assert asked(shell, key=authority, user_identifier="ann") == outside
    set_member(acme, ann, 30, state="awaiting")
    assert asked(shell, key=authority, user_identifier="ann") == outside
    set_member(acme, ann, 30, expires_at=date(2020, 1, 1))
    assert asked(shell, key=authority, user_identifier="ann") == outside
    set_member(acme, ann, 30)
    assert asked(shell, key=authority, user_identifier="ann")[0] == 200


def test_a_member_whose_account_is_not_the_groups(shell: Client, authority: str, ann: User, acme: Namespace) -> None:
    """shell-endpoints 16.9 #137."""
    set_member(acme, ann, 50)
    assert asked(shell, key=authority, user_identifier="ann") == (403, {"message": "Not an Enterprise User of the group"})


def test_two_groups_with_one_authority(shell: Client, authority: str, ann: User, acme: Namespace) -> None:
    """shell-endpoints 16.9 #143: the first that vouches wins; where none does, the last one's reason is told."""
    wiley = GroupFactory.create(path="Wiley")
    add_certificate_authority(wiley, key=public_keys.ED25519)
    set_member(acme, ann, 30)
    assert asked(shell, key=authority, user_identifier="ann") == (404, {"message": "User Not Found"})
    set_member(wiley, ann, 30)
    assert asked(shell, key=authority, user_identifier="ann") == (403, {"message": "Not an Enterprise User of the group"})
    set_enterprise_group(ann, wiley)
    assert asked(shell, key=authority, user_identifier="ann") == (200, {"success": True, "namespace": "Wiley", "username": "ann"})


@pytest.mark.parametrize("groups", [1, 20])
def test_three_statements(shell: Client, authority: str, employee: User, groups: int, django_assert_num_queries: Any) -> None:
    for number in range(groups):
        add_certificate_authority(GroupFactory.create(path=f"g{number}"), key=public_keys.ED25519)
    with django_assert_num_queries(3):
        assert asked(shell, key=authority, user_identifier="ann")[0] == 200


def test_the_session_that_follows(shell: Client, authority: str, employee: User, rockets: Project, acme: Namespace) -> None:
    """gitlab-shell 5 #58: `namespace_path` opens the group's own projects, and where certificates are wanted it is needed."""
    set_member(rockets, employee, 30)
    Namespace.objects.filter(pk=acme.pk).update(enforce_ssh_certificates=True)
    opened = asked(shell, key=authority, user_identifier="ann")[1]
    question = {
        "action": "git-upload-pack",
        "project": "acme/rockets.git",
        "changes": "_any",
        "protocol": "ssh",
        "username": opened["username"],
    }
    for namespace, status in ((opened["namespace"], 200), ("other", 401), (None, 401)):
        named = {} if namespace is None else {"namespace_path": namespace}
        assert shell.post("/api/v4/internal/allowed", {**question, **named}, content_type="application/json").status_code == status


def test_a_stranger_learns_nothing(stranger: Client, authority: str, employee: User) -> None:
    assert asked(stranger, key=authority, user_identifier="ann") == (401, {"message": "401 Unauthorized"})


def test_authorities_are_for_top_level_groups(acme: Namespace, ann: User) -> None:
    inner = GroupFactory.create(path="tools", parent=acme)
    with pytest.raises(InvalidAccessError, match="SSH certificates are for top-level groups"):
        add_certificate_authority(inner, key=public_keys.ED25519)
    with pytest.raises(InvalidAccessError, match="Enterprise users are for top-level groups"):
        set_enterprise_group(ann, inner)
    with pytest.raises(InvalidKeyError):
        add_certificate_authority(acme, key="ssh-ed25519 AAAA")
    assert not GroupSSHCertificate.objects.exists()


def test_a_group_switches_its_users_keys_off_and_on(acme: Namespace, employee: User) -> None:
    """shell-endpoints 16.8 #136, seed format `disable_ssh_keys`: the flag follows the group and the membership."""

    def switched_off() -> bool:
        employee.refresh_from_db()
        return employee.ssh_keys_disabled

    acme.disable_ssh_keys = True
    acme.save()
    assert apply_ssh_key_rule(acme) == 1
    assert switched_off()
    with pytest.raises(InvalidKeyError, match="SSH keys are disabled for this user"):
        add_user_key(user=employee, key=public_keys.RSA_2048)
    set_enterprise_group(employee, None)
    assert not switched_off()
    set_enterprise_group(employee, acme)
    assert switched_off()
    acme.disable_ssh_keys = False
    acme.save()
    apply_ssh_key_rule(acme)
    assert not switched_off()
    assert apply_ssh_key_rule(acme) == 0
    assert not UserFactory.create(username="bob").ssh_keys_disabled
