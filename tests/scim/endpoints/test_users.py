"""Users in a group's scope and the instance's (contract: scim 1 and 6)."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import ExtraEmail, User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import AuditEvent, InstanceSettings
from repositories.errors import LastOwnerError
from repositories.models import Member, Namespace
from repositories.services.access import leave_group, set_member
from scim.models import Identity, SamlIdentity, SamlProvider, Scope
from scim.services.tokens import rotate_token, scope_of
from tests.factories import GroupFactory, ProjectFactory, SSHKeyFactory, UserFactory
from tests.scim.conftest import A, G, P, Provider, identity, scim_error
from tests.statements import at_most

Tree = tuple[Provider, str]


def listed(client: Provider, path: str, **query: Any) -> Any:
    response = client.get(path + "/Users", query)
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/scim+json"
    return response.json()


def patch(client: Provider, path: str, *operations: Any, body: Any = None) -> Any:
    return client.send("patch", path, body if body is not None else {"schemas": ["x"], "Operations": list(operations)})


def op(value: Any, path: str = "active", kind: str = "Replace") -> dict[str, Any]:
    return {"op": kind, "path": path, "value": value}


# --- who may ask ---


@pytest.mark.parametrize("token", [None, "Bearer", "Bearer nonsense", "Basic x", "glsoat-x"])
def test_without_a_token_nothing_is_told(foo: User, gt: Provider, it: Provider, token: str | None) -> None:
    """Scim 6 #1 to #5, D25: SCIM's error and GitLab's in one."""
    for base in (G, A, "/api/scim/v2/groups/nowhere"):
        for method, path in (
            ("get", "/Users"),
            ("post", "/Users"),
            ("get", "/Users/ext-1"),
            ("patch", "/Users/ext-1"),
            ("put", "/Users/ext-1"),
            ("delete", "/Users/ext-1"),
        ):
            response = getattr(Client(headers={"authorization": token} if token else {}), method)(base + path)
            assert response.status_code == 401
            assert response.json() == {**scim_error(0, "Unauthorized"), "status": "401", "message": "401 Unauthorized"}
            assert response["WWW-Authenticate"].startswith("Bearer")
    assert Identity.objects.filter(active=True).count() == 2


def test_a_token_opens_its_own_scope_alone(foo: User, gt: Provider, it: Provider) -> None:
    """Scim 6 #7, #8, #13."""
    other = GroupFactory.create(path="other")
    SamlProvider.objects.create(group=other)
    stranger = Provider(rotate_token(other)[1])
    assert [client.get(base + "/Users").status_code for client in (gt, it, stranger) for base in (G, A)] == [200, 401, 401, 200, 401, 401]
    SamlProvider.objects.filter(group__path="test_group").delete()
    response = gt.get(G + "/Users")
    assert (response.status_code, response.json()) == (404, scim_error(404, "Group test_group does not have SAML SSO configured"))


def test_the_token_may_be_a_parameter_and_the_group_an_id(foo: User, gt: Provider, test_group: Namespace) -> None:
    """Scim 6 #10, D37."""
    token = str(gt.defaults["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")
    assert Client().get(f"{G}/Users?access_token={token}").status_code == 200
    assert gt.get(f"/api/scim/v2/groups/{test_group.pk}/Users").status_code == 200
    assert gt.get("/api/scim/v2/groups/TEST_GROUP/Users/").status_code == 200


def test_other_tokens_do_not_work(foo: User, shell: Client, gt: Provider) -> None:
    clear = create_token(user=foo, name="api", scopes=["api"], expires_at=None)[1]
    for client in (shell, Provider(clear), Client(headers={"private-token": clear})):
        assert client.get(G + "/Users").status_code == client.get(A + "/Users").status_code == 401


def test_a_rotated_token_is_good_for_an_hour(gt: Provider, foo: User, test_group: Namespace, settings: Any) -> None:
    """Scim 6 #20; the one before it is not."""
    second = Provider(rotate_token(test_group)[1])
    assert [client.get(G + "/Users").status_code for client in (gt, second)] == [200, 200]
    third = Provider(rotate_token(test_group)[1])
    assert [client.get(G + "/Users").status_code for client in (gt, second, third)] == [401, 200, 200]
    settings.SCIM_TOKEN_GRACE = 0
    rotate_token(test_group)
    assert third.get(G + "/Users").status_code == 401


# --- list, filter, page ---


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ('id eq "ext-1"', 1), ("id eq ext-1", 1), ('id eq "EXT-1"', 1), ('externalId eq "ext-1"', 1), ('id eq "nonexistent"', 0), ('userName eq "FOO"', 1),
        ("userName eq bar@example.com", 1), ('userName eq "ext-1"', 1), ("userName eq abc@example", 0), ('userName eq "foo@elsewhere.com"', 1),
        ('USERNAME Eq "foo"', 1), ('userName eq "foo" and id eq "ext-1"', 1), ('userName eq "foo" and id eq "other"', 0), ("", 1), ("  ", 1),
        ('userName eq "second@example.com"', 1),
    ],
)  # fmt: skip
def test_filters(tree: Tree, foo: User, asked: str, found: int) -> None:
    """Scim 6 #22 to #32, #49."""
    ExtraEmail.objects.create(user=foo, email="Second@example.com")
    answer = listed(*tree, filter=asked)
    assert (answer["totalResults"], [one["id"] for one in answer["Resources"]]) == (found, ["ext-1"] * found)


