"""A token tells nothing of other scopes: whatever is not its own is the same 401 (contract: decisions 22).

Every route of SCIM is asked by every method, with groups that exist in every way there is and with ones that do not, by path and by
id; the whole answer is compared, headers too.
"""

import json
from typing import Any

import pytest

from accounts.models import User
from repositories.models import Namespace
from scim.models import SamlProvider
from scim.services.tokens import rotate_token, scope_of
from tests.factories import GroupFactory, ProjectFactory, UserFactory
from tests.scim.conftest import A, P, Provider, identity
from tests.test_every_route import MAPPED

pytestmark = pytest.mark.enumeration
GROUP_ROUTES = sorted({address for address, _ in MAPPED if "/scim/v2/groups/insiders" in address})
INSTANCE_ROUTES = sorted({address for address, _ in MAPPED if "/scim/v2/application" in address})
METHODS = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]
PER_REQUEST = {"X-Request-Id", "Date"}
BODY = json.dumps({**P, "displayName": "Engineers", "schemas": ["x"], "Operations": [{"op": "add", "path": "active", "value": False}]})


def whole_answer(client: Provider, method: str, url: str) -> tuple[int, bytes, dict[str, str]]:
    response = client.generic(method.upper(), url, BODY, "application/scim+json")
    return response.status_code, response.content, {name: value for name, value in response.items() if name not in PER_REQUEST}


def provided(path: str, **fields: Any) -> Namespace:
    """A group with an identity provider, a token and somebody in it."""
    group: Namespace = GroupFactory.create(path=path, **fields)
    SamlProvider.objects.create(group=group)
    rotate_token(group, token=f"glsoat-of-{path}")
    return group


@pytest.fixture
def own(db: None) -> Namespace:
    """The group whose token is shown; it has a subgroup, and somebody who is known to it."""
    group = provided("own")
    identity(scope_of(group), UserFactory.create(username="somebody"), "somebody")
    GroupFactory.create(path="team", parent=group)
    return group


@pytest.fixture
def others(own: Namespace) -> dict[str, str]:
    """How other groups are named: those that exist in every way there is, and those that do not."""
    provider = provided("provider")
    identity(scope_of(provider), User.objects.get(username="somebody"), "somebody")
    switched_off = provided("switched-off")
    SamlProvider.objects.filter(group=switched_off).update(enabled=False)
    without_saml = GroupFactory.create(path="without-saml")
    without_token = GroupFactory.create(path="without-token")
    SamlProvider.objects.create(group=without_token)
    public = provided("open-house", visibility="public")
    below = GroupFactory.create(path="below", parent=provider)
    project = ProjectFactory.create(path="rockets", namespace=provider)
    person = UserFactory.create(username="person")
    return {
        "another provider": "provider",
        "another provider, capitals": "PROVIDER",
        "another provider's id": str(provider.pk),
        "switched off": "switched-off",
        "without SAML": "without-saml",
        "without SAML, id": str(without_saml.pk),
        "without a token": "without-token",
        "public": "open-house",
        "public, id": str(public.pk),
        "a subgroup": "provider/below",
        "a subgroup, encoded": "provider%2Fbelow",
        "a subgroup's id": str(below.pk),
        "a project": "provider/rockets",
        "a project's id": str(project.pk + 10**6),
        "an own subgroup": "own/team",
        "an own subgroup, encoded": "own%2Fteam",
        "a user's namespace": "person",
        "a user's namespace, id": str(person.namespace.pk),
        "missing, by id": "999999999",
        "missing, id of too many digits": "9" * 40,
        "missing, odd digits": "\u0662",
        "missing, NUL": "%00",
        "missing, blank": "%20",
        "missing, dots": "..a",
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", GROUP_ROUTES)
def test_another_group_is_the_same_whether_it_exists_or_not(others: dict[str, str], route: str, method: str) -> None:
    client = Provider("glsoat-of-own")
    missing = whole_answer(client, method, route.replace("insiders", "missing"))
    assert missing[0] == 401
    below = whole_answer(client, method, route.replace("insiders", "own/missing"))
    assert below == missing or route.endswith("/insiders")  # there it is an unknown URL of the own scope, which is a 404
    told = {name: whole_answer(client, method, route.replace("insiders", path)) for name, path in others.items()}
    expected = {name: below if path.startswith("own") else missing for name, path in others.items()}
    assert {name: answer for name, answer in told.items() if answer != expected[name]} == {}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", GROUP_ROUTES)
def test_the_instances_token_opens_no_group(others: dict[str, str], route: str, method: str) -> None:
    rotate_token(None, token="glsoat-of-the-instance")
    client = Provider("glsoat-of-the-instance")
    missing = whole_answer(client, method, route.replace("insiders", "missing"))
    assert missing[0] == 401
    told = {name: whole_answer(client, method, route.replace("insiders", path)) for name, path in {**others, "own": "own"}.items()}
    assert {name: answer for name, answer in told.items() if answer != missing} == {}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", INSTANCE_ROUTES)
def test_a_groups_token_does_not_open_the_instance(own: Namespace, route: str, method: str) -> None:
    """Whether the instance has SCIM, or that user, or that group of the identity provider."""
    client = Provider("glsoat-of-own")
    before = whole_answer(client, method, route)
    assert before[0] == 401
    rotate_token(None)
    identity(scope_of(None), User.objects.get(username="somebody"), "somebody")
    assert whole_answer(client, method, route) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_good_token_in_the_wrong_place_is_told_what_a_bad_one_is(own: Namespace, method: str) -> None:
    for url in ("/api/scim/v2/groups/other/Users", A + "/Users", A + "/Groups/x"):
        assert whole_answer(Provider("glsoat-of-own"), method, url) == whole_answer(Provider("glsoat-of-nobody"), method, url)


@pytest.mark.parametrize("name", ["own", "OWN", "id"])
def test_the_own_group_is_open_by_path_and_by_id(own: Namespace, name: str) -> None:
    path = str(own.pk) if name == "id" else name
    assert Provider("glsoat-of-own").get(f"/api/scim/v2/groups/{path}/Users/somebody").status_code == 200
    assert Provider("glsoat-of-own").get(f"/api/scim/v2/groups/{path}/nothing").status_code == 404
