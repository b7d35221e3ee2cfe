"""POST /personal_access_token (contract: shell-endpoints 10, 16.7; decisions 16)."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.token_requests import parse_day
from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from tests.factories import DeployKeyFactory, SSHKeyFactory

PATH = "/api/v4/internal/personal_access_token"
VALID = (
    'Valid scopes are: ["api", "create_runner", "k8s_proxy", "manage_runner", "read_api", "read_registry", "read_repository", '
    '"read_user", "self_rotate", "write_registry", "write_repository"]'
)


@pytest.fixture
def key(ann: User) -> SSHKey:
    return SSHKeyFactory.create(user=ann)


def ask(client: Client, **values: Any) -> Any:
    response = client.post(PATH, values, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.json()


def in_days(days: int) -> str:
    return (timezone.now().date() + timedelta(days=days)).isoformat()


def test_a_token_is_shown_once_and_kept_as_a_digest(shell: Client, key: SSHKey, ann: User) -> None:
    """gitlab-shell 5 #92; exactly four keys, scopes in the order of the request."""
    answer = ask(shell, key_id=str(key.pk), name="ci", scopes=["read_user", "api"], expires_at=in_days(30))
    token = answer.pop("token")
    assert answer == {"success": True, "scopes": ["read_user", "api"], "expires_at": in_days(30)}
    assert token.startswith("glpat-")
    assert token == token.strip()
    row = PersonalAccessToken.objects.get()
    assert (row.user_id, row.name, row.scopes, row.token_digest) == (ann.pk, "ci", ["read_user", "api"], token_digest(token))


def test_a_form_will_do(shell: Client, key: SSHKey) -> None:
    response = shell.post(PATH, {"key_id": key.pk, "name": "ci", "scopes[]": ["api", "read_user"]})
    assert response.json()["scopes"] == ["api", "read_user"]


@pytest.mark.parametrize("named", ["user_id", "username"])
def test_a_session_without_a_key_gets_one_too(shell: Client, ann: User, named: str) -> None:
    """Decisions 9: the document shows `user_id` succeeding."""
    value = ann.pk if named == "user_id" else "ANN"
    assert ask(shell, **{named: value}, name="ci", scopes=["api"])["success"] is True


def test_without_a_date_it_lasts_as_long_as_it_may(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.7 #98, e29."""
    for values in ({}, {"expires_at": ""}, {"expires_at": None}, {"expires_at": "  "}):
        assert ask(shell, key_id=key.pk, name="ci", scopes=["api"], **values)["expires_at"] == in_days(365)


def test_where_no_date_is_required_it_lasts_for_ever(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.7 #89, #100."""
    InstanceSettings(require_personal_access_token_expiry=False).save()
    assert ask(shell, key_id=key.pk, name="ci", scopes=["api"])["expires_at"] is None
    assert ask(shell, key_id=key.pk, name="ci", scopes=["api"], expires_at="9001-01-31")["expires_at"] == "9001-01-31"


def test_a_year_is_the_most(shell: Client, key: SSHKey) -> None:
    """shell-endpoints 16.7 #88, e30, e31; a date that is past is accepted."""
    late = ask(shell, key_id=key.pk, name="ci", scopes=["api"], expires_at=in_days(366))
    assert late == {"success": False, "message": f"Failed to create token: Expiration date must be before {in_days(365)}"}
    last = f"{in_days(365)} 23:59:59 +0000"
    assert ask(shell, key_id=key.pk, name="ci", scopes=["api"], expires_at=last)["expires_at"] == in_days(365)
    assert ask(shell, key_id=key.pk, name="ci", scopes=["api"], expires_at=in_days(-1))["success"] is True
    assert not PersonalAccessToken.objects.latest("pk").is_usable()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({}, "No token name specified", id="#83"),
        pytest.param({"name": "  "}, "No token name specified", id="e22"),
        pytest.param({"name": "ci"}, "No token scopes specified", id="no scopes"),
        pytest.param({"name": "ci", "scopes": []}, "No token scopes specified", id="e23"),
        pytest.param({"name": "ci", "scopes": None}, "No token scopes specified", id="e23 null"),
        pytest.param({"name": "ci", "scopes": "api"}, "No token scopes specified", id="e24, decisions 16"),
        pytest.param({"name": "ci", "scopes": {"0": "api"}}, "No token scopes specified", id="an index hash"),
        pytest.param({"name": "ci", "scopes": [""]}, f"Invalid scope: ''. {VALID}", id="gitlab-shell 2.10"),
        pytest.param({"name": "ci", "scopes": [1]}, f"Invalid scope: '1'. {VALID}", id="no string"),
        pytest.param({"name": "ci", "scopes": ["API"]}, f"Invalid scope: 'API'. {VALID}", id="e25"),
        pytest.param({"name": "ci", "scopes": ["sudo"]}, f"Invalid scope: 'sudo'. {VALID}", id="e26"),
        pytest.param({"name": "ci", "scopes": ["read_api", "badscope", "worse"]}, f"Invalid scope: 'badscope'. {VALID}", id="#86, e27, e28"),
        pytest.param({"name": "ci", "scopes": ["bad"], "expires_at": "bad"}, f"Invalid scope: 'bad'. {VALID}", id="e32"),
        pytest.param({"name": "ci", "scopes": ["api"], "expires_at": "invalid-date"}, "Invalid token expiry date: 'invalid-date'", id="#85"),
        pytest.param({"name": "ci", "scopes": ["api"], "expires_at": 20300131}, "Invalid token expiry date: '20300131'", id="a number"),
        pytest.param({"name": "x" * 256, "scopes": ["api"]}, "Failed to create token: Name is too long (maximum is 255 characters)", id="long name"),
    ],
)  # fmt: skip
def test_the_first_problem_is_told(shell: Client, key: SSHKey, values: dict[str, Any], message: str) -> None:
    assert ask(shell, key_id=str(key.pk), **values) == {"success": False, "message": message}
    assert not PersonalAccessToken.objects.exists()