@pytest.mark.parametrize(
    "asked", ['displayName eq "name"', 'blah eq "x"', 'id ne "x"', 'emails[type eq "work"].value eq "bar@example.com"']
)
def test_filters_that_are_not_searched_by(tree: Tree, foo: User, asked: str) -> None:
    """Scim 6 #34, #35, #50, D4."""
    response = tree[0].get(tree[1] + "/Users", {"filter": asked})
    assert (response.status_code, response.json()) == (412, {**scim_error(412, "Unsupported Filter"), "scimType": "invalidFilter"})


def test_a_user_as_it_travels(gt: Provider, it: Provider, foo: User) -> None:
    """Scim 1.4, D1, D24; groups are told by the instance alone (#40, #56)."""
    expected = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "ext-1",
        "externalId": "ext-1",
        "userName": "foo",
        "name": {"formatted": "Foo Bar", "givenName": "Foo", "familyName": "Bar"},
        "name.formatted": "Foo Bar",
        "displayName": "Foo Bar",
        "active": True,
        "emails": [{"type": "work", "value": "bar@example.com", "primary": True}],
        "meta": {"resourceType": "User"},
    }
    assert gt.get(G + "/Users/ext-1").json() == expected
    assert it.get(A + "/Users/EXT-1").json() == {**expected, "groups": []}
    answer = listed(gt, G)
    assert answer == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 1, "itemsPerPage": 20, "startIndex": 1, "Resources": [expected],
    }  # fmt: skip


def test_inactive_people_and_former_members_are_listed(gt: Provider, foo: User, test_group: Namespace) -> None:
    """Scim 6 #37, #38, #55."""
    leave_group(test_group, foo)
    Identity.objects.update(active=False)
    assert [one["active"] for one in listed(gt, G)["Resources"]] == [False]
    assert gt.get(G + "/Users/ext-1").json()["active"] is False


def test_a_provider_that_is_switched_off_lists_nobody(gt: Provider, foo: User) -> None:
    """Scim 6 #19."""
    SamlProvider.objects.update(enabled=False)
    assert listed(gt, G)["totalResults"] == listed(gt, G, filter="id eq ext-1")["totalResults"] == 0


@pytest.fixture
def crowd(test_group: Namespace, gt: Provider) -> list[str]:
    """Twenty-five identities; one in the middle was deleted."""
    scope, names = scope_of(test_group), [f"user{number:02}" for number in range(26)]
    for name in names:
        identity(scope, UserFactory.create(username=name), name)
    assert gt.delete(G + "/Users/user10").status_code == 204
    return [name for name in names if name != "user10"]


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, 0, 20),
        ({"startIndex": 0}, 0, 20),
        ({"startIndex": -5}, 0, 20),
        ({"count": 5, "startIndex": 6}, 5, 10),
        ({"count": 0}, 0, 20),
        ({"count": 100}, 0, 25),
        ({"startIndex": 24, "count": 5}, 23, 25),
        ({"startIndex": 14, "count": 3}, 13, 16),
        ({"startIndex": 25}, 24, 25),
        ({"startIndex": 26}, 25, 25),
        ({"startIndex": 1000}, 25, 25),
    ],
)
def test_pages(gt: Provider, crowd: list[str], query: dict[str, int], first: int, last: int) -> None:
    """Scim 6 #41 to #47: in the order of creation, from either end."""
    answer = listed(gt, G, **query)
    assert [one["id"] for one in answer["Resources"]] == crowd[first:last]
    assert (answer["totalResults"], answer["startIndex"], answer["itemsPerPage"]) == (
        25,
        max(query.get("startIndex", 1), 1),
        query.get("count") or 20,
    )


