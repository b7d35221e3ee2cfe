"""A group with single sign-on, its token and the instance's, and Foo Bar, who is known to both (contract: scim 6)."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.models import Namespace
from repositories.services.access import set_member
from scim.models import Identity, SamlProvider, Scope
from scim.services.tokens import rotate_token, scope_of
from tests.factories import GroupFactory, UserFactory

G, A = "/api/scim/v2/groups/test_group", "/api/scim/v2/application"
TREES = {"group": G, "instance": A}
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
P: dict[str, Any] = {
    "externalId": "test_uid",
    "active": None,
    "userName": "username",
    "emails": [{"primary": True, "type": "work", "value": "name@example.com"}],
    "name": {"formatted": "Test User", "familyName": "User", "givenName": "Test"},
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "meta": {"resourceType": "User"},
}


def scim_error(status: int, detail: str) -> dict[str, Any]:
    return {"schemas": [ERROR], "detail": detail, "status": status}


class Provider(Client):
    """An identity provider with a token."""

    def __init__(self, token: str) -> None:
        super().__init__(headers={"authorization": f"Bearer {token}"})

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/scim+json") -> Any:
        return getattr(self, method)(path, body, content_type=content_type) if body is not None else getattr(self, method)(path)


def identity(scope: Scope, user: User, extern_uid: str, **fields: Any) -> Identity:
    """An identity that was there before."""
    scope.identity_count += 1
    scope.save()
    return Identity.objects.create(scope=scope, user=user, extern_uid=extern_uid, **fields)


@pytest.fixture
def test_group(db: None) -> Namespace:
    group: Namespace = GroupFactory.create(path="test_group", name="Test Group")
    SamlProvider.objects.create(group=group, default_role=30)
    return group


@pytest.fixture
def foo(test_group: Namespace) -> User:
    """A developer of the group, known as ext-1 in both scopes."""
    user: User = UserFactory.create(username="foo", email="bar@example.com", name="Foo Bar")
    set_member(test_group, user, 30)
    identity(scope_of(test_group), user, "ext-1")
    identity(scope_of(None), user, "ext-1")
    return user


@pytest.fixture
def gt(test_group: Namespace) -> Provider:
    """The group's identity provider."""
    return Provider(rotate_token(test_group)[1])


@pytest.fixture
def it(db: None) -> Provider:
    """The instance's."""
    return Provider(rotate_token(None)[1])


@pytest.fixture(params=["group", "instance"])
def tree(request: pytest.FixtureRequest, gt: Provider, it: Provider) -> tuple[Provider, str]:
    """Each of the two with its address."""
    return (gt, G) if request.param == "group" else (it, A)
