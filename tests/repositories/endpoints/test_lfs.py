"""POST /lfs_authenticate and /lfs_token/verify (contract: shell-endpoints 2, 16.3, 16.4; decisions 11, 14e)."""

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import SSHKey, User
from accounts.selectors.acting_accounts import ActingAccount
from accounts.services.lfs_tokens import identify_lfs_token, issue_lfs_token
from accounts.services.ssh_keys import revoke_key
from internal_api.models import InstanceSettings
from repositories.models import Namespace, Project
from repositories.services.access import grant_deploy_key, set_member, withdraw_deploy_key
from repositories.services.projects import add_redirect
from tests import public_keys
from tests.factories import DeployKeyFactory, ProjectFactory, SSHKeyFactory, UserFactory

AUTHENTICATE = "/api/v4/internal/lfs_authenticate"
VERIFY = "/api/v4/internal/lfs_token/verify"
CAPITAL = {"message": "404 Not Found"}
LOWER = {"message": "404 Not found"}


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    """Ann's key; Ann is a developer of rockets."""
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


def given(client: Client, **values: Any) -> Any:
    """Credentials, asked for as GitLab Shell does."""
    response = client.post(
        AUTHENTICATE, {"operation": "download", "project": "acme/rockets.git", **values}, content_type="application/json"
    )
    assert response.status_code == 200, response.content
    return response.json()