def test_searching_by_post(gt: Provider, crowd: list[str]) -> None:
    """D29."""
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "startIndex": 3, "count": 2, "attributes": ["userName"]}
    for path in ("/.search", "/Users/.search"):
        answer = gt.send("post", G + path, body).json()
        assert [sorted(one) for one in answer["Resources"]] == [["id", "schemas", "userName"]] * 2
    assert gt.send("post", G + "/Users/.search", {"filter": 'id eq "user03"'}).json()["totalResults"] == 1
    assert gt.send("post", G + "/Users/.search", {"filter": "x eq y"}).status_code == 412


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"attributes": "userName"}, ["id", "schemas", "userName"]),
        ({"excludedAttributes": "emails,name,name.formatted,meta"}, ["active", "displayName", "externalId", "id", "schemas", "userName"]),
    ],
)
def test_attributes(gt: Provider, foo: User, query: dict[str, str], shown: list[str]) -> None:
    """Scim 6 #61."""
    assert sorted(gt.get(G + "/Users/ext-1", query).json()) == shown
    assert sorted(listed(gt, G, **query)["Resources"][0]) == shown


# --- get one ---


@pytest.mark.parametrize("identifier", ["123", "a/b", "a b", "ä", "%00", "x" * 300])
def test_nobody_of_that_id(tree: Tree, identifier: str) -> None:
    """Scim 6 #52."""
    response = tree[0].get(f"{tree[1]}/Users/{identifier}")
    assert (response.status_code, response.json()) == (404, scim_error(404, f"Resource {identifier.replace('%00', chr(0))} not found"))


@pytest.mark.parametrize(
    "extern_uid",
    ["bar@example.com", "a/b/c", "a b", "ä?", "..", "%41", "x" * 255, "Users", ".search", "x/Users/y", "a/.search", "Groups", "Schemas"],
)
def test_an_id_may_hold_anything(tree: Tree, foo: User, extern_uid: str) -> None:
    """Scim 0, 6 #53."""
    from urllib.parse import quote  # noqa: PLC0415  only here

    Identity.objects.update(extern_uid=extern_uid)
    url = f"{tree[1]}/Users/{quote(extern_uid, safe='')}"
    assert tree[0].get(url).json()["id"] == extern_uid
    assert patch(tree[0], url, op("False")).status_code == 204
    assert tree[0].send("put", url, {"active": True}).json()["active"] is True
    assert tree[0].delete(url).status_code == 204
    assert tree[0].get(url).json() == scim_error(404, f"Resource {extern_uid} not found")


# --- create ---


def test_a_new_person_in_a_group(gt: Provider, test_group: Namespace) -> None:
    """Scim 6 #62, #92."""
    response = gt.send("post", G + "/Users/", P)
    assert response.status_code == 201
    body = response.json()
    assert (body["id"], body["active"], body["userName"], body["emails"][0]["value"]) == ("test_uid", True, "username", "name@example.com")
    assert response["Location"] == f"http://localhost:3001{G}/Users/test_uid"
    user = User.objects.get(username="username")
    assert (user.name, user.has_usable_password(), user.email_confirmed) == ("Test User", False, False)
    assert Member.objects.get(user=user).access_level == 30
    assert Identity.objects.get(user=user).has_made_user
    assert SamlIdentity.objects.get(user=user).extern_uid == "test_uid"
    event = AuditEvent.objects.get(action="user_provisioned_by_scim")
    assert (event.author_name, event.entity_id, event.details["message"]) == ("(System)", test_group.pk, "User was provisioned by SCIM")
    assert Scope.objects.get(group=test_group).identity_count == 1


@pytest.mark.parametrize(("setting", "confirmed"), [("off", True), ("soft", False), ("hard", False)])
def test_a_new_person_of_the_instance(it: Provider, setting: str, confirmed: bool) -> None:
    """Scim 6 #64, #91."""
    InstanceSettings(email_confirmation=setting).save()
    assert it.send("post", A + "/Users", P, "application/json").status_code == 201
    user = User.objects.get(username="username")
    assert user.email_confirmed is confirmed
    assert not SamlIdentity.objects.exists()
    assert not Member.objects.exists()


def test_a_verified_domain_confirms(gt: Provider, test_group: Namespace) -> None:
    """Scim 6 #88."""
    Namespace.objects.filter(pk=test_group.pk).update(verified_email_domains=["Example.com"])
    gt.send("post", G + "/Users", P)
    assert User.objects.get(username="username").email_confirmed


