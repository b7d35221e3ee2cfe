"""GET /discover (contract: shell-endpoints 5, 16.2 and 16.5, gitlab-shell 5)."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from tests.factories import DeployKeyFactory, SSHKeyFactory, UserFactory

PATH = "/api/v4/internal/discover"


@pytest.fixture
def rubi(db: None) -> User:
    return UserFactory.create(id=7, username="rubi", name="Dede Eichmann", kerberos_principal="rubi@EXAMPLE.COM")


ANSWER = {"id": 7, "name": "Dede Eichmann", "username": "rubi"}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"key_id": "11"}, id="shell-endpoints 16.5 #58"),
        pytest.param({"user_id": "7"}, id="by user id"),
        pytest.param({"username": "rubi"}, id="shell-endpoints 16.5 #61"),
        pytest.param({"username": "RuBi"}, id="shell-endpoints e13"),
        pytest.param({"krb5principal": "rubi@EXAMPLE.COM"}, id="gitlab-shell 5 #44"),
        pytest.param({"identifier": "user-7"}, id="identifier of a user"),
        pytest.param({"identifier": "key-11"}, id="shell-endpoints 16.2 #19"),
        pytest.param({"key_id": "11 "}, id="digits with a blank"),
        pytest.param({"key_id": "11abc"}, id="as lenient as upstream"),
        pytest.param({"krb5principal": "rubi@EXAMPLE.COM", "key_id": "999"}, id="the first that is present decides"),
    ],
)
def test_whoever_is_named_is_told(shell: Client, rubi: User, query: dict[str, str]) -> None:
    SSHKeyFactory.create(id=11, user=rubi)
    response = shell.get(PATH, query)
    assert (response.status_code, response.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({}, id="gitlab-shell 5 #47: no parameter"),
        pytest.param({"key_id": "12"}, id="unknown key"),
        pytest.param({"key_id": "13"}, id="shell-endpoints 16.5 #59: signing-only key"),
        pytest.param({"identifier": "key-13"}, id="shell-endpoints 16.2 #17"),
        pytest.param({"username": "noone"}, id="shell-endpoints 16.5 #62"),
        pytest.param({"key_id": "abc"}, id="gitlab-shell 5 #47: not a number"),
        pytest.param({"key_id": "", "username": "rubi"}, id="shell-endpoints e14: empty is present"),
        pytest.param({"key_id": "12", "user_id": "7"}, id="no falling through"),
        pytest.param({"user_id": "99999999999999999999999"}, id="beyond 64 bits"),
        pytest.param({"user_id": "9223372036854775808"}, id="just beyond 64 bits"),
        pytest.param({"user_id": "-7"}, id="negative"),
        pytest.param({"identifier": "group-7"}, id="an identifier of nobody"),
        pytest.param({"identifier": "user-"}, id="half an identifier"),
        pytest.param({"identifier": "user-99999999999999999999"}, id="an identifier beyond 64 bits"),
        pytest.param({"unrelated": "7"}, id="unrelated parameter"),
    ],
)
def test_nobody_is_null_with_status_200(shell: Client, rubi: User, query: dict[str, str]) -> None:
    SSHKeyFactory.create(id=13, user=rubi, usage_type="signing")
    response = shell.get(PATH, query)
    assert (response.status_code, response.content) == (200, b"null")


def test_a_blocked_user_is_greeted(shell: Client, rubi: User) -> None:
    """shell-endpoints 5, details."""
    rubi.state = "blocked"
    rubi.save()
    assert shell.get(PATH, {"user_id": 7}).json() == ANSWER


def test_a_deploy_key_stands_for_its_owner_or_the_ghost(shell: Client, rubi: User) -> None:
    """shell-endpoints e15."""
    key = DeployKeyFactory.create(owner=rubi)
    assert shell.get(PATH, {"key_id": key.pk}).json() == ANSWER
    key.user = None
    key.save()
    ghost = UserFactory.create(username="ghost", name="Ghost User", user_type="ghost")
    assert shell.get(PATH, {"key_id": key.pk}).json() == {"id": ghost.pk, "name": "Ghost User", "username": "ghost"}


def test_a_get_may_say_that_it_is_json_and_have_no_body(shell: Client, rubi: User) -> None:
    """gitlab-shell 5 #11, shell-endpoints e63."""
    assert shell.get(PATH, {"user_id": 7}, content_type="application/json").json() == ANSWER


def test_a_stranger_learns_nothing(stranger: Client, rubi: User) -> None:
    response = stranger.get(PATH, {"user_id": 7})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


def test_one_statement(shell: Client, rubi: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        shell.get(PATH, {"username": "rubi"})