def test_who_gets_none(shell: Client, key: SSHKey, ann: User) -> None:
    """shell-endpoints 16.7 #79, #82, #94, e33, e34; a deploy key is refused before anything else."""
    asked = {"name": "ci", "scopes": ["api"]}
    assert ask(shell, key_id="0", **asked)["message"] == "Could not find the given key"
    assert ask(shell, **asked)["message"] == "Could not find the given key"
    assert ask(shell, user_id=0, **asked)["message"] == "Could not find the given user"
    deploy_key = DeployKeyFactory.create()
    assert ask(shell, key_id=deploy_key.pk)["message"] == "Deploy keys cannot be used to create personal access tokens"
    User.objects.filter(pk=ann.pk).update(ssh_keys_disabled=True)
    assert ask(shell, key_id=key.pk, **asked)["message"] == "SSH keys are disabled for this user"
    User.objects.filter(pk=ann.pk).update(ssh_keys_disabled=False, state="blocked")
    assert ask(shell, key_id=key.pk, **asked)["message"] == "Failed to create token: Not permitted to create"
    assert not PersonalAccessToken.objects.exists()


def test_a_repeated_request_makes_another_token(shell: Client, key: SSHKey) -> None:
    """gitlab-shell 1.5: the clear text of the first is lost with its answer, and is known to nobody."""
    first, second = (ask(shell, key_id=key.pk, name="ci", scopes=["api"])["token"] for _ in range(2))
    assert first != second
    assert PersonalAccessToken.objects.count() == 2


def test_a_stranger_gets_none(stranger: Client, key: SSHKey) -> None:
    response = stranger.post(PATH, {"key_id": key.pk, "name": "ci", "scopes[]": "api"})
    assert (response.status_code, response.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize(
    "text",
    ["2030-01-31", "20300131", "31 Jan 2030", "31 jan 2030", "2030-01-31T12:00:00Z", "2030-01-31 12:00:00.123 UTC",
     "2030-01-31 23:59:59 +0000", "2030-01-31T23:59:59.999-11:00", "2030-01-31 12:00"],
)  # fmt: skip
def test_a_date_as_it_is_written(text: str) -> None:
    """Decisions 16; the time of a timestamp is dropped, whatever its zone."""
    assert parse_day(text) == date(2030, 1, 31)


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2030-02-30", "2030-13-01", "30-01-31", "2030/01/31", "31.01.2030", "2030-1-31", "Jan 31 2030", "31 January 2030",
     "0000-01-01", "2030-01-31T25:00:00Z", "2030-01-31x", "2030-01-31 ", "203\N{ARABIC-INDIC DIGIT ZERO}-01-31", "203001311", "31 Foo 2030", "2030-jan-31"],
)  # fmt: skip
def test_nothing_laxer_is_a_date(text: str) -> None:
    assert parse_day(text) is None