def test_somebody_who_has_an_account_joins(gt: Provider, test_group: Namespace) -> None:
    """Scim 6 #65, #67: a member's role is left alone."""
    ann = UserFactory.create(username="ann")
    ExtraEmail.objects.create(user=ann, email="Name@Example.com")
    assert gt.send("post", G + "/Users", P).json()["userName"] == "ann"
    assert Member.objects.get(user=ann).access_level == 30
    assert not Identity.objects.get(user=ann).has_made_user
    bob = UserFactory.create(username="bob")
    set_member(test_group, bob, 10)
    gt.send("post", G + "/Users", {**P, "externalId": "bob", "emails": [{"type": "work", "value": "bob@example.com"}]})
    assert Member.objects.get(user=bob).access_level == 10


def test_the_same_person_again_changes_nothing(tree: Tree, foo: User) -> None:
    """Scim 6 #68, D6."""
    before = AuditEvent.objects.count()
    for _ in range(2):
        response = tree[0].send("post", tree[1] + "/Users", {**P, "externalId": "EXT-1"})
        assert (response.status_code, response.json()["userName"]) == (201, "foo")
    assert not User.objects.filter(username="username").exists()
    assert AuditEvent.objects.count() == before


def test_a_former_member_is_one_again_and_stays_inactive(gt: Provider, foo: User, test_group: Namespace) -> None:
    """Scim 6 #70, D11."""
    patch(gt, G + "/Users/ext-1", op("False"))
    response = gt.send("post", G + "/Users", {**P, "externalId": "ext-1"})
    assert (response.status_code, response.json()["active"]) == (201, False)
    assert Member.objects.get(user=foo, namespace=test_group).access_level == 30


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        pytest.param({"externalId": None}, 412, "Missing params: [:extern_uid]", id="#73"),
        pytest.param({"emails": None}, 412, "Missing params: [:email]", id="#74"),
        pytest.param({"emails": [], "userName": None, "externalId": None}, 412, "Missing params: [:extern_uid, :email, :username]", id="all"),
        pytest.param({"emails": [{"type": "work", "value": ""}]}, 412, "Email can't be blank", id="#76"),
        pytest.param({"externalId": ""}, 412, "Extern uid can't be blank", id="blank id"),
        pytest.param({"name": {}}, 412, "Name can't be blank", id="no name"),
        pytest.param({"name": {}, "externalId": "", "emails": [{"type": "work", "value": ""}]}, 412, "Email can't be blank, Extern uid can't be blank, and Name can't be blank", id="three"),
        pytest.param({"externalId": "", "emails": [{"type": "work", "value": "bar@example.com"}]}, 412, "Extern uid can't be blank", id="#77"),
        pytest.param({"externalId": "other", "emails": [{"type": "work", "value": "BAR@example.com"}]}, 409, "User has already been taken", id="another id"),
        pytest.param({"emails": [{"type": "work", "value": "nonsense"}]}, 412, "User 'username' is not accepted: email: Enter a valid email address.", id="no address"),
        pytest.param({"externalId": "x" * 256}, 412, "Extern uid is too long", id="long id"),
    ],
)  # fmt: skip
def test_who_is_not_taken_in(tree: Tree, foo: User, changes: dict[str, Any], status: int, sentence: str) -> None:
    """Scim 1.7; nothing is left behind, and secrets are not shown (#79)."""
    users = User.objects.count()
    response = tree[0].send("post", tree[1] + "/Users", {**P, "password": "hunter2", "access_token": "abc", **changes})
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert body["detail"].startswith("Error saving user with {")
    assert body["detail"].endswith(f": {sentence}")
    assert '"password"=>"[FILTERED]", "access_token"=>"[FILTERED]"' in body["detail"]
    assert (User.objects.count(), Identity.objects.count()) == (users, 2)


def test_a_username_that_is_taken_gets_a_number(tree: Tree, foo: User) -> None:
    """Scim 6 #80, D7; a group's path and a reserved name are taken too."""
    GroupFactory.create(path="ricky")
    for number, (wanted, given) in enumerate([("foo", "foo1"), (" --ricky--", "ricky1"), ("FOO", "FOO2"), ("admin", "admin1")]):
        body = {**P, "externalId": f"x{number}", "userName": wanted, "emails": [{"type": "work", "value": f"x{number}@example.com"}]}
        assert tree[0].send("post", tree[1] + "/Users", body).json()["userName"] == given


def test_an_address_of_another_domain(gt: Provider, foo: User) -> None:
    """Scim 6 #86, D39: the account stays, without membership."""
    SamlProvider.objects.update(allowed_email_domains=["other.com"])
    for _ in range(2):
        response = gt.send("post", G + "/Users", P)
        assert response.status_code == 412
        assert response.json()["detail"].endswith(
            ": The member's email address is not allowed for this group. Check with your administrator."
        )
    user = User.objects.get(username="username")
    assert not Member.objects.filter(user=user).exists()
    assert not Identity.objects.filter(user=user).exists()