def good_for(client: Client, credentials: dict[str, Any], **values: Any) -> Any:
    pair = {"username": credentials["username"], "token": credentials["lfs_token"]}
    response = client.post(VERIFY, {"project": "acme/rockets", **pair, **values}, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


INVALID = {"valid": False}


def test_credentials_for_a_key(shell: Client, key: SSHKey, ann: User) -> None:
    """shell-endpoints 16.3 #28, gitlab-shell 5 #73, with the life of decisions 11."""
    answer = given(shell, key_id=str(key.pk))
    token = answer.pop("lfs_token")
    assert answer == {"username": "ann", "repository_http_path": "http://localhost:3001/acme/rockets.git", "expires_in": 1800}
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 1800
    assert claims["iat"] - claims["nbf"] == 5
    project = Project.objects.get()
    assert claims["data"] == {"actor": "ann", "container_gid": f"gid://gitlab/Project/{project.pk}", "key_id": key.pk}
    assert good_for(shell, {"lfs_token": token, **answer}) == {
        "valid": True,
        "operations": ["download", "upload"],
        "gl_id": f"user-{ann.pk}",
    }


@pytest.mark.parametrize("kind", [str, int])
def test_credentials_for_a_session_without_a_key(shell: Client, key: SSHKey, ann: User, kind: type) -> None:
    """shell-endpoints 16.3 #29; gitlab-shell 5 #74: the string counts as the number."""
    credentials = given(shell, user_id=kind(ann.pk))
    assert good_for(shell, credentials)["operations"] == ["download", "upload"]


def test_credentials_for_the_wiki(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.3 #34: good there, and not at the project."""
    credentials = given(shell, key_id=key.pk, project="acme/rockets.wiki.git")
    assert credentials["repository_http_path"] == "http://localhost:3001/acme/rockets.wiki.git"
    assert good_for(shell, credentials, project="acme/rockets.wiki")["valid"] is True
    assert good_for(shell, credentials) == INVALID


@pytest.mark.parametrize("project", ["/Acme/ROCKETS.git", "acme/rockets", "old/path", "OLD/path.git"])
def test_the_address_is_the_present_one(shell: Client, key: SSHKey, rockets: Project, project: str) -> None:
    """shell-endpoints e3, e4."""
    add_redirect(rockets, "old/path")
    assert given(shell, key_id=key.pk, project=project)["repository_http_path"] == "http://localhost:3001/acme/rockets.git"


def test_the_id_of_the_repository_wins(shell: Client, key: SSHKey, rockets: Project) -> None:
    """shell-endpoints e5."""
    answer = given(shell, key_id=key.pk, project="no/where", gl_repository=f"project-{rockets.pk}")
    assert answer["repository_http_path"].endswith("/acme/rockets.git")


@pytest.mark.parametrize(
    ("values", "body"),
    [
        pytest.param({"key_id": "999999"}, LOWER, id="#31, e2"),
        pytest.param({"user_id": "999999"}, LOWER, id="#32"),
        pytest.param({"user_id": "deploy-token-9"}, LOWER, id="gitlab-shell 5 #74"),
        pytest.param({}, LOWER, id="nobody"),
        pytest.param({"project": "no/where"}, CAPITAL, id="e1"),
        pytest.param({"project": "acme"}, CAPITAL, id="a group"),
        pytest.param({"project": None}, CAPITAL, id="no project"),
        pytest.param({"project": "snippets/1"}, CAPITAL, id="#35"),
        pytest.param({"project": "acme/rockets.design"}, CAPITAL, id="designs"),
        pytest.param({"gl_repository": "foo-1"}, CAPITAL, id="e6, decisions 2"),
    ],
)
def test_what_is_not_found(shell: Client, key: SSHKey, rockets: Project, values: dict[str, Any], body: dict[str, str]) -> None:
    """The repository, which everybody may know of here, is looked at before the actor."""
    Project.objects.filter(pk=rockets.pk).update(visibility="public")
    response = shell.post(AUTHENTICATE, {"project": "acme/rockets", **values}, content_type="application/json")
    assert (response.status_code, response.json()) == (404, body)


def test_without_lfs_there_is_nothing(shell: Client, key: SSHKey, rockets: Project) -> None:
    """gitlab-shell 5 #76; what was given before is worthless."""
    credentials = given(shell, key_id=key.pk)
    Project.objects.filter(pk=rockets.pk).update(lfs_enabled=False)
    response = shell.post(AUTHENTICATE, {"project": "acme/rockets", "key_id": key.pk})
    assert (response.status_code, response.json()) == (404, CAPITAL)
    assert good_for(shell, credentials) == INVALID


@pytest.mark.parametrize("actor", ["nobody", "outsider", "unknown key", "deploy key"])
def test_a_hidden_repository_is_a_missing_one(shell: Client, rockets: Project, actor: str) -> None:
    """Decisions 10a."""
    outsider, deploy_key = UserFactory.create(username="eve"), DeployKeyFactory.create()
    named = {
        "nobody": {},
        "outsider": {"user_id": outsider.pk},
        "unknown key": {"key_id": 999_999},
        "deploy key": {"key_id": deploy_key.pk},
    }
    for name in ("acme/rockets", "acme/rockets.wiki", "acme/nothing"):
        response = shell.post(AUTHENTICATE, {"project": name, **named[actor]}, content_type="application/json")
        assert (response.status_code, response.json()) == (404, CAPITAL), name


def test_a_signing_key_is_nobody(shell: Client, ann: User, rockets: Project) -> None:
    Project.objects.filter(pk=rockets.pk).update(visibility="public")
    key = SSHKeyFactory.create(user=ann, usage_type="signing")
    response = shell.post(AUTHENTICATE, {"project": "acme/rockets", "key_id": key.pk})
    assert (response.status_code, response.json()) == (404, LOWER)


def test_credentials_are_given_without_a_look_at_the_account_and_are_worthless_then(shell: Client, key: SSHKey, ann: User) -> None:
    """shell-endpoints e7, 16.4 #50: /allowed has been asked before."""
    User.objects.filter(pk=ann.pk).update(state="ldap_blocked", ldap=True)
    assert good_for(shell, given(shell, key_id=key.pk)) == INVALID
    User.objects.filter(pk=ann.pk).update(state="active")
    SSHKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert good_for(shell, given(shell, key_id=key.pk)) == INVALID


@pytest.mark.parametrize(("can_push", "operations"), [(True, ["download", "upload"]), (False, ["download"])])
def test_a_deploy_key(shell: Client, rockets: Project, can_push: bool, operations: list[str]) -> None:
    """shell-endpoints 16.4 #40, #55, #56; its credentials are worth as much as its grant, whatever they were given for."""
    key = DeployKeyFactory.create()
    grant_deploy_key(rockets, key, can_push=can_push)
    credentials = given(shell, key_id=key.pk)
    assert credentials["username"] == f"lfs+deploy-key-{key.pk}"
    withdraw_deploy_key(rockets, key)
    assert good_for(shell, credentials) == INVALID
    grant_deploy_key(rockets, key, can_push=can_push)
    assert good_for(shell, credentials)["operations"] == operations
    revoke_key(key)
    assert good_for(shell, credentials) == INVALID


@pytest.mark.parametrize("state", ["blocked", "banned", "deactivated"])
def test_a_deploy_key_of_an_owner_out_of_standing_uploads_nothing(shell: Client, rockets: Project, ann: User, state: str) -> None:
    key = DeployKeyFactory.create(owner=ann)
    set_member(rockets, ann, 40)
    grant_deploy_key(rockets, key, can_push=True)
    credentials = given(shell, key_id=key.pk)
    assert good_for(shell, credentials)["operations"] == ["download", "upload"]
    User.objects.filter(pk=ann.pk).update(state=state)
    assert good_for(shell, credentials)["operations"] == ["download"]


def test_what_a_role_may(shell: Client, key: SSHKey, rockets: Project, ann: User) -> None:
    """By the policy that /allowed asks."""
    credentials = given(shell, key_id=key.pk)
    set_member(rockets, ann, 20)
    assert good_for(shell, credentials)["operations"] == ["download"]
    set_member(rockets, ann, 10)
    assert good_for(shell, credentials) == INVALID
    Project.objects.filter(pk=rockets.pk).update(visibility="public")
    assert good_for(shell, credentials)["operations"] == ["download"]
    set_member(rockets, ann, 30)
    InstanceSettings(read_only=True).save()
    assert good_for(shell, credentials)["operations"] == ["download"]


def test_addresses_are_held_to_the_groups_list(shell: Client, key: SSHKey, acme: Namespace) -> None:
    credentials = given(shell, key_id=key.pk)
    Namespace.objects.filter(pk=acme.pk).update(ip_allowlist=["10.0.0.0/8"])
    assert good_for(shell, credentials, check_ip="10.1.2.3")["valid"] is True
    assert good_for(shell, credentials, check_ip="192.0.2.1") == INVALID


def test_a_certificate_session_of_a_group_that_wants_certificates(shell: Client, key: SSHKey, ann: User, acme: Namespace) -> None:
    """The session came in by a certificate; a key does not get in any more."""
    by_key, by_certificate = given(shell, key_id=key.pk), given(shell, user_id=ann.pk)
    Namespace.objects.filter(pk=acme.pk).update(enforce_ssh_certificates=True)
    assert good_for(shell, by_key) == INVALID
    assert good_for(shell, by_certificate)["operations"] == ["download", "upload"]


def test_what_a_token_dies_with(shell: Client, key: SSHKey, ann: User) -> None:
    """shell-endpoints 16.4 #43, #44, #49."""
    credentials = given(shell, key_id=key.pk)
    token = credentials["lfs_token"]
    assert good_for(shell, {**credentials, "lfs_token": "junk"}) == INVALID
    assert good_for(shell, {**credentials, "lfs_token": "f" + token[1:]}) == INVALID
    assert good_for(shell, {**credentials, "lfs_token": token[:-3]}) == INVALID
    assert good_for(shell, {**credentials, "username": "ANN"})["valid"] is True
    for column, value in (("state", "blocked"), ("state", "deactivated")):
        User.objects.filter(pk=ann.pk).update(**{column: value})
        assert good_for(shell, credentials) == INVALID
        User.objects.filter(pk=ann.pk).update(state="active")
    ann.set_password("correct horse battery")
    ann.save()
    assert good_for(shell, credentials) == INVALID
    credentials = given(shell, key_id=key.pk)
    User.objects.filter(pk=ann.pk).update(password_expires_at=timezone.now() - timedelta(seconds=1))
    assert good_for(shell, credentials) == INVALID
    User.objects.filter(pk=ann.pk).update(ldap=True)
    assert good_for(shell, credentials)["valid"] is True


@pytest.mark.parametrize("change", ["removed", "signing", "somebody else's", "expired"])
def test_a_token_dies_with_its_key(shell: Client, key: SSHKey, change: str) -> None:
    SSHKeyFactory.create(user=key.user, key=public_keys.RSA_2048)
    credentials = given(shell, key_id=key.pk)
    rows = SSHKey.objects.filter(pk=key.pk)
    match change:
        case "removed":
            revoke_key(key)
        case "signing":
            rows.update(usage_type="signing")
        case "expired":
            rows.update(expires_at=timezone.now() - timedelta(seconds=1))
        case _:
            rows.update(user=UserFactory.create(username="bob"))
    assert good_for(shell, credentials) == INVALID


def test_a_token_of_a_public_project_does_not_fall_back_to_anybodys_rights(shell: Client, key: SSHKey, rockets: Project) -> None:
    """What no actor is behind is good for nothing, even where anybody may read."""
    Project.objects.filter(pk=rockets.pk).update(visibility="public")
    credentials = given(shell, key_id=key.pk)
    revoke_key(key)
    assert good_for(shell, credentials) == INVALID


def test_another_project_or_person_is_not_opened(shell: Client, key: SSHKey, acme: Namespace, ann: User) -> None:
    """shell-endpoints 16.4 #47."""
    engines = ProjectFactory.create(path="engines", namespace=acme)
    bob = UserFactory.create(username="bob")
    for user in (ann, bob):
        set_member(engines, user, 40)
    credentials = given(shell, key_id=key.pk)
    assert good_for(shell, credentials, project="acme/engines") == INVALID
    assert good_for(shell, credentials, gl_repository=f"project-{engines.pk}") == INVALID
    assert good_for(shell, {**credentials, "username": "bob"}) == INVALID
    assert good_for(shell, credentials, project="no/where") == INVALID


def test_a_token_ends(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """shell-endpoints 16.4 #46: with a minute's leeway."""
    account = ActingAccount(None, ann)
    now = time.time()
    for age, good in ((1800 + 58, True), (1800 + 60, False)):
        monkeypatch.setattr("accounts.services.lfs_tokens.time.time", lambda age=age: now - age)
        token = issue_lfs_token(account, "gid://gitlab/Project/7")
        monkeypatch.undo()
        assert (identify_lfs_token("ann", token, "gid://gitlab/Project/7") is not None) is good


def test_a_token_or_a_question_without_a_repository_is_not_held_to_it(ann: User) -> None:
    """shell-endpoints 16.4 #52, #53."""
    account = ActingAccount(None, ann)
    assert identify_lfs_token("ann", issue_lfs_token(account, "gid://gitlab/Project/7"), None) is not None
    assert identify_lfs_token("ann", issue_lfs_token(account, None), "gid://gitlab/Project/7") is not None


@pytest.mark.parametrize(
    "claims", [{}, {"exp": 2**62}, {"exp": 2**62, "data": "ann"}, {"exp": "soon", "data": {"actor": "ann"}}, {"data": {"actor": "ann"}}]
)
def test_a_signed_token_of_another_shape_is_no_token(ann: User, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.services.lfs_tokens._secrets", lambda _: iter([b"k" * 32]))
    assert identify_lfs_token("ann", jwt.encode(claims, b"k" * 32, algorithm="HS256"), None) is None


def test_tokens_outlive_a_new_secret_key_while_the_old_one_is_a_fallback(shell: Client, key: SSHKey, settings: Any) -> None:
    credentials = given(shell, key_id=key.pk)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key"
    assert good_for(shell, credentials) == INVALID
    settings.SECRET_KEY_FALLBACKS = [former]
    assert good_for(shell, credentials)["valid"] is True


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"username": "ann", "token": "x"}, "400 Bad request - project and gl_repository are missing"),
        ({"project": "acme/rockets", "token": "x"}, "400 Bad request - username is missing"),
        ({"project": "acme/rockets", "username": "ann"}, "400 Bad request - token is missing"),
        ({"project": "acme/rockets", "username": [], "token": "x"}, "400 Bad request - username must be a string"),
    ],
)
def test_a_question_has_three_parts(shell: Client, db: None, values: dict[str, Any], message: str) -> None:
    response = shell.post(VERIFY, values, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"message": message})


@pytest.mark.parametrize("path", [AUTHENTICATE, VERIFY])
def test_a_stranger_gets_nothing(stranger: Client, key: SSHKey, path: str) -> None:
    response = stranger.post(path, {"project": "acme/rockets", "key_id": key.pk, "username": "ann", "token": "x"})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize("others", [1, 100])
def test_a_fixed_number_of_statements(
    shell: Client, key: SSHKey, acme: Namespace, ann: User, others: int, django_assert_num_queries: Any
) -> None:
    for number in range(others):
        set_member(ProjectFactory.create(path=f"p{number}", namespace=acme), ann, 30)
    with django_assert_num_queries(5):
        given(shell, key_id=key.pk)
    with django_assert_num_queries(4):
        credentials = given(shell, key_id=key.pk)
    with django_assert_num_queries(5):
        good_for(shell, credentials)
