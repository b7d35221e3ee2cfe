"""What LFS tokens open: by which login, over which protocols, and for how little (contract: git-http 2.3, 3.2, LD6, LD7; decisions 14e)."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.selectors.acting_accounts import ActingAccount
from accounts.services.lfs_tokens import issue_lfs_token
from internal_api.models import InstanceSettings
from repositories.models import Namespace, Project
from repositories.services.access import grant_deploy_key, set_member
from tests.factories import DeployKeyFactory, SSHKeyFactory, UserFactory
from tests.repositories.endpoints.test_lfs import AUTHENTICATE, INVALID, given, good_for

BOTH = ["download", "upload"]


@pytest.fixture
def credentials(shell: Client, ann: User, rockets: Project) -> dict[str, Any]:
    """Ann's, a developer's."""
    set_member(rockets, ann, 30)
    found: dict[str, Any] = given(shell, key_id=SSHKeyFactory.create(user=ann).pk)
    return found


def instance(**values: Any) -> None:
    row = InstanceSettings.stored()
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


@pytest.mark.parametrize("protocol", ["http", "ssh"])
@pytest.mark.parametrize("scope", ["group", "instance"])
def test_protocols_that_are_closed_to_git_close_no_lfs(
    shell: Client, credentials: dict[str, Any], acme: Namespace, protocol: str, scope: str
) -> None:
    """Contract: git-http 3.2, LD7: SSH remotes use LFS over HTTP, and a group that takes HTTP only has SSH sessions' tokens."""
    if scope == "group":
        Namespace.objects.filter(pk=acme.pk).update(enabled_git_access_protocol=protocol)
    else:
        instance(enabled_git_access_protocol=protocol)
    assert good_for(shell, credentials)["operations"] == BOTH
    again = shell.post(AUTHENTICATE, {"project": "acme/rockets", "key_id": credentials_key(credentials)}, content_type="application/json")
    assert again.status_code == 200


def credentials_key(credentials: dict[str, Any]) -> int:
    """The key that credentials were got with."""
    user = User.objects.get(username=credentials["username"])
    return int(user.ssh_keys.get().pk)


def test_switches_of_git_over_http_close_no_lfs(shell: Client, credentials: dict[str, Any]) -> None:
    """Contract: git-http LD7: rows 5 and 9 are Git's."""
    instance(http_pull=False, http_push=False)
    assert good_for(shell, credentials)["operations"] == BOTH


def test_primary_email_address_names_its_owner(shell: Client, credentials: dict[str, Any], ann: User) -> None:
    """Contract: git-http 2.3 row 1; in any letter case, and nobody else's."""
    bob = UserFactory.create(username="bob")
    for login in (ann.email, ann.email.upper()):
        assert good_for(shell, {**credentials, "username": login})["operations"] == BOTH
    for login in (bob.email, f" {ann.email}", "nobody@example.com", "@"):
        assert good_for(shell, {**credentials, "username": login}) == INVALID


def test_username_that_is_an_email_address_of_another_is_the_username(shell: Client, rockets: Project, ann: User) -> None:
    """A username comes before an address, so that the owner of an address opens nothing of the user who has it as a name."""
    User.objects.filter(pk=ann.pk).update(username="bob@example.com")
    ann.refresh_from_db()
    bob = UserFactory.create(username="bob", email="bob@example.com")
    set_member(rockets, bob, 40)
    token = issue_lfs_token(ActingAccount(None, bob), f"gid://gitlab/Project/{rockets.pk}")
    assert good_for(shell, {"username": "bob@example.com", "lfs_token": token}) == INVALID
    assert good_for(shell, {"username": "bob", "lfs_token": token})["operations"] == BOTH


def test_token_that_was_got_with_a_read_only_one_downloads(shell: Client, credentials: dict[str, Any], ann: User, rockets: Project) -> None:
    """Contract: git-http LD6: the claim narrows the token whatever its owner may do."""
    set_member(rockets, ann, 40)
    token = issue_lfs_token(ActingAccount(None, ann), f"gid://gitlab/Project/{rockets.pk}", may_upload=False)
    for login in ("ann", ann.email):
        assert good_for(shell, {"username": login, "lfs_token": token}) == {
            "valid": True,
            "operations": ["download"],
            "gl_id": f"user-{ann.pk}",
        }
    User.objects.filter(pk=ann.pk).update(admin=True)
    assert good_for(shell, {"username": "ann", "lfs_token": token})["operations"] == ["download"]


def test_deploy_key_in_a_group_of_one_protocol(shell: Client, rockets: Project, acme: Namespace) -> None:
    """Contract: git-http 3.2."""
    key = DeployKeyFactory.create()
    grant_deploy_key(rockets, key, can_push=True)
    credentials = given(shell, key_id=key.pk)
    for protocol in ("http", "ssh"):
        Namespace.objects.filter(pk=acme.pk).update(enabled_git_access_protocol=protocol)
        assert good_for(shell, credentials)["operations"] == BOTH