@pytest.mark.parametrize("body", ["{bad", "[]", '"x"', "7", '{"a": 1, "a": 2}', '{"a": "\\u0000"}', "[" * 500 + "]" * 500])
def test_a_body_that_is_no_object(tree: Tree, foo: User, body: str) -> None:
    """Scim 6 #95."""
    client, base = tree
    for method, path in (("post", "/Users"), ("patch", "/Users/ext-1"), ("put", "/Users/ext-1"), ("post", "/Users/.search")):
        response = client.generic(method.upper(), base + path, body, "application/scim+json")
        assert (response.status_code, response.json()["scimType"], response.json()["status"]) == (400, "invalidSyntax", "400")
    assert Identity.objects.filter(active=True).count() == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/Users"), ("put", "/Users/ext-1"), ("patch", "/Users/ext-1"), ("post", "/Users/.search")],
)
@pytest.mark.parametrize("content_type", ["application/scim+json", "application/json"])
def test_no_body_is_an_empty_object(tree: Tree, foo: User, method: str, path: str, content_type: str) -> None:
    client, base = tree
    answers = [client.generic(method.upper(), base + path, body, content_type) for body in ("", "{}")]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("body", ["", "{}"])
def test_a_person_without_anything_is_refused(tree: Tree, body: str) -> None:
    client, base = tree
    answer = client.generic("POST", base + "/Users", body, "application/scim+json")
    assert answer.status_code == 412
    assert not Identity.objects.filter(extern_uid="").exists()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("application/scim+json; charset=utf-8", 201),
        ("application/x+json", 201),
        ("", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
    ],
)
def test_media_types(gt: Provider, content_type: str, status: int) -> None:
    """Scim 6 #94, D32."""
    import json  # noqa: PLC0415  only here

    response = gt.generic("POST", G + "/Users", json.dumps(P), content_type)
    assert response.status_code == status
    assert response["Content-Type"] == "application/scim+json"


# --- change ---


@pytest.mark.parametrize(
    "operation", [op("False"), {"op": "replace", "value": {"active": False}}, op("false", kind="Update"), op(value=False)]
)
def test_a_person_leaves_a_group(gt: Provider, foo: User, test_group: Namespace, operation: Any) -> None:
    """Scim 6 #97, #98: with what is below the group; single sign-on knows them still."""
    project = ProjectFactory.create(namespace=GroupFactory.create(path="tools", parent=test_group))
    set_member(project, foo, 40)
    set_member(project.namespace, foo, 40)
    other = GroupFactory.create(path="other")
    set_member(other, foo, 10)
    response = patch(gt, G + "/Users/ext-1", operation)
    assert (response.status_code, response.content) == (204, b"")
    assert list(Member.objects.values_list("namespace__path", flat=True)) == ["other"]
    assert gt.get(G + "/Users/ext-1").json()["active"] is False
    foo.refresh_from_db()
    assert foo.state == "active"
    assert AuditEvent.objects.filter(action="user_deprovisioned_by_scim").count() == 1


def test_a_person_is_shut_out_of_the_instance_and_let_in_again(it: Provider, foo: User, shell: Client) -> None:
    """Scim 6 #100, #103: /allowed refuses a blocked user at once."""
    ProjectFactory.create(path="notes", namespace=foo.namespace)
    key = SSHKeyFactory.create(user=foo)
    question = {"action": "git-upload-pack", "project": "foo/notes", "protocol": "ssh", "key_id": key.pk}
    assert shell.post("/api/v4/internal/allowed", question).status_code == 200
    assert patch(it, A + "/Users/ext-1", op("false", kind="Update")).status_code == 204
    foo.refresh_from_db()
    assert foo.state == "blocked"
    assert shell.post("/api/v4/internal/allowed", question).status_code == 401
    assert patch(it, A + "/Users/ext-1", op("true", kind="replace")).status_code == 204
    assert shell.post("/api/v4/internal/allowed", question).status_code == 200
    assert Member.objects.filter(user=foo).count() == 1


def test_a_person_comes_back_to_a_group(gt: Provider, foo: User, test_group: Namespace) -> None:
    """Scim 6 #104, #122."""
    patch(gt, G + "/Users/ext-1", op("False"))
    for _ in range(2):
        assert patch(gt, G + "/Users/ext-1", op("True"), op("x@y.com", 'emails[type eq "work"].value')).status_code == 204
        assert gt.get(G + "/Users/ext-1").json()["active"] is True
        assert Member.objects.get(user=foo).access_level == 30


