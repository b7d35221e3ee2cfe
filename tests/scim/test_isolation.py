"""A token opens its own scope alone: every route of SCIM is tried with every other token there is."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from repositories.models import Member, Namespace
from repositories.services.access import set_member
from scim.models import GroupMembership, Identity, SamlGroupLink, SamlProvider, Scope
from scim.services.tokens import rotate_token, scope_of
from tests.factories import GroupFactory, UserFactory
from tests.insider import AGENT_TOKEN, insider_client
from tests.scim.conftest import P, Provider, identity
from tests.test_every_route import MAPPED

pytestmark = pytest.mark.enumeration
ROUTES = sorted({(address, method) for address, method in MAPPED if "/scim/" in address})
HOLDERS = ["another group", "the other kind", "a person", "an agent", "GitLab Shell and kas", "a removed group"]


@pytest.fixture
def insiders(db: None) -> Namespace:
    """A group, and the instance, that both know somebody."""
    group: Namespace = GroupFactory.create(path="insiders")
    SamlProvider.objects.create(group=group)
    SamlGroupLink.objects.create(group=group, name="Engineers", access_level=30, scim_group_uid="somebody")
    user = UserFactory.create(username="somebody")
    set_member(group, user, 30)
    for scope in (scope_of(group), scope_of(None)):
        identity(scope, user, "somebody")
    GroupMembership.objects.create(scim_group_uid="somebody", user=user)
    rotate_token(group, token="glsoat-inside")
    rotate_token(None, token="glsoat-instance")
    return group


def holder(who: str, address: str) -> Client:
    match who:
        case "another group" | "a removed group":
            other = GroupFactory.create(path="other")
            SamlProvider.objects.create(group=other)
            client = Provider(rotate_token(other)[1])
            if who == "a removed group":
                other.delete()
            return client
        case "the other kind":
            return Provider("glsoat-instance" if "/groups/" in address else "glsoat-inside")
        case "a person":
            root = UserFactory.create(username="root", admin=True)
            return Provider(create_token(user=root, name="api", scopes=["api"], expires_at=None)[1])
        case "an agent":
            insider_client()
            return Provider(AGENT_TOKEN)
        case _:
            insider = insider_client()
            del insider.defaults["HTTP_AUTHORIZATION"]
            return insider


def everything() -> list[Any]:
    models = (Identity, Scope, Member, SamlGroupLink, GroupMembership, SamlProvider)
    rows: list[Any] = [list(model._default_manager.order_by("pk").values()) for model in models]  # noqa: SLF001  the default manager
    return [*rows, list(User.objects.order_by("pk").values_list("pk", "state"))]


@pytest.mark.parametrize("who", HOLDERS)
@pytest.mark.parametrize(("address", "method"), ROUTES)
def test_no_other_token_sees_or_changes_anything(insiders: Namespace, address: str, method: str, who: str) -> None:
    client = holder(who, address)
    before = everything()
    body = {**P, "displayName": "Engineers", "Operations": [{"op": "Replace", "path": "active", "value": False}], "members": []}
    response = client.generic(method.upper(), address, json.dumps(body), "application/scim+json")
    assert response.status_code == 401
    assert b"somebody" not in response.content
    assert everything() == before