def test_the_last_owner_stays(gt: Provider, foo: User, test_group: Namespace) -> None:
    """Scim 6 #101, #125."""
    set_member(test_group, foo, 50)
    response = patch(gt, G + "/Users/ext-1", op("False"))
    assert response.status_code == 412
    assert response.json()["detail"].startswith("Error updating Foo Bar with {")
    response = gt.delete(G + "/Users/ext-1")
    assert response.json() == scim_error(412, "Could not remove Foo Bar from Test Group. Cannot remove last group owner.")
    assert Identity.objects.filter(active=True, deleted_at=None).count() == 2
    set_member(test_group, UserFactory.create(username="bob"), 50)
    assert gt.delete(G + "/Users/ext-1").status_code == 204


@pytest.mark.parametrize("path", ["externalId", "id"])
@pytest.mark.parametrize("active", [True, False])
def test_an_id_is_changed(tree: Tree, foo: User, path: str, active: bool) -> None:
    """Scim 6 #106, #107, D17: nobody is let in by that."""
    Identity.objects.update(active=active)
    assert patch(tree[0], tree[1] + "/Users/ext-1", op("new", path)).status_code == 204
    assert tree[0].get(tree[1] + "/Users/new").json()["active"] is active
    assert tree[0].get(tree[1] + "/Users/ext-1").status_code == 404


@pytest.mark.parametrize("uid", ["TAKEN", "", "x" * 256])
def test_an_id_that_cannot_be(tree: Tree, foo: User, uid: str) -> None:
    """D33; and the rest of the request does not happen either."""
    for scope in Scope.objects.all():
        identity(scope, UserFactory.create(username=f"bob{scope.pk}"), "taken")
    response = patch(tree[0], tree[1] + "/Users/ext-1", op(uid, "externalId"), op("False"))
    assert response.status_code == 412
    assert response.json()["detail"].startswith("Error updating Foo Bar with {")
    assert tree[0].get(tree[1] + "/Users/ext-1").json()["active"] is True


@pytest.mark.parametrize(
    "body",
    [
        {"Garbage": "params"},
        {"Operations": []},
        {"schemas": ["x"], "Operations": [op(None)]},
        {"Operations": [op("New Name", "name.formatted", "Add"), op("new", "userName")]},
        {},
    ],
)
def test_what_changes_nothing(tree: Tree, foo: User, body: Any) -> None:
    """Scim 6 #109 to #118."""
    before = tree[0].get(tree[1] + "/Users/ext-1").json()
    response = patch(tree[0], tree[1] + "/Users/ext-1", body=body)
    assert (response.status_code, response.content) == (204, b"")
    assert tree[0].get(tree[1] + "/Users/ext-1").json() == before


@pytest.mark.parametrize("active", [0, 1, "0", "1", "", "yes", "nothing", 7.5, [], {}, [True, False], {"x": True}, {"value": 1}, ["x"]])
def test_active_is_true_or_false(tree: Tree, foo: User, active: Any) -> None:
    """Decisions 22: a deactivation does not get lost in silence, and the rest of the request does not happen either."""
    client, base = tree
    answers = [
        patch(client, base + "/Users/ext-1", op("new", "externalId"), op(active)),
        patch(client, base + "/Users/ext-1", {"op": "replace", "value": {"active": active}}),
        client.send("put", base + "/Users/ext-1", {"externalId": "new", "active": active}),
        client.send("post", base + "/Users", {**P, "active": active}),
    ]
    for response in answers:
        assert (response.status_code, response.json()["detail"], response.json()["scimType"]) == (400, "active is invalid", "invalidValue")
    assert set(Identity.objects.values_list("extern_uid", "active")) == {("ext-1", True)}
    assert not User.objects.filter(username="username").exists()


@pytest.mark.parametrize("active", [None, [None], {"value": None}])
def test_active_that_is_null_is_absent(tree: Tree, foo: User, active: Any) -> None:
    """Scim 6 #92, #118 with null, decisions 22."""
    client, base = tree
    for stored in (True, False):
        Identity.objects.update(active=stored)
        assert patch(client, base + "/Users/ext-1", op(active)).status_code == 204
        assert client.send("put", base + "/Users/ext-1", {"active": active}).json()["active"] is stored
    assert client.send("post", base + "/Users", {**P, "active": active}).json()["active"] is True


def test_ten_thousand_operations(gt: Provider, foo: User) -> None:
    """The last one for each attribute holds; a fixed number of statements, with the audit events of the three rows that change."""
    operations = [op(str(number % 2 == 0)) for number in range(9998)] + [op("last", "externalId"), op("False")]
    gt.get(G + "/Users")
    with at_most(20):
        assert patch(gt, G + "/Users/ext-1", *operations).status_code == 204
    assert gt.get(G + "/Users/last").json()["active"] is False


def test_a_change_is_shown_when_attributes_are_asked_for(gt: Provider, foo: User) -> None:
    """D15."""
    response = patch(gt, G + "/Users/ext-1?attributes=active", op("False"))
    assert (response.status_code, response.json()["active"]) == (200, False)


@pytest.mark.parametrize("method", ["patch", "put", "delete", "get"])
def test_nobody_is_changed(tree: Tree, method: str) -> None:
    """Scim 6 #127, #133: nothing is created either."""
    response = tree[0].send(method, tree[1] + "/Users/123", {} if method in {"patch", "put"} else None)
    assert (response.status_code, response.json()) == (404, scim_error(404, "Resource 123 not found"))
    assert not Identity.objects.exists()


def test_a_whole_resource_is_put(tree: Tree, foo: User) -> None:
    """D27."""
    client, base = tree
    resource = client.get(base + "/Users/ext-1").json()
    response = client.send("put", base + "/Users/ext-1", {**resource, "active": False, "externalId": "new", "userName": "ignored"})
    assert response.status_code == 200
    assert response.json() == {**resource, "id": "new", "externalId": "new", "active": False}


# --- delete, and back ---


def test_who_was_deleted_is_hidden_and_comes_back_by_post(tree: Tree, foo: User, test_group: Namespace) -> None:
    """Scim 6 #124, #130, D14."""
    client, base = tree
    response = client.delete(base + "/Users/ext-1")
    assert (response.status_code, response.content) == (204, b"")
    for method in ("get", "delete"):
        assert getattr(client, method)(base + "/Users/ext-1").json() == scim_error(404, "Resource ext-1 not found")
    assert listed(client, base)["totalResults"] == listed(client, base, filter="id eq ext-1")["totalResults"] == 0
    assert patch(client, base + "/Users/ext-1", op("x", "userName")).status_code == 404
    response = client.send("post", base + "/Users", {**P, "externalId": "ext-1"})
    assert (response.status_code, response.json()["active"], response.json()["userName"]) == (201, True, "foo")
    assert Member.objects.filter(user=foo, namespace=test_group).exists()
    foo.refresh_from_db()
    assert foo.state == "active"
    assert listed(client, base)["totalResults"] == 1


@pytest.mark.parametrize("method", ["patch", "put", "post"])
def test_a_deleted_identity_keeps_its_id(tree: Tree, foo: User, test_group: Namespace, method: str) -> None:
    """Decisions 22: nobody else can be known by it, and the answer says why."""
    client, base = tree
    bob = UserFactory.create(username="bob")
    identity(scope_of(test_group if base == G else None), bob, "bob")
    assert client.delete(base + "/Users/ext-1").status_code == 204
    before = list(Identity.objects.order_by("pk").values())
    if method == "patch":
        response = patch(client, base + "/Users/bob", op("EXT-1", "externalId"))
    elif method == "put":
        response = client.send("put", base + "/Users/bob", {"externalId": "EXT-1"})
    else:
        Identity.objects.filter(user=bob).delete()
        before = list(Identity.objects.order_by("pk").values())
        body = {**P, "externalId": "EXT-1", "emails": [{"type": "work", "value": "bob@example.com"}]}
        response = client.send("post", base + "/Users", body)
    assert response.status_code == (409 if method == "post" else 412)
    assert response.json()["detail"].endswith(": Extern uid has already been taken by a deleted user")
    assert list(Identity.objects.order_by("pk").values()) == before
    assert client.get(base + "/Users/ext-1").status_code == 404


def test_who_was_deleted_comes_back_by_patch_and_under_another_id(tree: Tree, foo: User) -> None:
    """Scim 6 #131."""
    client, base = tree
    client.delete(base + "/Users/ext-1")
    assert patch(client, base + "/Users/ext-1", op("True")).status_code == 204
    assert client.get(base + "/Users/ext-1").json()["active"] is True
    client.delete(base + "/Users/ext-1")
    body = {**P, "externalId": "other", "emails": [{"type": "work", "value": "bar@example.com"}]}
    assert client.send("post", base + "/Users", body).json()["id"] == "other"
    assert listed(client, base)["totalResults"] == 1


def test_a_former_member_is_deleted(gt: Provider, foo: User, test_group: Namespace) -> None:
    """Scim 6 #124."""
    leave_group(test_group, foo)
    assert gt.delete(G + "/Users/ext-1").status_code == 204


# --- discovery and the rest ---


@pytest.mark.parametrize(
    "path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Users", "/Users/ext-1", "/.search", "/Schemas/x"]
)
def test_other_methods(tree: Tree, foo: User, path: str) -> None:
    """Scim 6 #115, #139."""
    wrong = {"/Users": "patch", "/Users/ext-1": "post", "/.search": "get"}.get(path, "post")
    response = getattr(tree[0], wrong)(tree[1] + path)
    assert (response.status_code, response.json()["status"]) == (405, "405")
    assert response["Allow"]


def test_what_the_service_can_do(tree: Tree) -> None:
    """Scim 6 #134, #137, #140, #142."""
    client, base = tree
    config = client.get(base + "/ServiceProviderConfig").json()
    assert (config["patch"]["supported"], config["bulk"]["supported"], config["filter"]["maxResults"]) == (True, False, 100)
    assert [kind["id"] for kind in client.get(base + "/ResourceTypes").json()["Resources"]] == ["User"]
    urn = "urn:ietf:params:scim:schemas:core:2.0:User"
    schema = client.get(f"{base}/Schemas/{urn}").json()
    told = {attribute["name"]: attribute["mutability"] for attribute in schema["attributes"]}
    expected = {
        "userName": "immutable",
        "externalId": "immutable",
        "name": "immutable",
        "name.formatted": "readOnly",
        "displayName": "readOnly",
        "active": "readWrite",
        "emails": "immutable",
    }
    assert told == (expected if base == G else {**expected, "groups": "readOnly"})
    response = client.get(base + "/Schemas?filter=x")
    assert (response.status_code, response.json()["message"]) == (403, "403 Forbidden")
    assert client.get(base + "/Me").status_code == client.send("post", base + "/Bulk", {}).status_code == 501
    for unknown in ("/Schemas/x", "/ResourceTypes/x", "/4773b2ee-5ba5-5e9f-b48c-5f7a17f0faac"):
        body = client.get(base + unknown).json()
        assert (sorted(body), body["status"]) == (["detail", "schemas", "status"], 404)


# --- size and races ---


@pytest.mark.parametrize("many", [30, 3000])
def test_a_page_is_three_statements_at_most(tree: Tree, test_group: Namespace, many: int) -> None:
    client, base = tree
    scope = scope_of(test_group if base == G else None)
    users = User.objects.bulk_create(User(username=f"u{n}", name=f"U {n}", email=f"u{n}@example.com") for n in range(many))
    Identity.objects.bulk_create(Identity(scope=scope, user=user, extern_uid=user.username) for user in users)
    Scope.objects.filter(pk=scope.pk).update(identity_count=many)
    client.get(base + "/Users")
    for start in (1, many // 2, many - 10):
        with at_most(3):
            assert listed(client, base, startIndex=start, count=100)["totalResults"] == many
    for asked in ('id eq "u7"', 'userName eq "u7"'):
        with at_most(6):
            assert listed(client, base, filter=asked)["totalResults"] == 1


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize("column", ["extern_uid", "username", "email"])
def test_filters_use_an_index(test_group: Namespace, column: str) -> None:
    from django.db.models.functions import Lower  # noqa: PLC0415  only here

    from scim.selectors.identities import by_extern_uid, visible  # noqa: PLC0415  only here

    if column == "extern_uid":
        rows: Any = by_extern_uid(visible(scope_of(test_group)), "x")
    else:
        rows = User.objects.annotate(lowered=Lower(column)).filter(lowered="x")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "Index" in rows.explain()


def at_once(*work: Any) -> None:
    ready = threading.Barrier(len(work))

    def run(one: Any) -> None:
        ready.wait()
        try:
            one()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[one]) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_parallel_creates_of_one_person_make_one(test_group: Namespace, gt: Provider) -> None:
    statuses = []
    at_once(*[lambda: statuses.append(gt.send("post", G + "/Users", P).status_code)] * 6)
    assert statuses == [201] * 6
    assert (Identity.objects.count(), User.objects.count(), Member.objects.count()) == (1, 1, 1)
    assert Scope.objects.get(group=test_group).identity_count == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_a_time_one_stays(test_group: Namespace) -> None:
    owners = [UserFactory.create(username=name) for name in ("ann", "bob")]
    for owner in owners:
        set_member(test_group, owner, 50)
    refused = []

    def leave(user: User) -> None:
        try:
            leave_group(test_group, user)
        except LastOwnerError:
            refused.append(user)

    at_once(*[lambda user=user: leave(user) for user in owners])
    assert len(refused) == Member.objects.count() == 1
